/**
 * Every score of a split beside its loss: of frames, by lead time, for the model and for the forecasts
 * to beat, and for each frame; of classes, by which was taken for which; of anomalies; and an
 * autoencoder's latent points.
 */
import type { Split } from "../datasets/dataset.ts";
import { isRainDataset } from "../datasets/rain_dataset.ts";
import type { Engine } from "../engine/engine.ts";
import { type Tensor, tf } from "../engine/tf.ts";
import {
  addConfusion,
  type ClassScores,
  classScores,
  type ConfusionTable,
  countClasses,
  emptyConfusion,
} from "../metrics/confusion.ts";
import { tellsClasses } from "../models/last_answer.ts";
import { errorsPerPrediction } from "../models/losses.ts";
import { observedTargets, withMissing } from "../models/missing_values.ts";
import type { Model } from "../models/model.ts";
import type { LossName } from "../net/run_configuration.ts";
import { type AnomalyResult, anomalyScores } from "./anomaly_scores.ts";
import type { EvaluatedWindows } from "./evaluation.ts";
import {
  createForecastScores,
  type ForecastResult,
  type ForecastSums,
  type ScoreOptions,
} from "./forecast_scores.ts";
import {
  createFrameErrors,
  type FrameErrorSums,
  type FrameTimeline,
  type ListedErrors,
} from "./frame_errors.ts";
import { createLatentPoints, type LatentPlane, type LatentSum } from "./latent_points.ts";
import { mayMiss, sizeOf } from "./window_batch.ts";

export interface SplitScoresOptions extends ScoreOptions {
  readonly engine: Engine;
  readonly model: Model;
  readonly split: Split;
  /** That the model's penalty is a part of. */
  readonly loss: LossName;
}

/** Scores of frames are there where frames are predicted. */
export interface SplitResult extends Partial<ForecastResult> {
  /** Where classes are. */
  readonly classes?: ClassScores & {
    readonly names: readonly string[];
    /** [true class][predicted class] */
    readonly confusion: readonly (readonly number[])[];
  };
  /** Of each frame, where the model predicts the next one or the dataset tells of events. */
  readonly frameErrors?: ListedErrors;
  /** Where the dataset tells of events and the model forecasts frames. */
  readonly anomalies?: AnomalyResult;
  /** Mean of the model's penalty, in the unit of the loss that includes it. */
  readonly penalty?: number;
}

/** All that is kept of a part of a split, such as a shard's: the scores follow from the sum of parts. */
export interface SplitSums {
  readonly forecasts?: ForecastSums;
  readonly frameErrors?: FrameErrorSums;
  readonly confusion?: ConfusionTable;
  readonly penalty: { readonly sum: number; readonly weight: number };
  readonly latents: readonly LatentSum[];
}

export interface SplitScores {
  add(windows: EvaluatedWindows): Promise<void>;
  /** Adds what was kept of another part. */
  merge(other: SplitSums): void;
  sums(): SplitSums;
  result(): SplitResult;
  /** What is drawn rather than told. */
  timelines(countMax: number): FrameTimeline[];
  latentPlane(): LatentPlane | undefined;
  dispose(): void;
}

