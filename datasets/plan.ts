/**
 * The plan of an epoch: which window of which sequence each lane plays at each step, and where its
 * recurrent state is reset. A pure function of its arguments, so that every process computes the
 * same one and nobody has to send it.
 *
 * Lanes play whole sequences one after another, window by window, so state is carried exactly
 * along a sequence. Sequences are dealt longest first to the lane with the least to do (LPT
 * scheduling, Graham 1969), so that lanes end together and few frames are padding.
 */
import { random } from "../net/random.ts";
import type { SequenceEntry } from "./dataset.ts";
import { validPredictions, windowCount, type WindowShape } from "./window_shape.ts";

/** One window on one lane. */
export interface WindowTask {
  /** Index into the catalogue, or -1 where the lane has nothing left to play in this epoch. */
  readonly sequence: number;
  /** First frame of the window in its sequence. */
  readonly offset: number;
  /** Frames to read; the window's remaining frames are zero padding. */
  readonly frames: number;
  /** Whether the lane's state becomes zero before this window. */
  readonly reset: boolean;
  /** How many of the window's predictions count in the loss, from its first one on. */
  readonly validPredictions: number;
}

export interface PlanOptions {
  readonly sequences: readonly SequenceEntry[];
  readonly window: WindowShape;
  readonly lanes: number;
  readonly seed: number;
  readonly epoch: number;
  /** Off for validation and test: the same order at every epoch. */
  readonly shuffle: boolean;
}

export interface Plan {
  readonly lanes: number;
  readonly steps: number;
  /** Share of the predicted frames that is padding, in [0, 1). */
  readonly paddedShare: number;
  /** Sequences too short to give one window. */
  readonly unusedSequences: number;
  /** The task of each lane at a step in [0, steps). */
  tasks(step: number): readonly WindowTask[];
  /** Sum of the loss weights over all lanes at a step: the divisor of the step's loss. */
  weightSum(step: number): number;
}

const emptyTask: WindowTask = {
  sequence: -1,
  offset: 0,
  frames: 0,
  reset: true,
  validPredictions: 0,
};

/** @throws {RangeError} if there is not one window in all sequences, or not one sequence */
export function planEpoch(options: PlanOptions): Plan {
  const { sequences, window, lanes } = options;
  if (sequences.length === 0) {
    throw new RangeError(
      "Cannot plan an epoch: there are no sequences in this split; choose another split or other data",
    );
  }
  const windows = sequences.map((sequence) => windowCount(sequence.frames, window));
  const playable = windows.flatMap((count, index) => (count > 0 ? [index] : []));
  if (playable.length === 0) {
    const longest = largest(sequences.map((sequence) => sequence.frames));
    throw new RangeError(
      `Cannot plan an epoch: none of ${sequences.length} sequences has the ` +
        `${window.frames - window.predictions + 1} frames that one window needs, the longest has ` +
        `${longest}; use longer sequences or a shorter window`,
    );
  }
  const playlists = deal(playable, windows, options);
  const timelines = playlists.map((playlist) => {
    const tasks: WindowTask[] = [];
    for (const sequence of playlist) {
      for (let index = 0; index < windows[sequence]; index++) {
        const offset = index * window.advance;
        tasks.push({
          sequence,
          offset,
          frames: Math.min(window.frames, sequences[sequence].frames - offset),
          reset: index === 0 || !window.carriesState,
          validPredictions: validPredictions(sequences[sequence].frames, window, index),
        });
      }
    }
    return tasks;
  });
  const steps = largest(timelines.map((tasks) => tasks.length));
  const tasks = (step: number) => timelines.map((timeline) => timeline[step] ?? emptyTask);
  const weightSum = (step: number) =>
    tasks(step).reduce((sum, task) => sum + task.validPredictions, 0);
  const predicted = timelines.flat().reduce((sum, task) => sum + task.validPredictions, 0);
  return {
    lanes,
    steps,
    paddedShare: 1 - predicted / (steps * lanes * window.predictions),
    unusedSequences: sequences.length - playable.length,
    tasks,
    weightSum,
  };
}

/** Of counts; `Math.max(...counts)` would overflow the stack where there are very many. */
function largest(counts: readonly number[]): number {
  return counts.reduce((most, count) => Math.max(most, count), 0);
}

/** Sequence indexes for each lane, in playing order. */
function deal(
  playable: readonly number[],
  windows: readonly number[],
  { lanes, seed, epoch, shuffle }: PlanOptions,
): number[][] {
  const stream = random(seed, "plan", epoch);
  const order = shuffle ? stream.shuffle([...playable]) : [...playable];
  // A stable sort keeps the shuffled order among sequences of equal length.
  order.sort((a, b) => windows[b] - windows[a]);
  const load = new Array<number>(lanes).fill(0);
  const playlists = Array.from({ length: lanes }, (): number[] => []);
  for (const sequence of order) {
    let lightest = 0;
    for (let lane = 1; lane < lanes; lane++) if (load[lane] < load[lightest]) lightest = lane;
    load[lightest] += windows[sequence];
    playlists[lightest].push(sequence);
  }
  // Played longest first, an epoch would end on its shortest sequences; shuffle what is dealt.
  if (shuffle) { for (const playlist of playlists) stream.shuffle(playlist); }
  return playlists;
}
