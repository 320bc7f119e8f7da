/**
 * `seq2seq-convlstm`: an encoder of two ConvLSTM layers reads the input frames; a decoder of two more,
 * whose states begin at zero, unfolds the frames that follow; a 3-D convolution with sigmoid (1×3×3)
 * draws them. The decoder's first input is the encoder's last hidden state; after that, its own.
 */
import type { FrameShape } from "../datasets/dataset.ts";
import { type Tensor, tf } from "../engine/tf.ts";
import { frameSpan, repeatFrame } from "./frame_span.ts";
import { convLstm2d } from "./layers/conv_lstm2d.ts";
import { conv3d } from "./layers/convolution3d.ts";
import { biasOfMean, initialValues } from "./layers/initial_values.ts";
import { divideParameters } from "./layers/layer.ts";
import { recurrentStack, zeroState } from "./layers/recurrent_stack.ts";
import { toTimeMajor } from "./layers/time_major.ts";
import type { Model } from "./model.ts";
import type { ModelDefinition } from "./model_definition.ts";
import { outputMeanOption } from "./output_mean.ts";

export interface Seq2seqConvLstmOptions {
  readonly frameShape: FrameShape;
  /** Filters of each of the four layers. */
  readonly filters: number;
  readonly kernelSize: number;
  readonly inputFrames: number;
  readonly outputFrames: number;
  /**
   * What the decoder reads after its first frame: its own last hidden state, as the published
   * program does, or the encoder's at every frame.
   */
  readonly decoderInput: "own" | "encoder";
  /** Mean of the frames' values, which drawn pixels begin at; see `VaeOptions`. @default {0.5} */
  readonly outputMean?: number;
}

/** Every window is a whole example. */
export function seq2seqConvLstm(options: Seq2seqConvLstmOptions): Model {
  const { frameShape, filters, kernelSize, inputFrames, outputFrames, decoderInput } = options;
  const [height, width, channels] = frameShape;
  const layer = (name: string, inputChannels: number, isFirst: boolean, isDecoder: boolean) =>
    convLstm2d({
      name,
      height,
      width,
      channels: inputChannels,
      filters,
      kernelSize,
      // The decoder runs a frame at a time: the frames before count through its state.
      gradients: { inputs: !isFirst, initialState: isDecoder, finalState: isDecoder },
    });
  const encoder = recurrentStack([
    layer("encoder/layer0", channels, true, false),
    layer("encoder/layer1", filters, false, false),
  ]);
  const decoder = recurrentStack([
    layer("decoder/layer0", filters, false, true),
    layer("decoder/layer1", filters, false, true),
  ]);
  const head = conv3d({
    name: "head",
    channels: filters,
    filters: channels,
    kernelSize: [1, 3, 3],
    activation: "sigmoid",
    firstBias: biasOfMean(options.outputMean ?? 0.5, channels),
  });
  const parts = [encoder, decoder, head];
  const parameters = parts.flatMap((part) => part.parameters);
  const frames = inputFrames + outputFrames;
  return {
    name: "seq2seq-convlstm",
    frameShape,
    outputShape: frameShape,
    parameters,
    state: [],
    window: { frames, advance: frames, predictions: outputFrames, carriesState: false },
    loss: "mse",
    initialize: (seed) => initialValues(parameters, seed),
    apply(values, _, { frames: window }) {
      const lanes = window.shape[0];
      const [ofEncoder, ofDecoder, ofHead] = divideParameters(values, parts);
      const inputs = toTimeMajor(frameSpan(window, 0, inputFrames));
      const start = zeroState(encoder.state, lanes);
      const { outputs: [, read] } = encoder.apply(ofEncoder, start, inputs, inputFrames);
      // The last frame's hidden state: the last rows of all.
      const encoded = tf.slice(read, [(inputFrames - 1) * lanes, 0, 0, 0]);
      let given: Tensor = encoded;
      let state = zeroState(decoder.state, lanes);
      const hidden: Tensor[] = [];
      for (let frame = 0; frame < outputFrames; frame++) {
        const step = decoder.apply(ofDecoder, state, given, 1);
        state = step.state;
        hidden.push(step.outputs[1]);
        given = decoderInput === "own" ? step.outputs[1] : encoded;
      }
      return { predictions: head.apply(ofHead, tf.stack(hidden, 1)), state: [] };
    },
    targets: (window) => frameSpan(window, inputFrames, outputFrames),
    persistence: (window) => repeatFrame(window, inputFrames - 1, outputFrames),
  };
}

export const seq2seqConvLstmDefinition: ModelDefinition = {
  options: [
    { name: "filters", default: 64, min: 1, max: 2048, meaning: "filters of each layer" },
    { name: "kernel", default: 3, min: 1, max: 31, meaning: "side of the layers' kernels" },
    {
      name: "decoder-input",
      default: "own",
      choices: ["own", "encoder"],
      meaning: "the decoder's last hidden state, or the encoder's at every frame",
    },
    outputMeanOption,
  ],
  build: ({ frameShape, inputFrames, outputFrames, options }) =>
    seq2seqConvLstm({
      frameShape,
      inputFrames,
      outputFrames,
      filters: options.filters as number,
      kernelSize: options.kernel as number,
      decoderInput: options["decoder-input"] as Seq2seqConvLstmOptions["decoderInput"],
      outputMean: options["output-mean"] as number,
    }),
};
