/**
 * How often a process is started again. What ends more often than that has a reason that a new start
 * does not remove; what ends now and then, in a run of weeks, has not.
 */
export interface RestartLimits {
  readonly restartsMax: number;
  readonly withinMs: number;
  /** After the first end. Each further one that follows soon waits for twice as long as the one before. */
  readonly delayMs: number;
  readonly delayMsMax: number;
}

/** What has run for longer than this was well: its end is the first of its kind. */
const soonMs = 2_000;

export interface PlannedRestart {
  /** When what still counts was started again, this one the last: what the next plan begins from. */
  readonly timesMs: readonly number[];
  readonly delayMs: number;
}

/**
 * @param timesMs of the plan before; empty at first
 * @returns undefined where it ended too often
 */
export function planRestart(
  timesMs: readonly number[],
  nowMs: number,
  { restartsMax, withinMs, delayMs, delayMsMax }: RestartLimits,
): PlannedRestart | undefined {
  const recent = timesMs.filter((each) => nowMs - each < withinMs);
  if (recent.length >= restartsMax) return undefined;
  const firstOfRow = recent.findLastIndex((each, index) =>
    (recent[index + 1] ?? nowMs) - each >= soonMs
  );
  const inRow = recent.length - 1 - firstOfRow;
  const ownDelayMs = Math.min(delayMs * 2 ** inRow, delayMsMax);
  return { timesMs: [...recent, nowMs + ownDelayMs], delayMs: ownDelayMs };
}

/** Restarts since a run came further than it had ever been. */
export interface FruitlessRestarts {
  readonly step: number;
  /**
   * Ends of each process, those that came in its place included. What ends all of them at once, as
   * a batch system or the kernel may, is one end of each, however many there are.
   */
  readonly counts: ReadonlyMap<string, number>;
}

/** What ends so often at the same point ends there again, for a reason that a new start does not remove. */
export const fruitlessRestartsMax = 5;

/**
 * @param place that the process which has ended had in the cluster
 * @param step that the run has reached now
 */
export function countFruitless(
  before: FruitlessRestarts,
  place: string,
  step: number,
): FruitlessRestarts {
  if (step > before.step) return { step, counts: new Map([[place, 1]]) };
  const count = (before.counts.get(place) ?? 0) + 1;
  return { ...before, counts: new Map(before.counts).set(place, count) };
}
