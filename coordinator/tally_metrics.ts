/** A run's tally among the metrics of a checkpoint, so that a resume goes on counting from there. */
import type { Tally } from "../net/messages.ts";
import type { CheckpointMetrics } from "./checkpoint_manifest.ts";

export function tallyToMetrics(tally: Tally | undefined): CheckpointMetrics {
  if (tally === undefined) return {};
  const { lossSum, frames, faultsInARow } = tally;
  return { epochLossSum: lossSum, epochFrames: frames, faultsInARow };
}

/** Undefined for a checkpoint of a version that did not count. */
export function tallyFromMetrics(metrics: CheckpointMetrics): Tally | undefined {
  const { epochLossSum, epochFrames, faultsInARow } = metrics;
  if (epochLossSum === undefined || epochFrames === undefined) return undefined;
  return { lossSum: epochLossSum, frames: epochFrames, faultsInARow: faultsInARow ?? 0 };
}
