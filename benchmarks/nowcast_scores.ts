/**
 * Scores of several forecasts of the same rain by lead time: of the pixels that are observed and that
 * every forecast knows, so that none is praised or blamed for what another leaves out.
 */
import { rainRateOfValue, type ZRelation } from "../datasets/radar_scale.ts";
import {
  addCounts,
  type ContingencyCounts,
  type ContingencyScores,
  contingencyScores,
  countEvents,
  noCounts,
} from "../metrics/contingency.ts";
import {
  addCorrelation,
  type CorrelationSums,
  correlationSums,
  noCorrelation,
  uncentredCorrelation,
} from "../metrics/correlation.ts";
import {
  addRainErrors,
  noRainErrors,
  rainErrors,
  type RainErrorSums,
  rainErrorSums,
} from "../metrics/rain_errors.ts";

export interface NowcastScore {
  /** (mm/h)^2 */
  readonly rainfallMse: number | null;
  /** About zero, as X. Shi et al. 2015. */
  readonly correlation: number | null;
  /** One for each threshold. */
  readonly events: readonly ({ readonly threshold: number } & ContingencyScores)[];
}

export interface NowcastResult {
  /** Pixels scored at each lead time. */
  readonly pixels: readonly number[];
  readonly forecasts: readonly {
    readonly name: string;
    readonly leads: readonly NowcastScore[];
    /** Of all lead times together, from their summed counts. */
    readonly pooled: NowcastScore;
  }[];
}

interface Sums {
  readonly counts: readonly ContingencyCounts[];
  readonly rain: RainErrorSums;
  readonly correlation: CorrelationSums;
}

export interface NowcastScoresOptions {
  readonly names: readonly string[];
  readonly leads: number;
  /** mm/h; an event is rain of at least this. */
  readonly thresholds: readonly number[];
  readonly relation: ZRelation;
}

export function createNowcastScores(options: NowcastScoresOptions) {
  const { names, leads, thresholds, relation } = options;
  const none: Sums = {
    counts: thresholds.map(() => noCounts),
    rain: noRainErrors,
    correlation: noCorrelation,
  };
  const kept = names.map(() => Array.from({ length: leads }, () => none));
  const score = ({ counts, rain, correlation }: Sums): NowcastScore => ({
    rainfallMse: rainErrors(rain).rainfallMse,
    correlation: uncentredCorrelation(correlation),
    events: counts.map((each, i) => ({ threshold: thresholds[i], ...contingencyScores(each) })),
  });
  const add = (one: Sums, two: Sums): Sums => ({
    counts: one.counts.map((each, i) => addCounts(each, two.counts[i])),
    rain: addRainErrors(one.rain, two.rain),
    correlation: addCorrelation(one.correlation, two.correlation),
  });
  return {
    /** One frame, and the forecasts of it in the order of `names`; values in [0, 1] or NaN. */
    add(lead: number, truth: Float32Array, forecasts: readonly Float32Array[]): void {
      const isKnown = truth.map((value, i) =>
        Number.isNaN(value) || forecasts.some((each) => Number.isNaN(each[i])) ? 0 : 1
      );
      const field = (values: Float32Array) => ({
        values,
        rates: Float64Array.from(
          values,
          (value, i) => isKnown[i] ? rainRateOfValue(Math.min(value, 1), relation) : NaN,
        ),
      });
      const observed = field(truth);
      for (const [index, values] of forecasts.entries()) {
        const predicted = field(values);
        kept[index][lead] = add(kept[index][lead], {
          counts: thresholds.map((threshold) =>
            countEvents(predicted.rates, observed.rates, threshold, "at-least")
          ),
          rain: rainErrorSums(predicted, observed),
          correlation: correlationSums(predicted.rates, observed.rates),
        });
      }
    },
    result: (): NowcastResult => ({
      pixels: kept[0].map(({ rain }) => rain.pixels),
      forecasts: names.map((name, index) => ({
        name,
        leads: kept[index].map(score),
        pooled: score(kept[index].reduce(add, none)),
      })),
    }),
  };
}
