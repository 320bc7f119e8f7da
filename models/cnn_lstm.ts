/**
 * `cnn-lstm`: a video's class from an LSTM over what a small convolutional network sees in each
 * frame. With 5 filters and units and 20 frames of 50×130×1 in 4 classes it has the published 13,039
 * parameters.
 */
import type { FrameShape } from "../datasets/dataset.ts";
import { tf } from "../engine/tf.ts";
import { classCount, lastAnswer } from "./last_answer.ts";
import { conv2d } from "./layers/convolution2d.ts";
import { dense, flatten } from "./layers/dense.ts";
import { initialValues } from "./layers/initial_values.ts";
import { divideParameters, sequential } from "./layers/layer.ts";
import { lstm } from "./layers/lstm.ts";
import { maxPooling2d } from "./layers/pooling.ts";
import { zeroState } from "./layers/recurrent_stack.ts";
import { toTimeMajor } from "./layers/time_major.ts";
import type { Model } from "./model.ts";
import type { ModelDefinition } from "./model_definition.ts";

export interface CnnLstmOptions {
  readonly frameShape: FrameShape;
  readonly windowFrames: number;
  readonly classes: number;
  /** Filters of each convolution. */
  readonly filters: number;
  /** Units of the LSTM. */
  readonly units: number;
}

/** Sides of the kernels, each convolution followed by pooling that halves the frame. */
const kernelSizes = [4, 8, 8] as const;

/** Every window is a whole video with one answer. */
export function cnnLstm(options: CnnLstmOptions): Model {
  const { frameShape, windowFrames, classes, filters, units } = options;
  const [height, width, channels] = frameShape;
  const seen = sequential(
    ...kernelSizes.flatMap((kernelSize, index) => [
      conv2d({
        name: `conv${index}`,
        channels: index === 0 ? channels : filters,
        filters,
        kernelSize,
        activation: "relu",
      }),
      maxPooling2d({ size: 2 }),
    ]),
    flatten(),
  );
  const scale = 2 ** kernelSizes.length;
  const features = Math.floor(height / scale) * Math.floor(width / scale) * filters;
  const memory = lstm({
    name: "lstm",
    inputs: features,
    units,
    gradients: { initialState: false, finalState: false },
  });
  const head = dense({ name: "head", inputs: units, units: classes, activation: "softmax" });
  const parts = [seen, memory, head];
  const parameters = parts.flatMap((part) => part.parameters);
  return {
    name: "cnn-lstm",
    frameShape,
    outputShape: [classes],
    parameters,
    state: [],
    window: { frames: windowFrames, advance: windowFrames, predictions: 1, carriesState: false },
    loss: "cross-entropy",
    initialize: (seed) => initialValues(parameters, seed),
    apply(values, _, { frames }) {
      const lanes = frames.shape[0];
      const [ofSeen, ofMemory, ofHead] = divideParameters(values, parts);
      const rows = seen.apply(ofSeen, toTimeMajor(frames));
      const start = zeroState(memory.state, lanes);
      const { state: [hidden] } = memory.apply(ofMemory, start, rows, windowFrames);
      const predictions = head.apply(ofHead, hidden);
      return { predictions: tf.reshape(predictions, [lanes, 1, classes]), state: [] };
    },
    targets: lastAnswer,
  };
}

export const cnnLstmDefinition: ModelDefinition = {
  options: [
    { name: "filters", default: 5, min: 1, max: 1024, meaning: "filters of each convolution" },
    { name: "units", default: 5, min: 1, max: 4096, meaning: "units of the LSTM" },
  ],
  build: ({ frameShape, windowFrames, targetShape, options }) =>
    cnnLstm({
      frameShape,
      windowFrames,
      classes: classCount("cnn-lstm", targetShape),
      filters: options.filters as number,
      units: options.units as number,
    }),
};
