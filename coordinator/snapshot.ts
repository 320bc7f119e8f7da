/**
 * A run's whole state after a step, as flat vectors: what a generation begins from, and what becomes a
 * checkpoint.
 */
import { isAllFinite } from "../net/finite.ts";
import type { SnapshotRequest, Tally } from "../net/messages.ts";
import type { SavedCheckpoint } from "./checkpoint.ts";
import type { CheckpointMetrics } from "./checkpoint_manifest.ts";
import { checkpointVectors, type ModelSpecs, vectorsFromArrays } from "./checkpoint_vectors.ts";
import { tallyFromMetrics, tallyToMetrics } from "./tally_metrics.ts";

export interface Snapshot {
  readonly step: number;
  readonly epoch: number;
  readonly planStep: number;
  readonly tally: Tally | undefined;
  readonly metrics: CheckpointMetrics;
  readonly vectors: ReadonlyMap<string, Float32Array>;
}

/** A member's word that its vectors of a snapshot are written. */
export type SnapshotPart = SnapshotRequest & { readonly worker: string };

/** Where a run without a snapshot stands. */
export const beginning = { step: 0, epoch: 0, planStep: 0, tally: undefined };

/** Where the parts of a snapshot come from, and what is kept with it. */
export interface SnapshotSources {
  readonly specs: ModelSpecs;
  readonly lanes: number;
  /** The vector of a name, as it was written. */
  readonly take: (name: string) => Float32Array;
  readonly validationAt: (step: number) => CheckpointMetrics;
}

/**
 * @param parts of all members of a generation
 * @throws {RangeError} where they are not of one step, a vector is missing or one is not finite
 */
export function assembleSnapshot(
  parts: readonly SnapshotPart[],
  { specs, lanes, take, validationAt }: SnapshotSources,
): Snapshot {
  const [{ step, epoch, planStep, tally, save }] = parts;
  const other = parts.find((each) => each.step !== step || each.save !== save);
  if (other) {
    throw new RangeError(
      `Cannot keep a snapshot: "${parts[0].worker}" is at step ${step} and ` +
        `"${other.worker}" at step ${other.step}; this is a defect of Lockstep`,
    );
  }
  const vectors = new Map(checkpointVectors(specs, lanes).map((name) => [name, take(name)]));
  checkFinite(vectors, step);
  const metrics = { ...validationAt(step), ...tallyToMetrics(tally) };
  return { step, epoch, planStep, tally, vectors, metrics };
}

/** @throws {RangeError} where the checkpoint's arrays are not those of the model */
export function snapshotFromCheckpoint(
  checkpoint: SavedCheckpoint,
  specs: ModelSpecs,
  lanes: number,
): Snapshot {
  const { step, epoch, planStep, metrics } = checkpoint;
  const tally = tallyFromMetrics(metrics);
  const vectors = vectorsFromArrays(specs, lanes, checkpoint);
  return { step, epoch, planStep, tally, metrics, vectors };
}

/**
 * What is saved is what a run goes on from, so nothing may be in it that a run cannot go on from.
 * @throws {RangeError} naming the vector
 */
function checkFinite(vectors: ReadonlyMap<string, Float32Array>, step: number): void {
  for (const [name, values] of vectors) {
    if (isAllFinite(values)) continue;
    throw new RangeError(
      `Cannot keep a snapshot of step ${step}: "${name}" holds a value that is not finite`,
    );
  }
}
