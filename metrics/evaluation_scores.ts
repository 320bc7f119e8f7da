/**
 * Every score of predicted frames, for each lead time and over all of them. What is kept are sums and
 * counts, so that parts of an evaluation (batches, workers) are merged by adding and a score is only
 * ever computed from the whole: a mean of CSIs is no CSI.
 */
import type { FrameShape } from "../datasets/dataset.ts";
import { rainRateOfValue, type ZRelation } from "../datasets/radar_scale.ts";
import {
  addCounts,
  type ContingencyCounts,
  type ContingencyScores,
  contingencyScores,
  countEvents,
  meanCriticalSuccess,
  noCounts,
} from "./contingency.ts";
import {
  addCorrelation,
  type CorrelationSums,
  correlationSums,
  noCorrelation,
  pearsonCorrelation,
  uncentredCorrelation,
} from "./correlation.ts";
import { crossEntropies } from "./cross_entropy.ts";
import {
  addFractions,
  fractionsSkill,
  type FractionsSums,
  fractionsSums,
  noFractions,
} from "./fractions_skill.ts";
import type { FramePair } from "./frame_sequence.ts";
import {
  addRainErrors,
  noRainErrors,
  type RainErrors,
  rainErrors,
  type RainErrorSums,
  rainErrorSums,
} from "./rain_errors.ts";
import { rankedProbabilityScore, rankedProbabilitySums } from "./ranked_probability.ts";
import { frameScores } from "./video_scores.ts";

/** Scores of events, for frames of one channel. */
export interface EventOptions {
  /** In mm/h where there is a relation, else where a value of 1 is `valueScale`. */
  readonly thresholds: readonly number[];
  /** @default {1} */
  readonly valueScale?: number;
  /** Sides of the neighbourhoods of the fractions skill score, in pixels. */
  readonly scales: readonly number[];
  /** Turns values in [0, 1] into rain rates, as `datasets/radar_scale.ts` does. */
  readonly relation?: ZRelation;
}

export interface EvaluationScoresOptions {
  readonly frameShape: FrameShape;
  /** Lead times, the first predicted frame being 0. */
  readonly leads: number;
  readonly events?: EventOptions;
}

/** All that is kept of a lead time: numbers alone, so that messages carry it; PSNR may be infinite. */
export interface LeadSums {
  readonly frames: number;
  /** Frames' worth of values whose truth is observed: `frames` where none is missing. */
  readonly observed: number;
  readonly squaredError: number;
  readonly absoluteError: number;
  readonly psnr: number;
  readonly ssim: number;
  readonly ssimRange2: number;
  /** Frames of which enough is observed for these scores. */
  readonly psnrFrames: number;
  readonly ssimFrames: number;
  readonly crossEntropy: number;
  readonly rankedProbability: { readonly sum: number; readonly count: number };
  readonly correlation: CorrelationSums;
  readonly rain: RainErrorSums;
  /** One for each threshold, and for each threshold one for each scale. */
  readonly counts: readonly ContingencyCounts[];
  readonly fractions: readonly (readonly FractionsSums[])[];
}

export interface EventScores extends ContingencyScores {
  readonly threshold: number;
  readonly counts: ContingencyCounts;
  readonly fss: readonly { readonly scale: number; readonly score: number | null }[];
}

/**
 * Null where nothing was there to be scored, or where a frame is too small for the score. Values whose
 * truth was not observed (NaN) count in none of them.
 */
export interface LeadScores {
  readonly frames: number;
  /** Share of the values whose truth was observed; left out where none is missing. */
  readonly observedShare?: number;
  /**
   * Means over frames of errors summed over pixels and channels; where some are missing, means over
   * those that are observed, times the values of a frame.
   */
  readonly mse: number | null;
  readonly mae: number | null;
  /** dB; null where any frame is exact. */
  readonly psnr: number | null;
  readonly ssim: number | null;
  /** At a range of 2, as published video scores have it. */
  readonly ssimRange2: number | null;
  /** Mean over frames, nats. */
  readonly crossEntropy: number | null;
  /** Of several samples, mean over pixels; null where one prediction was given. */
  readonly crps: number | null;
  /** Of rain rates where there is a relation, else of values; pooled over pixels. */
  readonly correlation: number | null;
  readonly pearson: number | null;
  readonly rain: RainErrors | null;
  readonly events: readonly EventScores[];
  /** Mean CSI over the thresholds. */
  readonly csiMean: number | null;
}

