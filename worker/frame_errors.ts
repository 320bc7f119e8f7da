/**
 * How far off the prediction of each frame is, in the order of the sequences: the error of a frame is
 * its anomaly score (M. Hasan et al., CVPR 2016, section 3.3), whether the dataset tells of events or
 * not.
 */
import type { SequenceEntry } from "../datasets/dataset.ts";
import type { WindowTask } from "../datasets/plan.ts";

/** One frame that was predicted. */
export interface ScoredFrame {
  readonly frame: number;
  /** Whether something happens in it, where the dataset tells. */
  readonly isEvent?: boolean;
  /** Mean squared error over the frame, of the prediction and of the last frame repeated. */
  readonly error: number;
  readonly persistenceError: number;
}

export interface FrameTimeline {
  /** Of the sequence. */
  readonly id: string;
  /** In order. */
  readonly frames: readonly ScoredFrame[];
}

/** All of a split's frames, or the first ones where there are more than is worth telling. */
export interface ListedErrors {
  /** Predicted in all. */
  readonly frames: number;
  /** Of which so many are listed here, and never more than the most. */
  readonly framesListed: number;
  readonly framesListedMax: number;
  /** Those with events first, else in the split's order; the last one perhaps cut short. */
  readonly sequences: readonly {
    readonly id: string;
    /** Numbers of the frames that follow, in the sequence and from 0 on. */
    readonly frames: readonly number[];
    readonly errors: readonly number[];
    readonly persistenceErrors: readonly number[];
    /** Where the dataset tells of them. */
    readonly isEvent?: readonly boolean[];
  }[];
}

/** The frames of each sequence. */
export type FrameErrorSums = readonly (readonly [
  sequence: number,
  frames: readonly ScoredFrame[],
])[];

export interface FrameErrors {
  add(task: WindowTask, frame: ScoredFrame): void;
  /** Adds what was kept of another part. */
  merge(other: FrameErrorSums): void;
  sums(): FrameErrorSums;
  /** Of all sequences, in the order in which they came. */
  all(): ScoredFrame[];
  /** Sequences with events first, else in the split's order. */
  timelines(countMax: number): FrameTimeline[];
  listed(): ListedErrors;
}

/** About a megabyte of JSON. */
const framesListedMax = 10_000;

export function createFrameErrors(catalogue: readonly SequenceEntry[]): FrameErrors {
  const sequences = new Map<number, ScoredFrame[]>();
  const ofSequence = (sequence: number) => {
    const frames = sequences.get(sequence) ?? [];
    sequences.set(sequence, frames);
    return frames;
  };
  const all = () => [...sequences.values()].flat();
  const timelines = (countMax: number): FrameTimeline[] => {
    const hasEvent = (frames: readonly ScoredFrame[]) => frames.some(({ isEvent }) => isEvent);
    return [...sequences].sort(([one], [two]) => one - two)
      .map(([sequence, frames]) => ({
        id: catalogue[sequence].id,
        frames: frames.toSorted((one, two) => one.frame - two.frame),
      }))
      .sort((one, two) => Number(hasEvent(two.frames)) - Number(hasEvent(one.frames)))
      .slice(0, countMax);
  };
  return {
    add: ({ sequence }, frame) => ofSequence(sequence).push(frame),
    merge(other) {
      for (const [sequence, frames] of other) {
        const own = ofSequence(sequence);
        for (const frame of frames) own.push(frame);
      }
    },
    sums: () => [...sequences],
    all,
    timelines,
    listed() {
      let left = framesListedMax;
      const listed = timelines(Infinity).flatMap(({ id, frames }) => {
        const told = frames.slice(0, left);
        left -= told.length;
        return told.length === 0 ? [] : [{
          id,
          frames: told.map(({ frame }) => frame),
          errors: told.map(({ error }) => error),
          persistenceErrors: told.map(({ persistenceError }) => persistenceError),
          ...(told.every(({ isEvent }) => isEvent !== undefined)
            ? { isEvent: told.map(({ isEvent }) => isEvent!) }
            : {}),
        }];
      });
      const framesListed = framesListedMax - left;
      return { frames: all().length, framesListed, framesListedMax, sequences: listed };
    },
  };
}
