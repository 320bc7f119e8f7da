/**
 * Counts that are summed among float32 numbers and stay exact, which those are only up to 2^24: as two
 * numbers, each of which is small enough. Shards by the thousand may then count 2^36 in all.
 */

/** Numbers that a count takes. */
export const countParts = 2;

/** The lower number stays below it, and so the sum of the lower numbers of 4096 shards below 2^24. */
const unit = 4096;

export function splitCount(count: number): [high: number, low: number] {
  const high = Math.floor(count / unit);
  return [high, count - high * unit];
}

/** @param parts what `splitCount` gave, or sums of such */
export function joinCount([high, low]: ArrayLike<number> & Iterable<number>): number {
  return high * unit + low;
}
