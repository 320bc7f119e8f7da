/**
 * `predrnn`: PredRNN (Wang et al. 2017), a stack of ST-LSTM layers whose memory zigzags: through all
 * layers of a frame upwards, then from the top to the bottom of the next frame. It predicts each next
 * patch image; along a sequence its state is carried from window to window.
 */
import type { FrameShape } from "../datasets/dataset.ts";
import { type Tensor, tf } from "../engine/tf.ts";
import { frameSpan, repeatFrame } from "./frame_span.ts";
import { conv2d } from "./layers/convolution2d.ts";
import { initialValues } from "./layers/initial_values.ts";
import { divideParameters } from "./layers/layer.ts";
import { imagesToPatches, patchesToImages, patchGrid } from "./layers/patches.ts";
import { stLstm2d } from "./layers/st_lstm2d.ts";
import { zeroState } from "./layers/recurrent_stack.ts";
import type { Model, NoiseSpec, StateSpec } from "./model.ts";
import type { ModelDefinition } from "./model_definition.ts";

export interface PredRnnOptions {
  readonly frameShape: FrameShape;
  /** Layers, all of the same width: the memory passes through them. */
  readonly layers: number;
  readonly filters: number;
  readonly kernelSize: number;
  readonly patch: number;
  /** Biases in the cells, as in the paper's equations; its authors' program has none. */
  readonly hasBias: boolean;
  /**
   * With `forecast`, reads `inputFrames` and then its own predictions; each window is a whole
   * example. Else it reads `windowFrames` true frames and carries its state.
   */
  readonly mode: "next-frame" | "forecast";
  /**
   * Of a forecast, what training minimizes the error of: the forecast alone, or each next frame from
   * the first on, as published.
   * @default {"forecast"}
   */
  readonly lossFrames?: "forecast" | "all";
  /**
   * Of a forecast, steps in which training feeds a true frame in place of an own prediction now and
   * then (scheduled sampling, S. Bengio et al. 2015): with a chance that falls in a line from 1 to 0,
   * drawn for each frame of each lane. 0 for never.
   * @default {0}
   */
  readonly truthSteps?: number;
  /**
   * Whether training learns each window backwards too: the loss is the mean of both ways. For
   * sequences of whole windows, because an end that is missing would come first.
   * @default {false}
   */
  readonly isBothWays?: boolean;
  readonly windowFrames: number;
  readonly inputFrames: number;
  readonly outputFrames: number;
}

/**
 * @throws {RangeError} for frames that cannot be cut into patches, or what trains forecasts without
 *   a forecast
 */
