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
import type { Model, StateSpec } from "./model.ts";
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
  readonly windowFrames: number;
  readonly inputFrames: number;
  readonly outputFrames: number;
}

/** @throws {RangeError} for frames that cannot be cut into patches */
export function predRnn(options: PredRnnOptions): Model {
  const { frameShape, filters, patch, mode, inputFrames, outputFrames, windowFrames } = options;
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
  return {
    name: "predrnn",
    frameShape,
    outputShape: frameShape,
    parameters,
    state: carriesState ? cellState : [],
    window: { frames, advance: carriesState ? windowFrames : frames, predictions, carriesState },
    loss: "mse",
    initialize: (seed) => initialValues(parameters, seed),
    apply(values, state, { frames: window }) {
      const lanes = window.shape[0];
      const own = divideParameters(values, parts);
      let current = carriesState ? [...state] : zeroState(cellState, lanes);
      const images: Tensor[] = [];
      let lastPrediction: Tensor | undefined;
      for (let frame = 0; frame < frames - 1; frame++) {
        const isGiven = carriesState || frame < inputFrames;
        const image = tf.reshape(frameSpan(window, frame, 1), [lanes, ...frameShape]);
        const patches = isGiven ? imagesToPatches(image, patch) : lastPrediction!;
        const result = step(own, current, patches);
        current = result.state;
        lastPrediction = result.next;
        if (frame >= first - 1) images.push(patchesToImages(result.next, patch));
      }
      return { predictions: tf.stack(images, 1), state: carriesState ? current : [] };
    },
    targets: (window) => frameSpan(window, first, predictions),
    persistence: (window) =>
      carriesState
        ? frameSpan(window, 0, predictions)
        : repeatFrame(window, inputFrames - 1, outputFrames),
  };
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
    }),
};
