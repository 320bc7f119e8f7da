/** Which vectors a worker may send, and how long each is. */
import { assignShards } from "../collective/canonical_tree.ts";
import { type ModelSpecs, rankOfVector, vectorBytes } from "./checkpoint_vectors.ts";

/** What the vectors of a run depend on. */
export interface UploadBounds {
  /** Undefined before the first generation, when there is no vector. */
  readonly specs: ModelSpecs | undefined;
  readonly lanes: number;
  readonly shards: number;
  /** The generation's, in the order of their ranks. */
  readonly members: readonly string[];
}

/** Frames of one sample sequence. */
const sampleBytesMax = 64 * 2 ** 20;

/**
 * @throws {RangeError} for a vector that the run has not, or of another length, or that another member
 * is to send
 */
export function checkUpload(
  { vector, totalBytes }: { readonly vector: string; readonly totalBytes: number },
  worker: string,
  bounds: UploadBounds,
): void {
  checkLength(vector, totalBytes, bounds);
  checkOwner(vector, worker, bounds);
}

function checkLength(name: string, totalBytes: number, { specs, lanes }: UploadBounds): void {
  const bytes = specs && vectorBytes(specs, lanes, name);
  const isSample = /^sample\/\d{1,2}\/(truth|predictions|seen)$/.test(name);
  if (isSample ? totalBytes <= sampleBytesMax : totalBytes === bytes) return;
  throw new RangeError(
    `Cannot take vector "${name}" of ${totalBytes} bytes: ` +
      (bytes === undefined ? "the run has no such vector" : `it has ${bytes} bytes`),
  );
}

function checkOwner(name: string, worker: string, { lanes, shards, members }: UploadBounds): void {
  const owners = assignShards(shards, members.length);
  const owner = members[rankOfVector(name, lanes, owners)];
  if (worker === owner) return;
  throw new RangeError(`Cannot take vector "${name}" from "${worker}": it is that of "${owner}"`);
}