export interface EvaluationResult {
  readonly leads: readonly LeadScores[];
  /** Over all lead times together, from their summed counts. */
  readonly pooled: LeadScores;
  /** Cross-entropy summed over lead times: for a sequence, as X. Shi et al. 2015 report it. */
  readonly crossEntropyPerSequence: number | null;
}

export interface EvaluationScores {
  /**
   * One frame, [height, width, channels].
   * @param samples where the model gives several answers; `prediction` is then what counts as its one
   * @throws {RangeError} where an array is not one frame, or there is no such lead time
   */
  add(
    lead: number,
    prediction: Float32Array,
    truth: Float32Array,
    samples?: readonly Float32Array[],
  ): void;
  /** Adds what another evaluation of the same kind has kept. */
  merge(other: readonly LeadSums[]): void;
  sums(): readonly LeadSums[];
  result(): EvaluationResult;
}

export function createEvaluationScores(options: EvaluationScoresOptions): EvaluationScores {
  const { leads, events } = options;
  const kept = Array.from({ length: leads }, () => noSums(events));
  return {
    add(lead, prediction, truth, samples = []) {
      if (!(lead in kept)) {
        throw new RangeError(`Cannot score lead time ${lead}: there are ${leads}, from 0 on`);
      }
      kept[lead] = addSums(kept[lead], sumsOfFrame(options, prediction, truth, samples));
    },
    merge(other) {
      if (other.length !== leads) {
        throw new RangeError(`Cannot merge scores of ${other.length} lead times into ${leads}`);
      }
      other.forEach((sums, lead) => kept[lead] = addSums(kept[lead], sums));
    },
    sums: () => [...kept],
    result() {
      const scores = kept.map((sums) => leadScores(sums, events));
      const perLead = scores.map((lead) => lead.crossEntropy);
      return {
        leads: scores,
        pooled: leadScores(kept.reduce(addSums, noSums(events)), events),
        crossEntropyPerSequence: perLead.includes(null)
          ? null
          : perLead.reduce<number>((sum, value) => sum + value!, 0),
      };
    },
  };
}

/** The frames' own size decides whether there is a structural similarity at all. */
const similaritySideLeast = 7;

function sumsOfFrame(
  { frameShape, events }: EvaluationScoresOptions,
  prediction: Float32Array,
  truth: Float32Array,
  samples: readonly Float32Array[],
): LeadSums {
  const [height, width, channels] = frameShape;
  const pixels = height * width * channels;
  if (prediction.length !== pixels || truth.length !== pixels) {
    throw new RangeError(
      `Cannot score a frame of ${
        frameShape.join(" x ")
      }: received ${prediction.length} predicted ` +
        `and ${truth.length} true values`,
    );
  }
  const pair = comparable({ prediction, truth, frameShape });
  const isLargeEnough = Math.min(height, width) >= similaritySideLeast;
  const video = frameScores(pair, { similarity: isLargeEnough });
  const field = (values: Float32Array) => ({ values, rates: ratesOf(values, events?.relation) });
  const [predicted, observed] = [field(pair.prediction), field(pair.truth)];
  const limits = events ? limitsOf(events) : [];
  // What is no number because of the prediction stays none, to be seen in the mean.
  const isWhole = video.observed[0] === 1;
  const [hasPsnr, hasSsim] = [video.psnr[0], video.ssim[0]].map((score) =>
    isWhole || !Number.isNaN(score) || !isPredicted(pair)
  );
  return {
    frames: 1,
    observed: video.observed[0],
    squaredError: video.squaredError[0],
    absoluteError: video.absoluteError[0],
    psnr: hasPsnr ? video.psnr[0] : 0,
    ssim: hasSsim ? video.ssim[0] : 0,
    ssimRange2: hasSsim ? video.ssimRange2[0] : 0,
    psnrFrames: hasPsnr ? 1 : 0,
    ssimFrames: hasSsim ? 1 : 0,
    crossEntropy: crossEntropies(pair)[0],
    rankedProbability: samples.length === 0 ? { sum: 0, count: 0 } : rankedProbabilitySums(
      samples.map((each) => ratesOf(each, events?.relation)),
      observed.rates,
    ),
    correlation: correlationSums(predicted.rates, observed.rates),
    rain: events?.relation ? rainErrorSums(predicted, observed) : noRainErrors,
    counts: limits.map((limit) => countEvents(predicted.rates, observed.rates, limit, "at-least")),
    fractions: limits.map((limit) =>
      events!.scales.map((scale) =>
        fractionsSums(predicted.rates, observed.rates, [height, width], limit, scale)
      )
    ),
  };
}

