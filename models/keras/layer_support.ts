/**
 * The table of what is supported: every class of layers × (answers, gradient, state, mask). All of
 * them have Keras' answers and gradient; a test compares each entry with numbers that Keras computed.
 * A class that is not here, and a setting that its class does not read, is refused by the layer's name
 * before anything is computed.
 */

/** What a layer does with a mask of its time steps. */
export type MaskSupport =
  /** Computes otherwise where a step is masked. */
  | "used"
  /** Gives it to the layer after it. */
  | "passed on"
  /** Computes without it, and the layer after it has none, as in Keras. */
  | "dropped"
  /** Is refused where a mask reaches it. */
  | "refused"
  /** Reads what has no time steps, or drops their mask. */
  | "none";

export interface LayerSupport {
  /** "carried": with `stateful=True`, from window to window, by lane. */
  readonly state: "carried" | "none";
  readonly mask: MaskSupport;
  /** Settings that are refused. */
  readonly refuses?: string;
}

const entry = (mask: MaskSupport, refuses?: string): LayerSupport => ({
  state: "none",
  mask,
  ...(refuses ? { refuses } : {}),
});

const dropout = "noise_shape";
const drawing = "a rate other than 0";
const recurrent = (refuses?: string): LayerSupport => ({
  state: "carried",
  mask: "used",
  refuses: `dropout, time_major, initial_state beside stateful${refuses ? `, ${refuses}` : ""}`,
});
const convolutionalRecurrent: LayerSupport = {
  state: "carried",
  mask: "used",
  refuses: "dropout, initial_state beside stateful",
};
const network: LayerSupport = { state: "carried", mask: "passed on" };
const merging = "masks in a file of Keras 3, shapes of unequal rank";

export const layerSupport: Readonly<Record<string, LayerSupport>> = {
  Dense: entry("passed on"),
  Flatten: entry("dropped"),
  Reshape: entry("dropped"),
  Permute: entry("dropped"),
  RepeatVector: entry("none"),
  Masking: entry("used", "frames with places"),
  Dropout: entry("passed on", dropout),
  SpatialDropout1D: entry("passed on"),
  SpatialDropout2D: entry("none"),
  SpatialDropout3D: entry("none"),
  AlphaDropout: entry("passed on", drawing),
  GaussianDropout: entry("passed on", drawing),
  GaussianNoise: entry("passed on", "a deviation other than 0"),
  Identity: entry("passed on"),
  Rescaling: entry("passed on", "a list of scales"),
  Activation: entry("passed on", "other activations than those below"),
  ReLU: entry("passed on"),
  LeakyReLU: entry("passed on"),
  ELU: entry("passed on"),
  ThresholdedReLU: entry("passed on"),
  PReLU: entry("passed on"),
  Softmax: entry("refused", "several axes"),
  Conv1D: entry("dropped"),
  Conv2D: entry("none"),
  Conv3D: entry("none"),
  Conv1DTranspose: entry("dropped", "groups"),
  Conv2DTranspose: entry("none", "groups"),
  Conv3DTranspose: entry("none", "groups"),
  DepthwiseConv1D: entry("dropped"),
  DepthwiseConv2D: entry("none", "unequal strides"),
  SeparableConv1D: entry("dropped"),
  SeparableConv2D: entry("none", "unequal strides"),
  MaxPooling1D: entry("dropped"),
  MaxPooling2D: entry("none"),
  MaxPooling3D: entry("none"),
  AveragePooling1D: entry("dropped"),
  AveragePooling2D: entry("none"),
  AveragePooling3D: entry("none"),
  GlobalMaxPooling1D: entry("dropped"),
  GlobalMaxPooling2D: entry("none"),
  GlobalMaxPooling3D: entry("none"),
  GlobalAveragePooling1D: entry("used"),
  GlobalAveragePooling2D: entry("none"),
  GlobalAveragePooling3D: entry("none"),
  ZeroPadding1D: entry("dropped"),
  ZeroPadding2D: entry("none"),
  ZeroPadding3D: entry("none"),
  Cropping1D: entry("dropped"),
  Cropping2D: entry("none"),
  Cropping3D: entry("none"),
  UpSampling1D: entry("dropped"),
  UpSampling2D: entry("none", "interpolation other than nearest and bilinear"),
  UpSampling3D: entry("none"),
  Resizing: entry("none", "other than bilinear, antialias, crop or pad to the aspect ratio"),
  Add: entry("passed on", merging),
  Subtract: entry("passed on", merging),
  Multiply: entry("passed on", merging),
  Average: entry("passed on", merging),
  Maximum: entry("passed on", merging),
  Minimum: entry("passed on", merging),
  Concatenate: entry("passed on", "masks in a file of Keras 3 or along time"),
  Attention: entry("used", "dropout, score_mode other than dot, causal masks"),
  AdditiveAttention: entry("used", "dropout, causal masks"),
  LayerNormalization: entry("passed on", "rms_scaling"),
  GroupNormalization: entry("refused", "an axis other than the last"),
  UnitNormalization: entry("passed on"),
  BatchNormalization: entry(
    "passed on",
    "renorm; where it is trained: masks, TimeDistributed around it, several uses",
  ),
  SimpleRNN: recurrent(),
  LSTM: recurrent(),
  GRU: recurrent(),
  RNN: recurrent("other cells than SimpleRNN, LSTM, GRU and stacks of them, states of stacks"),
  ConvLSTM1D: convolutionalRecurrent,
  ConvLSTM2D: convolutionalRecurrent,
  ConvLSTM3D: convolutionalRecurrent,
  Bidirectional: recurrent("layers that are not recurrent"),
  TimeDistributed: entry("passed on", "stateful layers, layers that would read the mask"),
  Sequential: network,
  Functional: { ...network, refuses: "several inputs or outputs of the whole network" },
  /** Functional's name in files of before Keras 2.5. */
  Model: { ...network, refuses: "several inputs or outputs of the whole network" },
};
