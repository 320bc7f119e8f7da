/**
 * What a worker wishes of all others, in one element of the sum of a step, so that all know of it after
 * the same step without a vote: that the run stops, or that the step is kept because one of them leaves.
 */

/** Workers whose wishes add up exactly in float32. */
const workersMax = 1024;

export interface Wishes {
  /** The run is to end after this step. */
  readonly stop: boolean;
  /** A worker leaves: what this step has made is to outlive it. */
  readonly keep: boolean;
}

/** One worker's part of the sum. */
export function sayWishes({ stop, keep }: Wishes): number {
  return (stop ? 1 : 0) + (keep ? 1 / (2 * workersMax) : 0);
}

/** What the sum over all workers says. */
export function readWishes(sum: number): Wishes {
  return { stop: sum >= 1, keep: sum % 1 > 0 };
}
