/**
 * `convlstm-classifier`: a video's class from a stack of ConvLSTM layers with pooling between them.
 * With 5 filters and 20 frames of 50×130×1 in 4 classes it has the published 29,504 parameters (1,940
 * + 12,820 + 12,820 + 1,924).
 */
import type { FrameShape } from "../datasets/dataset.ts";
import { tf } from "../engine/tf.ts";
import { classCount, lastAnswer } from "./last_answer.ts";
import { convLstm2d } from "./layers/conv_lstm2d.ts";
import { dense, flatten } from "./layers/dense.ts";
import { initialValues } from "./layers/initial_values.ts";
import { divideParameters, sequential } from "./layers/layer.ts";
import { maxPooling2d } from "./layers/pooling.ts";
import { zeroState } from "./layers/recurrent_stack.ts";
import { toTimeMajor } from "./layers/time_major.ts";
import type { Model } from "./model.ts";
import type { ModelDefinition } from "./model_definition.ts";

export interface ConvLstmClassifierOptions {
  readonly frameShape: FrameShape;
  readonly windowFrames: number;
  readonly classes: number;
  /** Filters of each layer. */
  readonly filters: number;
}

/** Sides of the layers' kernels, each layer followed by pooling that halves the frame. */
const kernelSizes = [4, 8, 8] as const;

/** Every window is a whole video with one answer. */
export function convLstmClassifier(options: ConvLstmClassifierOptions): Model {
  const { frameShape, windowFrames, classes, filters } = options;
  const [height, width, channels] = frameShape;
  const layers = kernelSizes.map((kernelSize, index) =>
    convLstm2d({
      name: `layer${index}`,
      height: Math.floor(height / 2 ** index),
      width: Math.floor(width / 2 ** index),
      channels: index === 0 ? channels : filters,
      filters,
      kernelSize,
      gradients: { inputs: index > 0, initialState: false, finalState: false },
    })
  );
  const pooling = maxPooling2d({ size: 2 });
  const scale = 2 ** kernelSizes.length;
  const features = Math.floor(height / scale) * Math.floor(width / scale) * filters;
  const head = sequential(
    flatten(),
    dense({ name: "head", inputs: features, units: classes, activation: "softmax" }),
  );
  const parts = [...layers, head];
  const parameters = parts.flatMap((part) => part.parameters);
  return {
    name: "convlstm-classifier",
    frameShape,
    outputShape: [classes],
    parameters,
    state: [],
    window: { frames: windowFrames, advance: windowFrames, predictions: 1, carriesState: false },
    loss: "cross-entropy",
    initialize: (seed) => initialValues(parameters, seed),
    apply(values, _, { frames }) {
      const lanes = frames.shape[0];
      const own = divideParameters(values, parts);
      const top = layers.reduce((rows, layer, index) => {
        const start = zeroState(layer.state, lanes);
        const { outputs } = layer.apply(own[index], start, rows, windowFrames);
        const isTop = index === layers.length - 1;
        // Of the top layer only the last frame counts.
        const [, ...sides] = outputs.shape;
        const counted = isTop
          ? tf.slice(outputs, [(windowFrames - 1) * lanes, 0, 0, 0], [lanes, ...sides])
          : outputs;
        return pooling.apply([], counted);
      }, toTimeMajor(frames));
      const predictions = head.apply(own[layers.length], top);
      return { predictions: tf.reshape(predictions, [lanes, 1, classes]), state: [] };
    },
    targets: lastAnswer,
  };
}

export const convLstmClassifierDefinition: ModelDefinition = {
  options: [
    { name: "filters", default: 5, min: 1, max: 1024, meaning: "filters of each layer" },
  ],
  build: ({ frameShape, windowFrames, targetShape, options }) =>
    convLstmClassifier({
      frameShape,
      windowFrames,
      classes: classCount("convlstm-classifier", targetShape),
      filters: options.filters as number,
    }),
};
