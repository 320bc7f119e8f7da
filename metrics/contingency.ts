/**
 * Events at a threshold, counted into a 2 x 2 table, and the scores of forecast verification that
 * follow from it (I. T. Jolliffe, D. B. Stephenson, "Forecast Verification", 2nd edition, 2012,
 * chapter 3). Counts of parts are added, then scored: a mean of scores would be another number.
 *
 * Pixels that either side does not observe (NaN) are left out. A comparison with NaN is false, so
 * counting them would make each a correct negative and praise accuracy, HSS and FA.
 */

export interface ContingencyCounts {
  readonly hits: number;
  readonly misses: number;
  readonly falseAlarms: number;
  readonly correctNegatives: number;
}

/** pysteps takes values above the threshold for an event, HKO-7 and SEVIR also those at it. */
export type EventRule = "above" | "at-least";

/** Each is null where it is 0 / 0: nothing was there that it is a share of. */
export interface ContingencyScores {
  /** Critical success index, or threat score: hits / (hits + misses + false alarms). */
  readonly csi: number | null;
  /** Probability of detection: hits / events. */
  readonly pod: number | null;
  /** False alarm ratio: false alarms / events forecast. */
  readonly far: number | null;
  /** False alarm rate, probability of false detection: false alarms / non-events. */
  readonly fa: number | null;
  /** Heidke skill score. */
  readonly hss: number | null;
  /** Hanssen and Kuipers' discriminant, or Peirce's skill score: POD - FA. */
  readonly hk: number | null;
  /** Gilbert skill score, or equitable threat score: HSS / (2 - HSS). */
  readonly gss: number | null;
  /** Frequency bias: events forecast / events. */
  readonly bias: number | null;
  readonly f1: number | null;
  readonly accuracy: number | null;
}

export const noCounts: ContingencyCounts = {
  hits: 0,
  misses: 0,
  falseAlarms: 0,
  correctNegatives: 0,
};

/** @throws {RangeError} where the two arrays differ in length */
export function countEvents(
  prediction: Float32Array | Float64Array,
  truth: Float32Array | Float64Array,
  threshold: number,
  rule: EventRule,
): ContingencyCounts {
  if (prediction.length !== truth.length) {
    throw new RangeError(
      `Cannot count events: ${prediction.length} predicted values for ${truth.length} true ones`,
    );
  }
  const isEvent = rule === "above"
    ? (value: number) => value > threshold
    : (value: number) => value >= threshold;
  let [hits, misses, falseAlarms, correctNegatives] = [0, 0, 0, 0];
  for (let i = 0; i < truth.length; i++) {
    const [predicted, observed] = [prediction[i], truth[i]];
    if (Number.isNaN(predicted) || Number.isNaN(observed)) continue;
    if (isEvent(observed)) {
      if (isEvent(predicted)) hits++;
      else misses++;
    } else if (isEvent(predicted)) falseAlarms++;
    else correctNegatives++;
  }
  return { hits, misses, falseAlarms, correctNegatives };
}

export function addCounts(one: ContingencyCounts, two: ContingencyCounts): ContingencyCounts {
  return {
    hits: one.hits + two.hits,
    misses: one.misses + two.misses,
    falseAlarms: one.falseAlarms + two.falseAlarms,
    correctNegatives: one.correctNegatives + two.correctNegatives,
  };
}

export function contingencyScores(counts: ContingencyCounts): ContingencyScores {
  const { hits, misses, falseAlarms, correctNegatives } = counts;
  const events = hits + misses;
  const nonEvents = falseAlarms + correctNegatives;
  const forecastEvents = hits + falseAlarms;
  const pod = quotient(hits, events);
  const fa = quotient(falseAlarms, nonEvents);
  const hss = quotient(
    2 * (hits * correctNegatives - falseAlarms * misses),
    events * (misses + correctNegatives) + forecastEvents * nonEvents,
  );
  return {
    csi: quotient(hits, events + falseAlarms),
    pod,
    far: quotient(falseAlarms, forecastEvents),
    fa,
    hss,
    hk: pod === null || fa === null ? null : pod - fa,
    gss: hss === null ? null : hss / (2 - hss),
    bias: events === 0 ? null : forecastEvents / events,
    f1: quotient(2 * hits, 2 * hits + misses + falseAlarms),
    accuracy: quotient(hits + correctNegatives, events + nonEvents),
  };
}

/**
 * The mean CSI over thresholds, as SEVIR's CSI-M is over `sevirThresholds`, of those thresholds that
 * the truth reaches: the same ones for every forecast of it, so that their means can be compared.
 */
export function meanCriticalSuccess(tables: readonly ContingencyCounts[]): number | null {
  const values = tables
    .filter(({ hits, misses }) => hits + misses > 0)
    .map(({ hits, misses, falseAlarms }) => hits / (hits + misses + falseAlarms));
  return quotient(values.reduce((sum, csi) => sum + csi, 0), values.length);
}

/** Of vertically integrated liquid in SEVIR, on its scale to 255. */
export const sevirThresholds = [16, 74, 133, 160, 181, 219] as const;

function quotient(part: number, whole: number): number | null {
  return whole === 0 ? null : part / whole;
}
