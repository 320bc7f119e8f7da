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
import type { SequenceEntry, Split } from "./dataset.ts";
import { atOnce, inTurns, pieceItems, type Pieces } from "./pieces.ts";
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
  return atOnce(planInPieces(options));
}

/**
 * The same plan, for a process that has to answer others meanwhile: a million sequences take seconds.
 * @throws {RangeError} as `planEpoch`
 */
export async function planEpochInTurns(
  options: PlanOptions,
  pause: () => Promise<void>,
): Promise<Plan> {
  return await inTurns(planInPieces(options), pause);
}

/**
 * Whether an epoch can be planned, without planning it: a split that is needed only after hours of
 * training is looked at before them.
 * @throws {RangeError} if there is not one window in all sequences, or not one sequence
 */
export function requireWindows(
  sequences: readonly SequenceEntry[],
  window: WindowShape,
  split: Split,
): void {
  if (sequences.some(({ frames }) => windowCount(frames, window) > 0)) return;
  throw nothingToPlay(sequences, window, split);
}

function nothingToPlay(
  sequences: readonly SequenceEntry[],
  window: WindowShape,
  split?: Split,
): RangeError {
  const cannot = `Cannot plan an epoch${split === undefined ? "" : ` of the ${split} split`}`;
  if (sequences.length === 0) {
    return new RangeError(
      split === undefined
        ? `${cannot}: there are no sequences in this split; choose another split or other data`
        : `${cannot}: there are no sequences in it; leave split=test out of --dataset-options, or ` +
          "name data that has some",
    );
  }
  const longest = sequences.reduce((most, { frames }) => Math.max(most, frames), 0);
  return new RangeError(
    `${cannot}: none of ${sequences.length} sequences has the ` +
      `${window.frames - window.predictions + 1} frames that one window needs, the longest has ` +
      `${longest}; use longer sequences or a shorter window`,
  );
}

/** What a lane plays, in order, and the step at which each sequence begins. */
interface Playlist {
  readonly sequences: readonly number[];
  readonly starts: Int32Array;
  readonly steps: number;
}

function* planInPieces(options: PlanOptions): Pieces<Plan> {
  const { sequences, window, lanes } = options;
  if (sequences.length === 0) throw nothingToPlay(sequences, window);
  const windows = new Int32Array(sequences.length);
  const playable: number[] = [];
  let predicted = 0;
  let left = pieceItems;
  for (const [index, { frames }] of sequences.entries()) {
    windows[index] = windowCount(frames, window);
    if (windows[index] > 0) playable.push(index);
    for (let each = 0; each < windows[index]; each++) {
      predicted += validPredictions(frames, window, each);
    }
    left -= 1 + windows[index];
    if (left > 0) continue;
    yield;
    left = pieceItems;
  }
  if (playable.length === 0) throw nothingToPlay(sequences, window);
  const playlists: Playlist[] = [];
  for (const dealt of yield* deal(playable, windows, options)) {
    playlists.push(yield* schedule(dealt, windows));
  }
  const steps = playlists.reduce((most, playlist) => Math.max(most, playlist.steps), 0);
  const taskOf = (playlist: Playlist, step: number): WindowTask => {
    if (!(step >= 0 && step < playlist.steps)) return emptyTask;
    const place = lastUpTo(playlist.starts, step);
    const sequence = playlist.sequences[place];
    const index = step - playlist.starts[place];
    const offset = index * window.advance;
    const { frames } = sequences[sequence];
    return {
      sequence,
      offset,
      frames: Math.min(window.frames, frames - offset),
      reset: index === 0 || !window.carriesState,
      validPredictions: validPredictions(frames, window, index),
    };
  };
  const tasks = (step: number) => playlists.map((playlist) => taskOf(playlist, step));
  const weightSum = (step: number) =>
    tasks(step).reduce((sum, task) => sum + task.validPredictions, 0);
  return {
    lanes,
    steps,
    paddedShare: 1 - predicted / (steps * lanes * window.predictions),
    unusedSequences: sequences.length - playable.length,
    tasks,
    weightSum,
  };
}

/** Place of the last of these ascending numbers that is not above `value`; the first one is not. */
function lastUpTo(ascending: Int32Array, value: number): number {
  let place = 0;
  let end = ascending.length;
  while (end - place > 1) {
    const middle = (place + end) >>> 1;
    if (ascending[middle] <= value) place = middle;
    else end = middle;
  }
  return place;
}

function* schedule(sequences: readonly number[], windows: Int32Array): Pieces<Playlist> {
  const starts = new Int32Array(sequences.length);
  let steps = 0;
  for (const [place, sequence] of sequences.entries()) {
    starts[place] = steps;
    steps += windows[sequence];
    if ((place + 1) % pieceItems === 0) yield;
  }
  return { sequences, starts, steps };
}

/** Sequence indexes for each lane, in playing order. */
function* deal(
  playable: readonly number[],
  windows: Int32Array,
  { lanes, seed, epoch, shuffle }: PlanOptions,
): Pieces<number[][]> {
  const stream = random(seed, "plan", epoch);
  const order = shuffle ? stream.shuffle([...playable]) : playable;
  if (playable.length > pieceItems) yield;
  const load = new Array<number>(lanes).fill(0);
  const playlists = Array.from({ length: lanes }, (): number[] => []);
  let left = pieceItems;
  for (const sequences of yield* longestFirst(order, windows)) {
    for (const sequence of sequences) {
      let lightest = 0;
      for (let lane = 1; lane < lanes; lane++) if (load[lane] < load[lightest]) lightest = lane;
      load[lightest] += windows[sequence];
      playlists[lightest].push(sequence);
      if (--left > 0) continue;
      yield;
      left = pieceItems;
    }
  }
  // Played longest first, an epoch would end on its shortest sequences; shuffle what is dealt.
  if (shuffle) {
    for (const playlist of playlists) {
      stream.shuffle(playlist);
      if (playable.length > pieceItems) yield;
    }
  }
  return playlists;
}

/** Sequences by their number of windows, those of equal length in their order. */
function* longestFirst(order: readonly number[], windows: Int32Array): Pieces<number[][]> {
  const byWindows = new Map<number, number[]>();
  for (const [place, sequence] of order.entries()) {
    const alike = byWindows.get(windows[sequence]);
    if (alike) alike.push(sequence);
    else byWindows.set(windows[sequence], [sequence]);
    if ((place + 1) % pieceItems === 0) yield;
  }
  return [...byWindows.keys()].sort((a, b) => b - a).map((count) => byWindows.get(count)!);
}
