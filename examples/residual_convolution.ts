/**
 * A model of one's own: `deno task train --model examples/residual_convolution.ts`. Two convolutions
 * look at each frame and say how the next one differs from it; no state is carried.
 */
import {
  glorotUniform,
  type Model,
  type ModelContext,
  type OptionSpec,
  random,
  type Tensor,
  tf,
} from "../mod.ts";

export const options: readonly OptionSpec[] = [
  { name: "features", default: 8, min: 1, max: 256, meaning: "filters of the first convolution" },
];

export default function residualConvolution(context: ModelContext): Model {
  const { frameShape, windowFrames, kernelSize } = context;
  const features = context.options.features as number;
  const [height, width, channels] = frameShape;
  const parameters = [
    { name: "first/kernel", shape: [kernelSize, kernelSize, channels, features] },
    { name: "first/bias", shape: [features] },
    { name: "second/kernel", shape: [kernelSize, kernelSize, features, channels] },
    { name: "second/bias", shape: [channels] },
  ];
  /** Of the window's frames, those from `start` on: as many as are predicted. */
  const span = (frames: Tensor, start: number) =>
    tf.slice(frames, [0, start, 0, 0, 0], [-1, windowFrames, -1, -1, -1]);
  const convolve = (input: Tensor, kernel: Tensor, bias: Tensor) =>
    tf.add(tf.conv2d(input as tf.Tensor4D, kernel as tf.Tensor4D, 1, "same"), bias);
  return {
    name: "residual-convolution",
    frameShape,
    outputShape: frameShape,
    parameters,
    state: [],
    window: {
      frames: windowFrames + 1,
      advance: windowFrames,
      predictions: windowFrames,
      carriesState: false,
    },
    initialize: (seed) =>
      parameters.map(({ name, shape }) =>
        name.endsWith("kernel")
          ? glorotUniform(shape, random(seed, name))
          : new Float32Array(shape[0])
      ),
    apply([firstKernel, firstBias, secondKernel, secondBias], _, { frames }) {
      const seen = tf.reshape(span(frames, 0), [-1, height, width, channels]);
      const hidden = tf.relu(convolve(seen, firstKernel, firstBias));
      const next = tf.add(seen, convolve(hidden, secondKernel, secondBias));
      const shape = [frames.shape[0], windowFrames, ...frameShape];
      return { predictions: tf.reshape(next, shape), state: [] };
    },
    targets: (frames) => span(frames, 1),
    persistence: (frames) => span(frames, 0),
  };
}
