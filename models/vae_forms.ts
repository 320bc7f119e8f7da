/** The three forms of the variational autoencoder: frames alone, slices of frames, frames in turn. */
import type { FrameShape } from "../datasets/dataset.ts";
import { type Tensor, tf } from "../engine/tf.ts";
import { conv2d, conv2dTranspose } from "./layers/convolution2d.ts";
import { conv3d, conv3dTranspose } from "./layers/convolution3d.ts";
import { convLstm2d } from "./layers/conv_lstm2d.ts";
import { dense } from "./layers/dense.ts";
import { biasOfMean } from "./layers/initial_values.ts";
import {
  divideParameters,
  type Layer,
  type LayerParameter,
  sequential,
  stateless,
} from "./layers/layer.ts";
import { recurrentStack } from "./layers/recurrent_stack.ts";
import { toLaneMajor, toTimeMajor } from "./layers/time_major.ts";
import type { StateSpec } from "./model.ts";

export interface VaeOptions {
  readonly frameShape: FrameShape;
  readonly form: "conv2d" | "conv3d" | "convlstm";
  /** Filters of the two convolutions. */
  readonly filters: readonly [number, number];
  /** Units of the dense layer before the latent space. */
  readonly units: number;
  readonly latent: number;
  /** Weight of the Kullback-Leibler divergence beside a frame's summed error. */
  readonly klWeight: number;
  /**
   * Mean of the frames' values. Drawn pixels begin at it: from elsewhere the first steps drive all of
   * them there together, through every layer, and units of the encoder and the decoder's memory are
   * saturated before any of them has learnt to tell one frame from another. @default {0.5}
   */
  readonly outputMean?: number;
  /** Frames of a slice; slices do not overlap. */
  readonly windowFrames: number;
}

/** What the three forms differ in. Codes are rows of a point each: frames of lanes, or slices. */
export interface VaeForm {
  readonly encoder: VaePart;
  /** Numbers that the encoder gives for each code. */
  readonly features: number;
  readonly decoder: VaePart;
  /** Codes of one lane in a window. */
  readonly codes: number;
}

export interface VaePart {
  readonly parameters: readonly LayerParameter[];
  readonly state: readonly StateSpec[];
  /**
   * The encoder: [lanes, frames, h, w, c] to [lanes * codes, features]. The decoder: [lanes * codes,
   * latent] to [lanes, frames, h, w, c].
   */
  apply(
    parameters: readonly Tensor[],
    state: readonly Tensor[],
    input: Tensor,
    lanes: number,
  ): { readonly output: Tensor; readonly state: Tensor[] };
}

const KERNEL_SIZE = 3;
const halving = { kernelSize: KERNEL_SIZE, stride: 2, activation: "relu" } as const;

export function frameByFrame(options: VaeOptions): VaeForm {
  const { frameShape, filters: [outer, inner], windowFrames } = options;
  const [, , channels] = frameShape;
  const { rest, features } = narrowest(options);
  const encoder = sequential(
    stateless((frames) => tf.reshape(frames, [-1, ...frameShape])),
    conv2d({ ...halving, name: "encoder/conv0", channels, filters: outer }),
    conv2d({ ...halving, name: "encoder/conv1", channels: outer, filters: inner }),
    stateless((images) => tf.reshape(images, [-1, features])),
  );
  const decoder = sequential(
    dense({
      name: "decoder/dense",
      inputs: options.latent,
      units: features,
      activation: "relu",
    }),
    stateless((rows) => tf.reshape(rows, [-1, ...rest])),
    widening(options),
  );
  return {
    encoder: part(encoder),
    features,
    decoder: part(decoder, (images, lanes) => tf.reshape(images, [lanes, -1, ...frameShape])),
    codes: windowFrames,
  };
}

