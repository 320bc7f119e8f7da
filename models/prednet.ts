/**
 * `prednet`: PredNet (Lotter, Kreiman and Cox 2017, arXiv 1605.08104). Each layer predicts what comes
 * from below and passes only its error on, upwards; its representation is a ConvLSTM over that error
 * and the representation above. With 3 channels and layers of 3, 48, 96 and 192 it has the published
 * network's 6,915,948 parameters. The state is carried along the sequence.
 */
import type { FrameShape } from "../datasets/dataset.ts";
import { type Tensor, tf } from "../engine/tf.ts";
import { frameSpan } from "./frame_span.ts";
import { conv2d } from "./layers/convolution2d.ts";
import { initialValues } from "./layers/initial_values.ts";
import { divideParameters, type LayerParameter } from "./layers/layer.ts";
import { maxPooling2d } from "./layers/pooling.ts";
import { predictionErrors, updateRepresentation } from "./layers/prednet_units.ts";
import { upsampling2d } from "./layers/upsampling.ts";
import type { Model } from "./model.ts";
import type { ModelDefinition } from "./model_definition.ts";

export interface PredNetOptions {
  readonly frameShape: FrameShape;
  /** Channels of the layers above the frames, from the second layer on. */
  readonly filters: readonly number[];
  readonly kernelSize: number;
  /** Weight of the mean error of each layer above the first, beside the frame's: 0 or 0.1. */
  readonly upperErrorWeight: number;
  readonly windowFrames: number;
}

/** Representation, its cell and the error units of each layer, bottom first. */
type LayerStates = readonly [representation: Tensor, cell: Tensor, errors: Tensor][];

