/** How values are spread: counts in 30 bins of equal width, as TensorFlow 2 writes histograms. */

const bins = 30;

export interface Histogram {
  readonly least: number;
  readonly most: number;
  readonly count: number;
  readonly sum: number;
  readonly squares: number;
  /** Upper edge of each bin, and how many values lie below it and in no bin before. */
  readonly edges: readonly number[];
  readonly counts: readonly number[];
}

/** Of the finite values; undefined where there is none. */
export function histogramOf(values: Float32Array): Histogram | undefined {
  let [least, most, count, sum, squares] = [Infinity, -Infinity, 0, 0, 0];
  for (const value of values) {
    if (!Number.isFinite(value)) continue;
    least = Math.min(least, value);
    most = Math.max(most, value);
    sum += value;
    squares += value * value;
    count++;
  }
  if (count === 0) return undefined;
  // A single value lies in the middle of its bins.
  const [from, to] = least < most ? [least, most] : [least - 0.5, least + 0.5];
  const width = (to - from) / bins;
  const counts = new Array<number>(bins).fill(0);
  for (const value of values) {
    if (!Number.isFinite(value)) continue;
    counts[Math.min(Math.floor((value - from) / width), bins - 1)]++;
  }
  const edges = counts.map((_, bin) => bin === bins - 1 ? to : from + (bin + 1) * width);
  return { least, most, count, sum, squares, edges, counts };
}
