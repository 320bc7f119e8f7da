/**
 * Whether a forecaster notices what the laws of its data do not explain: the error of its prediction
 * of a frame is the frame's anomaly score (M. Hasan et al., CVPR 2016, section 3.3), judged by the
 * events that the dataset tells of.
 */
import type { SequenceEntry } from "../datasets/dataset.ts";
import type { WindowTask } from "../datasets/plan.ts";
import { areaUnderRoc } from "../metrics/roc.ts";

/** One frame that was predicted. */
interface ScoredFrame {
  readonly frame: number;
  readonly isEvent: boolean;
  /** Mean squared error over the frame, of the prediction and of the last frame repeated. */
  readonly error: number;
  readonly persistenceError: number;
}

export interface AnomalyTimeline {
  /** Of the sequence. */
  readonly id: string;
  /** In order. */
  readonly frames: readonly ScoredFrame[];
}

export interface AnomalyResult {
  readonly frames: number;
  /** Frames in which something happens. */
  readonly events: number;
  /** Area under the receiver operating characteristic, of all frames of all sequences. */
  readonly rocAuc: number | null;
  /** The same, where the last frame repeated is the prediction. */
  readonly persistenceRocAuc: number | null;
}

export interface AnomalyScores {
  add(task: WindowTask, frame: ScoredFrame): void;
  result(): AnomalyResult;
  /** Those with events first. */
  timelines(countMax: number): AnomalyTimeline[];
}

export function createAnomalyScores(catalogue: readonly SequenceEntry[]): AnomalyScores {
  const sequences = new Map<number, ScoredFrame[]>();
  const all = () => [...sequences.values()].flat();
  return {
    add({ sequence }, frame) {
      const frames = sequences.get(sequence) ?? [];
      frames.push(frame);
      sequences.set(sequence, frames);
    },
    result() {
      const frames = all();
      const events = frames.map(({ isEvent }) => isEvent);
      return {
        frames: frames.length,
        events: events.filter((isEvent) => isEvent).length,
        rocAuc: areaUnderRoc(frames.map(({ error }) => error), events),
        persistenceRocAuc: areaUnderRoc(
          frames.map(({ persistenceError }) => persistenceError),
          events,
        ),
      };
    },
    timelines(countMax) {
      const hasEvent = (frames: readonly ScoredFrame[]) => frames.some(({ isEvent }) => isEvent);
      return [...sequences].sort(([one], [two]) => one - two)
        .map(([sequence, frames]) => ({
          id: catalogue[sequence].id,
          frames: frames.toSorted((one, two) => one.frame - two.frame),
        }))
        .sort((one, two) => Number(hasEvent(two.frames)) - Number(hasEvent(one.frames)))
        .slice(0, countMax);
    },
  };
}