export function predRnn(options: PredRnnOptions): Model {
  const { frameShape, filters, patch, mode, inputFrames, outputFrames, windowFrames } = options;
  const { lossFrames = "forecast", truthSteps = 0, isBothWays = false } = options;
  if (mode === "next-frame" && (lossFrames === "all" || truthSteps > 0 || isBothWays)) {
    throw new RangeError(
      "Cannot build predrnn of mode next-frame with loss-frames, truth-steps or both-ways: it reads " +
        "true frames alone, and has each next one in its loss; leave them out, or take mode forecast",
    );
  }
  const [rows, columns, depth] = patchGrid(frameShape, patch);
  const layers = Array.from({ length: options.layers }, (_, index) =>
    stLstm2d({
      name: `layer${index}`,
      channels: index === 0 ? depth : filters,
      filters,
      kernelSize: options.kernelSize,
      hasBias: options.hasBias,
    }));
  const head = conv2d({
    name: "head",
    channels: filters,
    filters: depth,
    kernelSize: 1,
    hasBias: false,
  });
  const parts = [...layers, head];
  const parameters = parts.flatMap((part) => part.parameters);
  const shape = [rows, columns, filters];
  const cellState: StateSpec[] = [
    ...layers.flatMap((_, index) => [
      { name: `layer${index}/hidden`, shape },
      { name: `layer${index}/cell`, shape },
    ]),
    { name: "memory", shape },
  ];

  /** One frame, as patches: the next one, and the state after it. */
  const step = (values: readonly Tensor[][], state: readonly Tensor[], patches: Tensor) => {
    const newState: Tensor[] = [];
    let below = patches;
    let memory = state[state.length - 1];
    layers.forEach((layer, index) => {
      const [hidden, cell] = state.slice(2 * index, 2 * index + 2);
      const after = layer.apply(values[index], { hidden, cell, memory }, below);
      newState.push(after.hidden, after.cell);
      memory = after.memory;
      below = after.hidden;
    });
    return { next: head.apply(values[layers.length], below), state: [...newState, memory] };
  };

  const carriesState = mode === "next-frame";
  const frames = carriesState ? windowFrames + 1 : inputFrames + outputFrames;
  const [first, predictions] = carriesState ? [1, windowFrames] : [inputFrames, outputFrames];
  const truths: NoiseSpec | undefined = truthSteps > 0 && outputFrames > 1
    ? {
      name: "truth",
      shape: [outputFrames - 1],
      distribution: "coin",
      chance: (step) => Math.max(0, 1 - step / truthSteps),
    }
    : undefined;
  return {
    name: "predrnn",
    frameShape,
    outputShape: frameShape,
    parameters,
    state: carriesState ? cellState : [],
    ...(truths ? { noise: [truths] } : {}),
    window: { frames, advance: carriesState ? windowFrames : frames, predictions, carriesState },
    loss: "mse",
    initialize: (seed) => initialValues(parameters, seed),
    apply(values, state, { frames: window, observed, noise, training }) {
      const lanes = window.shape[0];
      // Backwards, a window is another lane below the others.
      const hasBackwards = training && isBothWays;
      const rows = hasBackwards ? 2 * lanes : lanes;
      const bothWays = (forwards: Tensor, backwards: Tensor) =>
        hasBackwards ? tf.concat([forwards, backwards], 0) : forwards;
      const trueFrame = (frame: number) => {
        const image = bothWays(
          frameSpan(window, frame, 1),
          frameSpan(window, frames - 1 - frame, 1),
        );
        return imagesToPatches(tf.reshape(image, [rows, ...frameShape]), patch);
      };
      const coins = training && truths ? bothWays(noise[0], noise[0]) : undefined;
      /** What stands for a frame that a forecast does not see. */
      const unseen = (frame: number, prediction: Tensor) => {
        if (!coins) return prediction;
        const coin = tf.reshape(frameSpan(coins, frame - inputFrames, 1), [rows, 1, 1, 1]);
        return tf.add(tf.mul(coin, trueFrame(frame)), tf.mul(tf.sub(1, coin), prediction));
      };
      const own = divideParameters(values, parts);
      let current = carriesState ? [...state] : zeroState(cellState, rows);
      // Predictions of frames before the first that counts are there for the loss.
      const warmUp = training && lossFrames === "all" ? first - 1 : 0;
      const images: Tensor[] = [];
      let lastPrediction: Tensor | undefined;
      for (let frame = 0; frame < frames - 1; frame++) {
        const isGiven = carriesState || frame < inputFrames;
        const patches: Tensor = isGiven ? trueFrame(frame) : unseen(frame, lastPrediction!);
        const result = step(own, current, patches);
        current = result.state;
        lastPrediction = result.next;
        if (frame >= first - 1 - warmUp) images.push(patchesToImages(result.next, patch));
      }
      const drawn = tf.stack(images, 1);
      const newState = carriesState ? current : [];
      if (warmUp === 0 && !hasBackwards) return { predictions: drawn, state: newState };
      const [forwards, backwards] = hasBackwards ? tf.split(drawn, 2, 0) : [drawn];
      const besides = [
        ...(warmUp > 0
          ? [{
            predictions: frameSpan(forwards, 0, warmUp),
            of: (all: Tensor) => frameSpan(all, 1, warmUp),
          }]
          : []),
        ...(backwards
          ? [{ predictions: backwards, of: (all: Tensor) => lastFirst(all, images.length) }]
          : []),
      ];
      return {
        predictions: frameSpan(forwards, warmUp, predictions),
        state: newState,
        besides: {
          predictions: tf.concat(besides.map((each) => each.predictions), 1),
          targets: tf.concat(besides.map((each) => each.of(window)), 1),
          ...(observed && { observed: tf.concat(besides.map((each) => each.of(observed)), 1) }),
        },
      };
    },
    targets: (window) => frameSpan(window, first, predictions),
    persistence: (window) =>
      carriesState
        ? frameSpan(window, 0, predictions)
        : repeatFrame(window, inputFrames - 1, outputFrames),
  };
}

/** The first `count` frames, the last of them first: where a window that is played backwards ends. */
function lastFirst(window: Tensor, count: number): Tensor {
  const frames = Array.from(
    { length: count },
    (_, index) => frameSpan(window, count - 1 - index, 1),
  );
  return tf.concat(frames, 1);
}

export const predRnnDefinition: ModelDefinition = {
  options: [
    {
      name: "mode",
      default: "forecast",
      choices: ["forecast", "next-frame"],
      meaning: "read own predictions after the input frames, or true frames with carried state",
    },
    { name: "layers", default: 4, min: 1, max: 32, meaning: "layers of ST-LSTM" },
    { name: "filters", default: 128, min: 1, max: 2048, meaning: "filters of each layer" },
    { name: "kernel", default: 5, min: 1, max: 31, meaning: "side of the kernels" },
    { name: "patch", default: 4, min: 1, max: 64, meaning: "side of the patches of a frame" },
    { name: "bias", default: false, meaning: "biases in the cells, as in the paper's equations" },
    {
      name: "loss-frames",
      default: "forecast",
      choices: ["forecast", "all"],
      meaning: "what of a forecast's window training minimizes the error of",
    },
    {
      name: "truth-steps",
      default: 0,
      min: 0,
      max: 1e9,
      meaning: "steps over which the chance of a true frame in place of a prediction falls to 0",
    },
    { name: "both-ways", default: false, meaning: "training learns each window backwards too" },
  ],
  build: ({ frameShape, windowFrames, inputFrames, outputFrames, options }) =>
    predRnn({
      frameShape,
      windowFrames,
      inputFrames,
      outputFrames,
      mode: options.mode as PredRnnOptions["mode"],
      layers: options.layers as number,
      filters: options.filters as number,
      kernelSize: options.kernel as number,
      patch: options.patch as number,
      hasBias: options.bias as boolean,
      lossFrames: options["loss-frames"] as PredRnnOptions["lossFrames"],
      truthSteps: options["truth-steps"] as number,
      isBothWays: options["both-ways"] as boolean,
    }),
};
