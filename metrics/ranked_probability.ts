/**
 * Continuous ranked probability score of several samples, e.g. of a variational network or of an
 * ensemble (H. Hersbach, Weather and Forecasting 15, 2000): the area between the samples' steps and
 * the step of what was observed, in the data's unit. With one sample it is the mean absolute error.
 */

export interface RankedProbabilitySums {
  readonly sum: number;
  /** Pixels that all samples and the truth observe. */
  readonly count: number;
}

/**
 * Where the truth equals a sample, which rain does at 0, pysteps (1.21.5) leaves out the interval
 * above that sample, and scores too low. "left-out" gives its figures.
 */
export type TiedIntervals = "counted" | "left-out";

/**
 * @param samples at least one, each with the values of `truth`
 * @throws {RangeError} where there is no sample or one has another length
 */
export function rankedProbabilitySums(
  samples: readonly (Float32Array | Float64Array)[],
  truth: Float32Array | Float64Array,
  ties: TiedIntervals = "counted",
): RankedProbabilitySums {
  const odd = samples.find((sample) => sample.length !== truth.length);
  if (samples.length === 0 || odd) {
    throw new RangeError(
      `Cannot score ${samples.length} samples against ${truth.length} true values` +
        (odd ? `: one has ${odd.length} values` : ": at least one is needed"),
    );
  }
  const members = new Float64Array(samples.length);
  let [sum, count] = [0, 0];
  for (let i = 0; i < truth.length; i++) {
    for (let member = 0; member < members.length; member++) members[member] = samples[member][i];
    const observed = truth[i];
    if (!Number.isFinite(observed) || !members.every(Number.isFinite)) continue;
    sum += areaBetween(members.sort(), observed, ties);
    count++;
  }
  return { sum, count };
}

/** The mean, null where nothing was observed. */
export function rankedProbabilityScore({ sum, count }: RankedProbabilitySums): number | null {
  return count === 0 ? null : sum / count;
}

/** Over the intervals between sorted members, and out to the observation where it lies beyond. */
function areaBetween(members: Float64Array, observed: number, ties: TiedIntervals): number {
  const count = members.length;
  let area = Math.max(members[0] - observed, 0) + Math.max(observed - members[count - 1], 0);
  for (let i = 1; i < count; i++) {
    const [low, high] = [members[i - 1], members[i]];
    if (ties === "left-out" && (observed === low || observed === high)) continue;
    const share = i / count;
    const split = Math.min(Math.max(observed, low), high);
    area += (split - low) * share ** 2 + (high - split) * (1 - share) ** 2;
  }
  return area;
}