export function wholeSlices(options: VaeOptions): VaeForm {
  const { frameShape: [, , channels], filters: [outer, inner], windowFrames } = options;
  const { rest, features: ofFrame } = narrowest(options);
  const features = windowFrames * ofFrame;
  // Every frame stays: a slice may have any number of them.
  const video = {
    kernelSize: [KERNEL_SIZE, KERNEL_SIZE, KERNEL_SIZE],
    stride: [1, 2, 2],
    activation: "relu",
  } as const;
  const encoder = sequential(
    conv3d({ ...video, name: "encoder/conv0", channels, filters: outer }),
    conv3d({ ...video, name: "encoder/conv1", channels: outer, filters: inner }),
    stateless((videos) => tf.reshape(videos, [-1, features])),
  );
  const decoder = sequential(
    dense({
      name: "decoder/dense",
      inputs: options.latent,
      units: features,
      activation: "relu",
    }),
    stateless((rows) => tf.reshape(rows, [-1, windowFrames, ...rest])),
    conv3dTranspose({ ...video, name: "decoder/conv0", channels: inner, filters: inner }),
    conv3dTranspose({ ...video, name: "decoder/conv1", channels: inner, filters: outer }),
    conv3dTranspose({
      ...video,
      name: "decoder/conv2",
      channels: outer,
      filters: channels,
      stride: [1, 1, 1],
      activation: "sigmoid",
      firstBias: biasOfMean(options.outputMean ?? 0.5, channels),
    }),
  );
  return { encoder: part(encoder), features, decoder: part(decoder), codes: 1 };
}

export function recurrentFrames(options: VaeOptions): VaeForm {
  const { frameShape, filters: [outer, inner], windowFrames } = options;
  const [height, width, channels] = frameShape;
  const { rest, features } = narrowest(options);
  // States come from the window before: no gradient goes through them.
  const gradients = { inputs: true, initialState: false, finalState: false };
  const cell = { kernelSize: KERNEL_SIZE, stride: 2, gradients };
  const stack = recurrentStack([
    convLstm2d({
      ...cell,
      name: "encoder/layer0",
      height,
      width,
      channels,
      filters: outer,
    }),
    convLstm2d({
      ...cell,
      name: "encoder/layer1",
      height: height / 2,
      width: width / 2,
      channels: outer,
      filters: inner,
    }),
  ]);
  const encoder: VaePart = {
    ...stack,
    apply(values, state, frames, lanes) {
      const result = stack.apply(values, state, toTimeMajor(frames), windowFrames);
      const rows = toLaneMajor(result.outputs[1], lanes);
      return { output: tf.reshape(rows, [-1, features]), state: result.state };
    },
  };
  const spread = dense({
    name: "decoder/dense",
    inputs: options.latent,
    units: features,
    activation: "relu",
  });
  const memory = convLstm2d({
    ...cell,
    name: "decoder/layer0",
    height: rest[0],
    width: rest[1],
    channels: inner,
    filters: inner,
    stride: 1,
  });
  const wide = widening(options);
  const parts = [spread, memory, wide];
  const decoder: VaePart = {
    parameters: parts.flatMap(({ parameters }) => parameters),
    state: memory.state,
    apply(values, state, points, lanes) {
      const [ofSpread, ofMemory, ofWide] = divideParameters(values, parts);
      const rows = spread.apply(ofSpread, points);
      const images = toTimeMajor(tf.reshape(rows, [lanes, windowFrames, ...rest]));
      const remembered = memory.apply(ofMemory, state, images, windowFrames);
      const frames = wide.apply(ofWide, remembered.outputs);
      return { output: toLaneMajor(frames, lanes), state: remembered.state };
    },
  };
  return { encoder, features, decoder, codes: windowFrames };
}

/** Shape and size of a frame after two halvings. */
function narrowest({ frameShape: [height, width], filters: [, inner] }: VaeOptions) {
  const rest = [height / 4, width / 4, inner] as const;
  return { rest, features: rest[0] * rest[1] * inner };
}

/** The decoder's transposed convolutions, from the narrowest image to the frame. */
function widening(options: VaeOptions): Layer {
  const { frameShape: [, , channels], filters: [outer, inner] } = options;
  return sequential(
    conv2dTranspose({ ...halving, name: "decoder/conv0", channels: inner, filters: inner }),
    conv2dTranspose({ ...halving, name: "decoder/conv1", channels: inner, filters: outer }),
    conv2dTranspose({
      name: "decoder/conv2",
      channels: outer,
      filters: channels,
      kernelSize: KERNEL_SIZE,
      activation: "sigmoid",
      firstBias: biasOfMean(options.outputMean ?? 0.5, channels),
    }),
  );
}

/** A layer without state as one of the autoencoder's two parts. */
function part(
  layer: Layer,
  arrange: (output: Tensor, lanes: number) => Tensor = (output) => output,
): VaePart {
  return {
    parameters: layer.parameters,
    state: [],
    apply: (values, _, input, lanes) => ({
      output: arrange(layer.apply(values, input), lanes),
      state: [],
    }),
  };
}
