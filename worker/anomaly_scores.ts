/**
 * Whether a forecaster notices what the laws of its data do not explain: the errors of its frames,
 * judged by the events that the dataset tells of.
 */
import { areaUnderRoc } from "../metrics/roc.ts";
import type { ScoredFrame } from "./frame_errors.ts";

export interface AnomalyResult {
  readonly frames: number;
  /** Frames in which something happens. */
  readonly events: number;
  /** Area under the receiver operating characteristic, of all frames of all sequences. */
  readonly rocAuc: number | null;
  /** The same, where the last frame repeated is the prediction. */
  readonly persistenceRocAuc: number | null;
}

export function anomalyScores(frames: readonly ScoredFrame[]): AnomalyResult {
  const events = frames.map(({ isEvent = false }) => isEvent);
  return {
    frames: frames.length,
    events: events.filter((isEvent) => isEvent).length,
    rocAuc: areaUnderRoc(frames.map(({ error }) => error), events),
    persistenceRocAuc: areaUnderRoc(
      frames.map(({ persistenceError }) => persistenceError),
      events,
    ),
  };
}
