/**
 * How many steps a run really makes, which is where a schedule has to end: all epochs of its plan, or
 * as many steps as were asked for, whichever comes first.
 */
import type { Dataset, SequenceEntry } from "../datasets/dataset.ts";
import { planEpoch } from "../datasets/plan.ts";
import { windowCount, type WindowShape } from "../datasets/window_shape.ts";
import type { RunConfiguration } from "../net/run_configuration.ts";

export type SpanConfiguration = Pick<
  RunConfiguration,
  "lanes" | "seed" | "shuffle" | "epochs" | "steps"
>;

/**
 * Steps from the run's first to its last. Epochs of an endless dataset have sequences of their own,
 * so each is planned by itself.
 * @throws {RangeError} where an epoch cannot be planned, or neither epochs nor steps are given
 */
export function trainingSteps(
  { lanes, seed, shuffle, epochs, steps }: SpanConfiguration,
  dataset: Pick<Dataset, "catalogue">,
  window: WindowShape,
): number {
  if (epochs === null) {
    if (steps === null) throw new RangeError("Cannot tell the end of a run: give epochs or steps");
    return steps;
  }
  const stepsMax = steps ?? Infinity;
  const known = new Map<string, number>();
  let previous: readonly SequenceEntry[] | undefined;
  let total = 0;
  for (let epoch = 0; epoch < epochs && total < stepsMax; epoch++) {
    const sequences = dataset.catalogue("train", epoch);
    const lengths = windowCounts(sequences, window);
    // The number of steps follows from how many windows the sequences have, in whatever order.
    let planned = known.get(lengths);
    if (planned === undefined) {
      planned = planEpoch({ sequences, window, lanes, seed, epoch, shuffle }).steps;
      known.set(lengths, planned);
    }
    // Most datasets have the same sequences in all epochs, and there may be a million epochs.
    if (sequences === previous) return Math.min(epochs * planned, stepsMax);
    previous = sequences;
    total += planned;
  }
  return Math.min(total, stepsMax);
}

/** How many sequences have how many windows, as one text. */
function windowCounts(sequences: readonly SequenceEntry[], window: WindowShape): string {
  const counts = new Map<number, number>();
  for (const { frames } of sequences) {
    const windows = windowCount(frames, window);
    counts.set(windows, (counts.get(windows) ?? 0) + 1);
  }
  return [...counts].sort(([a], [b]) => a - b).join(";");
}
