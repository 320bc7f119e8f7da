/**
 * Scores of forecast frames beside those of the forecasts that they have to beat: the last frame
 * repeated and, for rain, its extrapolation along the motion of the frames before. All of the same
 * frames and the same pixels, but that none is scored where the truth was not observed, and those that
 * move or repeat what was seen say nothing where that was not.
 */
import { persistence } from "../baselines/persistence.ts";
import { radarExtrapolation } from "../baselines/radar_extrapolation.ts";
import type { Dataset } from "../datasets/dataset.ts";
import { isRainDataset } from "../datasets/rain_dataset.ts";
import {
  createEvaluationScores,
  type EvaluationResult,
  type EvaluationScores,
  type LeadSums,
} from "../metrics/evaluation_scores.ts";
import { sizeOf } from "./window_batch.ts";

export interface ScoreOptions {
  readonly dataset: Dataset;
  /** Of events: in mm/h for rain, else where a value of 1 is the dataset's `eventScale`. */
  readonly thresholds: readonly number[];
  /** Sides of the fractions skill score's neighbourhoods in pixels. */
  readonly scales: readonly number[];
}

export interface ForecastResult {
  readonly frames: EvaluationResult;
  /** Of repeating the last frame seen, where the model forecasts. */
  readonly persistence?: EvaluationResult;
  /** Of the last frame moved along, for rain, where two frames or more are seen before. */
  readonly extrapolation?: EvaluationResult;
}

/** From which the scores follow: what was kept of parts is added. */
export interface ForecastSums {
  readonly frames: readonly LeadSums[];
  readonly persistence?: readonly LeadSums[];
  readonly extrapolation?: readonly LeadSums[];
}

export interface ForecastScores {
  /**
   * What was forecast from one moment on.
   * @param seen [frames, height, width, channels] up to that moment; none where nothing is forecast
   * @param predictions and `truth` [leads, height, width, channels], the first `count` of them valid
   * @param samples where the model gives several answers, each shaped as `predictions`
   */
  add(
    seen: Float32Array,
    predictions: Float32Array,
    truth: Float32Array,
    count: number,
    samples?: readonly Float32Array[],
  ): void;
  /** Adds what was kept of another part. */
  merge(other: ForecastSums): void;
  sums(): ForecastSums;
  result(): ForecastResult;
}

/** @param has which forecasts there are beside the model's own */
export function createForecastScores(
  { dataset, thresholds, scales }: ScoreOptions,
  leads: number,
  has: { readonly persistence: boolean; readonly extrapolation: boolean },
): ForecastScores {
  const size = sizeOf(dataset.frameShape);
  const create = () =>
    createEvaluationScores({
      frameShape: dataset.frameShape,
      leads,
      ...(thresholds.length === 0 || dataset.frameShape[2] !== 1 ? {} : {
        events: {
          ...{ thresholds, scales },
          ...(isRainDataset(dataset) ? { relation: dataset.relation } : {}),
          valueScale: dataset.eventScale,
        },
      }),
    });
  const frames = create();
  const repeated = has.persistence ? create() : undefined;
  const moved = has.extrapolation ? create() : undefined;
  return {
    add(seen, predictions, truth, count, samples = []) {
      // One answer's ranked probability score is its mean absolute error, to be compared with.
      const alone = (values: Float32Array) => samples.length > 0 ? [values] : [];
      const addTo = (
        scores: EvaluationScores,
        values: Float32Array,
        compared: Float32Array,
        answers = alone(values),
      ) => {
        for (let lead = 0; lead < count; lead++) {
          const part = (all: Float32Array) => all.subarray(lead * size, (lead + 1) * size);
          scores.add(leads === 1 ? 0 : lead, part(values), part(compared), answers.map(part));
        }
      };
      addTo(frames, predictions, truth, [...samples]);
      const addBaseline = (scores: EvaluationScores, values: Float32Array) =>
        addTo(scores, values, saidOf(values, truth));
      if (repeated) addBaseline(repeated, persistence(seen, size, count));
      // At the edge, so that every pixel is scored that the model is scored on.
      if (moved) addBaseline(moved, radarExtrapolation(seen, dataset.frameShape, count, "edge"));
    },
    merge(other) {
      frames.merge(other.frames);
      repeated?.merge(other.persistence!);
      moved?.merge(other.extrapolation!);
    },
    sums: () => ({
      frames: frames.sums(),
      ...(repeated ? { persistence: repeated.sums() } : {}),
      ...(moved ? { extrapolation: moved.sums() } : {}),
    }),
    result: () => ({
      frames: frames.result(),
      ...(repeated ? { persistence: repeated.result() } : {}),
      ...(moved ? { extrapolation: moved.result() } : {}),
    }),
  };
}

/** The truth of which a forecast says anything. */
function saidOf(forecast: Float32Array, truth: Float32Array): Float32Array {
  if (!forecast.some(Number.isNaN)) return truth;
  return truth.map((value, i) => Number.isNaN(forecast[i]) ? NaN : value);
}
