/** Statistics of repeated measurements: the median to quote and the spread to trust it by. */
export interface Turns {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** @throws {RangeError} for no measurement at all */
export function summarize(values: readonly number[]): Turns {
  if (values.length === 0) throw new RangeError("Cannot summarize no measurements");
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 === 1
    ? sorted[middle]
    : (sorted[middle - 1] + sorted[middle]) / 2;
  return { median, min: sorted[0], max: sorted[sorted.length - 1] };
}

/**
 * The smallest value that at least `share` of all values do not exceed.
 * @throws {RangeError} for no value at all
 */
export function percentile(values: readonly number[], share: number): number {
  if (values.length === 0) throw new RangeError("Cannot summarize no measurements");
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
}
