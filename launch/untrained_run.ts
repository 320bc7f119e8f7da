/** A run that ended before its first step: there is nothing in it that a new one would not make again. */
import { type CheckpointPlace, listCheckpoints } from "../coordinator/checkpoint_folder.ts";
import { diskFileSystem } from "../coordinator/file_system.ts";
import { readMetrics } from "../report/metrics_log.ts";

/** Checkpoints of a run's folder, newest first; none of a run that made no step. */
export async function usefulCheckpoints(out: string): Promise<CheckpointPlace[]> {
  const found = await listCheckpoints(diskFileSystem, `${out}/checkpoints`);
  return await isUntrained(out, found) ? [] : found;
}

/** Whether all that was saved is the first weights, and no step followed them. */
export async function isUntrained(
  out: string,
  checkpoints: readonly CheckpointPlace[],
): Promise<boolean> {
  if (checkpoints.some(({ step }) => step > 0)) return false;
  return (await readMetrics(`${out}/metrics.jsonl`)).every(({ step }) => step === 0);
}