export function createSplitScores(options: SplitScoresOptions): SplitScores {
  const { engine, model, dataset, split, loss } = options;
  const { window, outputShape } = model;
  const [size, frameSize] = [sizeOf(outputShape), sizeOf(dataset.frameShape)];
  const context = window.frames - window.predictions;
  const hasTargets = dataset.targetShape !== undefined;
  const isOfClasses = tellsClasses(model, dataset);
  const isFrames = `${outputShape}` === `${dataset.frameShape}` && !isOfClasses;
  const classes = isOfClasses ? dataset.classes : undefined;
  // Up to one frame before the first prediction, every prediction is of the next frame.
  const leads = context > 1 ? window.predictions : 1;
  const frames = isFrames
    ? createForecastScores(options, leads, {
      persistence: model.persistence !== undefined,
      extrapolation: context > 1 && isRainDataset(dataset) && dataset.frameShape[2] === 1,
    })
    : undefined;
  const isForecast = isFrames && model.persistence !== undefined;
  const hasEvents = isForecast && !dataset.classes && `${dataset.targetShape}` === "1";
  const frameErrors = hasEvents || (isForecast && leads === 1)
    ? createFrameErrors(dataset.catalogue(split, 0))
    : undefined;
  const latents = createLatentPoints();
  const penalty = { sum: 0, weight: 0 };
  const errors = errorsPerPrediction(loss, outputShape);
  let confusion = classes && emptyConfusion(classes.length);
  const answers = engine.compile("answers", ([frames, given]) => {
    const targets = hasTargets ? given : undefined;
    return mayMiss(dataset)
      ? [withMissing(observedTargets(model, frames, targets))]
      : [model.targets(frames, targets)];
  });

  /** The first prediction of a lane's window that counts, and how many do. */
  const eachLane = (
    { tasks, batch: { weights } }: EvaluatedWindows,
    tell: (lane: number, valid: number) => void,
  ) =>
    tasks.forEach((_, lane) => {
      const first = lane * window.predictions;
      const ofLane = weights.subarray(first, first + window.predictions);
      tell(lane, ofLane.filter((weight) => weight > 0).length);
    });
  const addFrames = (windows: EvaluatedWindows, predicted: Float32Array, truth: Float32Array) => {
    const samples = windows.samples.map((tensor) => tensor.dataSync() as Float32Array);
    eachLane(windows, (lane, valid) => {
      if (valid === 0) return;
      const all = windows.batch.frames;
      const seen = all.subarray(lane * window.frames * frameSize);
      const part = (values: Float32Array, place: number, count: number) => {
        const first = lane * window.predictions + place;
        return values.subarray(first * size, (first + count) * size);
      };
      if (leads > 1) {
        const before = seen.subarray(0, context * frameSize);
        const answers = samples.map((values) => part(values, 0, valid));
        frames!.add(before, part(predicted, 0, valid), part(truth, 0, valid), valid, answers);
      } else {
        for (let place = 0; place < valid; place++) {
          const before = seen.subarray(0, (place + context) * frameSize);
          const answers = samples.map((values) => part(values, place, 1));
          frames!.add(before, part(predicted, place, 1), part(truth, place, 1), 1, answers);
        }
      }
      for (let place = 0; frameErrors && place < valid; place++) {
        const task = windows.tasks[lane];
        const at = lane * window.frames + context + place;
        const last = seen.subarray(
          (context + place - 1) * frameSize,
          (context + place) * frameSize,
        );
        const event = hasEvents ? windows.batch.targets!.values[at] : 0;
        const compared = part(truth, place, 1);
        const isSeen = compared.some((value, i) => !Number.isNaN(value) && !Number.isNaN(last[i]));
        // Left out: a frame that has no truth for both forecasts, or whose event is not known.
        if (!isSeen || Number.isNaN(event)) continue;
        frameErrors.add(task, {
          frame: task.offset + context + place,
          ...(hasEvents ? { isEvent: event > 0.5 } : {}),
          error: meanSquare(part(predicted, place, 1), compared),
          persistenceError: meanSquare(
            last,
            compared.map((value, i) => Number.isNaN(last[i]) ? NaN : value),
          ),
        });
      }
    });
  };
  const addLatents = (windows: EvaluatedWindows, values: Float32Array) => {
    const points = values.length / (windows.tasks.length * window.predictions);
    const labels = dataset.classes && dataset.targetShape?.length === 1
      ? windows.batch.targets!.values
      : undefined;
    eachLane(windows, (lane, valid) => {
      for (let place = 0; place < valid; place++) {
        const first = (lane * window.predictions + place) * points;
        const at = (lane * window.frames + context + place) * (dataset.classes?.length ?? 0);
        const label = labels ? labels.subarray(at, at + dataset.classes!.length).indexOf(1) : 0;
        if (label >= 0) latents.add(values.subarray(first, first + points), label);
      }
    });
  };
  return {
    async add(windows) {
      const { batch: { weights }, predictions } = windows;
      const valuesOf = (tensor: Tensor) => tensor.dataSync() as Float32Array;
      if (windows.latent) addLatents(windows, valuesOf(windows.latent));
      if (windows.penalty) {
        // Where values are missing, by the errors that count, and of predictions that have any.
        const counts = windows.counts && valuesOf(windows.counts.model);
        valuesOf(windows.penalty).forEach((value, i) => {
          if (!counts || counts[i] > 0) penalty.sum += weights[i] * value;
        });
        penalty.weight += counts
          ? counts.reduce((sum, count) => sum + count, 0) / errors
          : weights.reduce((sum, weight) => sum + weight, 0);
      }
      if (!frames && !confusion) return;
      const { frames: read, targets } = windows.windows;
      const outputs = await answers([read, ...(targets ? [targets] : [])]);
      const truth = valuesOf(outputs[0]);
      const predicted = valuesOf(predictions);
      if (frames) addFrames(windows, predicted, truth);
      if (confusion) {
        const counted = truth.map((value, i) => weights[Math.floor(i / size)] === 0 ? 0 : value);
        const { length } = classes!;
        confusion = addConfusion(confusion, countClasses(predicted, counted, length));
      }
      tf.dispose(outputs);
    },
    merge(other) {
      frames?.merge(other.forecasts!);
      frameErrors?.merge(other.frameErrors!);
      if (confusion) confusion = addConfusion(confusion, other.confusion!);
      penalty.sum += other.penalty.sum;
      penalty.weight += other.penalty.weight;
      for (const { latent, label } of other.latents) latents.add(latent, label);
    },
    sums: () => ({
      forecasts: frames?.sums(),
      frameErrors: frameErrors?.sums(),
      confusion,
      penalty: { ...penalty },
      latents: latents.sums(),
    }),
    result: () => ({
      ...frames?.result(),
      ...(frameErrors ? { frameErrors: frameErrors.listed() } : {}),
      ...(frameErrors && hasEvents ? { anomalies: anomalyScores(frameErrors.all()) } : {}),
      ...(penalty.weight > 0 ? { penalty: penalty.sum / (penalty.weight * errors) } : {}),
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
    timelines: (countMax) => frameErrors?.timelines(countMax) ?? [],
    latentPlane: () => latents.plane(),
    dispose: () => answers.dispose(),
  };
}

/** Over what was observed of the truth. */
function meanSquare(prediction: Float32Array, truth: Float32Array): number {
  let [sum, count] = [0, 0];
  for (let i = 0; i < truth.length; i++) {
    if (Number.isNaN(truth[i])) continue;
    sum += (prediction[i] - truth[i]) ** 2;
    count++;
  }
  return sum / count;
}