/** @throws {RangeError} where the frames cannot be halved once for each layer above the first */
export function predNet(options: PredNetOptions): Model {
  const { frameShape, kernelSize, windowFrames, upperErrorWeight } = options;
  const [height, width] = frameShape;
  const stack = [frameShape[2], ...options.filters];
  const scale = 2 ** options.filters.length;
  if (height % scale !== 0 || width % scale !== 0) {
    throw new RangeError(
      `Cannot build prednet of ${stack.length} layers for frames of ${height} × ${width}: both ` +
        `sides must be multiples of ${scale}`,
    );
  }
  const layers = stack.map((channels, index) => {
    const above = stack[index + 1] ?? 0;
    const name = `layer${index}`;
    const read = channels + 2 * channels + above;
    const gates: LayerParameter[] = [
      {
        name: `${name}/representation/kernel`,
        shape: [kernelSize, kernelSize, read, 4 * channels],
        initial: "glorot-uniform",
      },
      { name: `${name}/representation/bias`, shape: [4 * channels], initial: "zeros" },
    ];
    const prediction = conv2d({
      name: `${name}/prediction`,
      channels,
      filters: channels,
      kernelSize,
      activation: "relu",
    });
    // What the layer above is to predict, made of this layer's errors.
    const target = above > 0
      ? conv2d({
        name: `${name}/target`,
        channels: 2 * channels,
        filters: above,
        kernelSize,
        activation: "relu",
      })
      : undefined;
    return { representation: { parameters: gates }, prediction, target };
  });
  const parts = layers.flatMap(({ representation, prediction, target }) => [
    representation,
    prediction,
    target ?? { parameters: [] },
  ]);
  const parameters = parts.flatMap((part) => part.parameters);
  const [enlarge, halve] = [upsampling2d(2), maxPooling2d({ size: 2 })];

  /** From the top down: every representation from the errors of the frame before. */
  const represent = (values: readonly Tensor[][], states: LayerStates) => {
    const after: { hidden: Tensor; cell: Tensor }[] = [];
    let above: Tensor | undefined;
    for (let index = layers.length - 1; index >= 0; index--) {
      const [kernel, bias] = values[3 * index];
      const [hidden, cell, errors] = states[index];
      const read = [hidden, errors, ...(above ? [enlarge.apply([], above)] : [])];
      after[index] = updateRepresentation(kernel, bias, cell, read);
      above = after[index].hidden;
    }
    return after;
  };
  const predict = (values: readonly Tensor[][], index: number, representation: Tensor) => {
    const image = layers[index].prediction.apply(values[3 * index + 1], representation);
    // The published network cuts its frames at the greatest pixel value.
    return index === 0 ? tf.minimum(image, 1) : image;
  };
  return {
    name: "prednet",
    frameShape,
    outputShape: frameShape,
    parameters,
    state: stack.flatMap((channels, index) => {
      const sides = [height / 2 ** index, width / 2 ** index];
      return [["representation", channels], ["cell", channels], ["errors", 2 * channels]].map(
        ([kind, count]) => ({ name: `layer${index}/${kind}`, shape: [...sides, Number(count)] }),
      );
    }),
    window: {
      frames: windowFrames + 1,
      advance: windowFrames,
      predictions: windowFrames,
      carriesState: true,
    },
    loss: "mae",
    initialize: (seed) => initialValues(parameters, seed),
    apply(values, state, { frames, observed }) {
      const lanes = frames.shape[0];
      const own = divideParameters(values, parts);
      let states: LayerStates = layers.map((_, index) => {
        const [representation, cell, errors] = state.slice(3 * index, 3 * index + 3);
        return [representation, cell, errors];
      });
      const predictions: Tensor[] = [];
      const penalties: Tensor[] = [];
      for (let frame = 0; frame <= windowFrames; frame++) {
        const represented = represent(own, states);
        if (frame > 0) predictions.push(predict(own, 0, represented[0].hidden));
        // The last frame is only predicted: the next window reads it.
        if (frame === windowFrames && upperErrorWeight === 0) break;
        const ofFrame = (all: Tensor): Tensor =>
          tf.reshape(frameSpan(all, frame, 1), [lanes, ...frameShape]);
        let target = ofFrame(frames);
        const isSeen = observed && ofFrame(observed);
        const after = layers.map((layer, index): LayerStates[number] => {
          const { hidden, cell } = represented[index];
          const all = predictionErrors(target, predict(own, index, hidden));
          // Nothing is surprising where nobody looked.
          const errors = index === 0 && isSeen ? tf.mul(all, tf.concat([isSeen, isSeen], 3)) : all;
          if (layer.target) {
            target = halve.apply([], layer.target.apply(own[3 * index + 2], errors));
          }
          return [hidden, cell, errors];
        });
        if (frame > 0 && upperErrorWeight > 0) {
          const upper = after.slice(1).map(([, , errors]) => tf.mean(errors, [1, 2, 3]));
          penalties.push(tf.addN(upper));
        }
        if (frame < windowFrames) states = after;
      }
      const pixels = frameShape.reduce((size, side) => size * side, 1);
      return {
        predictions: tf.stack(predictions, 1),
        state: states.flat(),
        // The errors below are a frame's sum of |difference|: twice the mean of its error units,
        // times its pixels.
        penalty: penalties.length > 0
          ? tf.mul(tf.stack(penalties, 1), 2 * pixels * upperErrorWeight)
          : undefined,
      };
    },
    targets: (frames) => frameSpan(frames, 1, windowFrames),
    persistence: (frames) => frameSpan(frames, 0, windowFrames),
  };
}

export const predNetDefinition: ModelDefinition = {
  options: [
    {
      name: "filters",
      default: [48, 96, 192],
      min: 1,
      max: 2048,
      meaning: "channels of each layer above the frames",
    },
    { name: "kernel", default: 3, min: 1, max: 31, meaning: "side of all kernels" },
    {
      name: "upper-errors",
      default: 0,
      min: 0,
      max: 1,
      fraction: true,
      meaning: "weight of the mean error of each layer above the first",
    },
  ],
  build: ({ frameShape, windowFrames, options }) =>
    predNet({
      frameShape,
      windowFrames,
      filters: options.filters as readonly number[],
      kernelSize: options.kernel as number,
      upperErrorWeight: options["upper-errors"] as number,
    }),
};
