/**
 * Every score of a split beside its loss: of frames, by lead time, for the model and for the forecast
 * to beat; of classes, by which was taken for which.
 */
import type { Dataset } from "../datasets/dataset.ts";
import { isRainDataset } from "../datasets/rain_dataset.ts";
import type { Engine } from "../engine/engine.ts";
import { type Tensor, tf } from "../engine/tf.ts";
import {
  addConfusion,
  type ClassScores,
  classScores,
  countClasses,
  emptyConfusion,
} from "../metrics/confusion.ts";
import {
  createEvaluationScores,
  type EvaluationResult,
  type EvaluationScores,
} from "../metrics/evaluation_scores.ts";
import type { Model } from "../models/model.ts";
import type { ShardWindows } from "./step_functions.ts";
import { sizeOf, type WindowBatch } from "./window_batch.ts";

export interface SplitScoresOptions {
  readonly engine: Engine;
  readonly model: Model;
  readonly dataset: Dataset;
  /** Of events: in mm/h for rain, else in the frames' own unit. */
  readonly thresholds: readonly number[];
  /** Sides of the fractions skill score's neighbourhoods in pixels. */
  readonly scales: readonly number[];
}

export interface SplitResult {
  /** Where frames are predicted. */
  readonly frames?: EvaluationResult;
  /** Of repeating the last frame seen, where the model forecasts. */
  readonly persistence?: EvaluationResult;
  /** Where classes are. */
  readonly classes?: ClassScores & {
    readonly names: readonly string[];
    /** [true class][predicted class] */
    readonly confusion: readonly (readonly number[])[];
  };
}

export interface SplitScores {
  /** The predictions of one shard's windows, [lanes, predictions, ...outputShape]. */
  add(batch: WindowBatch, windows: ShardWindows, predictions: Tensor): Promise<void>;
  result(): SplitResult;
  dispose(): void;
}

export function createSplitScores(options: SplitScoresOptions): SplitScores {
  const { engine, model, dataset, thresholds, scales } = options;
  const { window, outputShape } = model;
  const size = sizeOf(outputShape);
  const hasTargets = dataset.targetShape !== undefined;
  const isFrames = `${outputShape}` === `${dataset.frameShape}` && !dataset.classes;
  const classes = dataset.classes && outputShape.at(-1) === dataset.classes.length
    ? dataset.classes
    : undefined;
  // Up to one frame before the first prediction, every prediction is of the next frame.
  const leads = window.frames - window.predictions > 1 ? window.predictions : 1;
  const create = () =>
    createEvaluationScores({
      frameShape: dataset.frameShape,
      leads,
      ...(thresholds.length === 0 || dataset.frameShape[2] !== 1 ? {} : {
        events: {
          ...{ thresholds, scales },
          ...(isRainDataset(dataset) ? { relation: dataset.relation } : {}),
        },
      }),
    });
  const [frames, persistence] = isFrames
    ? [create(), model.persistence ? create() : undefined]
    : [undefined, undefined];
  let confusion = classes && emptyConfusion(classes.length);
  const answers = engine.compile("answers", (inputs) => [
    model.targets(inputs[0], hasTargets ? inputs[1] : undefined),
    ...(persistence ? [model.persistence!(inputs[0])] : []),
  ]);
  const score = (
    scores: EvaluationScores,
    predicted: Float32Array,
    truth: Float32Array,
    weights: Float32Array,
  ) => {
    weights.forEach((weight, index) => {
      if (weight === 0) return;
      const lead = leads === 1 ? 0 : index % window.predictions;
      const part = (values: Float32Array) => values.subarray(index * size, (index + 1) * size);
      scores.add(lead, part(predicted), part(truth));
    });
  };
  return {
    async add({ weights }, windows, predictions) {
      if (!frames && !confusion) return;
      const inputs = [windows.frames, ...(windows.targets ? [windows.targets] : [])];
      const outputs = await answers(inputs);
      const [truth, repeated] = outputs.map((tensor) => tensor.dataSync() as Float32Array);
      const predicted = predictions.dataSync() as Float32Array;
      if (frames) score(frames, predicted, truth, weights);
      if (persistence) score(persistence, repeated, truth, weights);
      if (confusion) {
        const counted = truth.map((value, i) => weights[Math.floor(i / size)] === 0 ? 0 : value);
        const { length } = classes!;
        confusion = addConfusion(confusion, countClasses(predicted, counted, length));
      }
      tf.dispose(outputs);
    },
    result: () => ({
      ...(frames ? { frames: frames.result() } : {}),
      ...(persistence ? { persistence: persistence.result() } : {}),
      ...(confusion
        ? {
          classes: {
            ...{ names: classes!, ...classScores(confusion) },
            confusion: classes!.map((_, row) => [
              ...confusion!.counts.subarray(row * classes!.length, (row + 1) * classes!.length),
            ]),
          },
        }
        : {}),
    }),
    dispose: () => answers.dispose(),
  };
}