/** With no prediction where there is no truth, so that no score takes one for a false alarm. */
function comparable({ prediction, truth, frameShape }: FramePair): FramePair {
  if (!truth.some(Number.isNaN)) return { prediction, truth, frameShape };
  const compared = prediction.map((value, i) => Number.isNaN(truth[i]) ? NaN : value);
  return { prediction: compared, truth, frameShape };
}

/** Whether there is a number wherever there is a truth. */
function isPredicted({ prediction, truth }: FramePair): boolean {
  return prediction.every((value, i) => !Number.isNaN(value) || Number.isNaN(truth[i]));
}

/** A network may answer beyond the scale, whose end is 60 dBZ: more would be hundreds of mm/h. */
function ratesOf(values: Float32Array, relation: ZRelation | undefined) {
  if (!relation) return values;
  // Not `Float64Array.from`, which asks an iterator for each of the pixels.
  const rates = new Float64Array(values.length);
  for (let i = 0; i < rates.length; i++) {
    rates[i] = rainRateOfValue(Math.min(values[i], 1), relation);
  }
  return rates;
}

/**
 * What rates or values are compared with. Values are float32, so their limit is rounded as they are:
 * a pixel of 16 of 255 is just at 16 / 255, and unrounded that may lie above it.
 */
function limitsOf({ thresholds, relation, valueScale = 1 }: EventOptions): readonly number[] {
  return relation ? thresholds : thresholds.map((each) => Math.fround(each / valueScale));
}

function noSums(events: EventOptions | undefined): LeadSums {
  const thresholds = events?.thresholds ?? [];
  return {
    frames: 0,
    observed: 0,
    squaredError: 0,
    absoluteError: 0,
    psnr: 0,
    ssim: 0,
    ssimRange2: 0,
    psnrFrames: 0,
    ssimFrames: 0,
    crossEntropy: 0,
    rankedProbability: { sum: 0, count: 0 },
    correlation: noCorrelation,
    rain: noRainErrors,
    counts: thresholds.map(() => noCounts),
    fractions: thresholds.map(() => events!.scales.map(() => noFractions)),
  };
}

function addSums(one: LeadSums, two: LeadSums): LeadSums {
  return {
    frames: one.frames + two.frames,
    observed: one.observed + two.observed,
    squaredError: one.squaredError + two.squaredError,
    absoluteError: one.absoluteError + two.absoluteError,
    psnr: one.psnr + two.psnr,
    ssim: one.ssim + two.ssim,
    ssimRange2: one.ssimRange2 + two.ssimRange2,
    psnrFrames: one.psnrFrames + two.psnrFrames,
    ssimFrames: one.ssimFrames + two.ssimFrames,
    crossEntropy: one.crossEntropy + two.crossEntropy,
    rankedProbability: {
      sum: one.rankedProbability.sum + two.rankedProbability.sum,
      count: one.rankedProbability.count + two.rankedProbability.count,
    },
    correlation: addCorrelation(one.correlation, two.correlation),
    rain: addRainErrors(one.rain, two.rain),
    counts: one.counts.map((counts, i) => addCounts(counts, two.counts[i])),
    fractions: one.fractions.map((scales, i) =>
      scales.map((sums, j) => addFractions(sums, two.fractions[i][j]))
    ),
  };
}

function leadScores(sums: LeadSums, events: EventOptions | undefined): LeadScores {
  const mean = (sum: number, count = sums.observed) => {
    const value = sum / count;
    return Number.isFinite(value) ? value : null;
  };
  return {
    frames: sums.frames,
    ...(sums.observed < sums.frames && { observedShare: sums.observed / sums.frames }),
    mse: mean(sums.squaredError),
    mae: mean(sums.absoluteError),
    psnr: mean(sums.psnr, sums.psnrFrames),
    ssim: mean(sums.ssim, sums.ssimFrames),
    ssimRange2: mean(sums.ssimRange2, sums.ssimFrames),
    crossEntropy: mean(sums.crossEntropy),
    crps: rankedProbabilityScore(sums.rankedProbability),
    correlation: uncentredCorrelation(sums.correlation),
    pearson: pearsonCorrelation(sums.correlation),
    rain: events?.relation ? rainErrors(sums.rain) : null,
    events: sums.counts.map((counts, i) => ({
      threshold: events!.thresholds[i],
      counts,
      ...contingencyScores(counts),
      fss: sums.fractions[i].map((fractions, j) => ({
        scale: events!.scales[j],
        score: fractionsSkill(fractions),
      })),
    })),
    csiMean: meanCriticalSuccess(sums.counts),
  };
}
