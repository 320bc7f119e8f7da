/**
 * A run's checkpoints: which there are, which is the newest that can be trusted, and which to keep.
 * Damage never stops a run as long as one intact checkpoint is left; it is never silent either.
 */
import {
  type Checkpoint,
  PARTIAL_SUFFIX,
  readCheckpoint,
  readManifest,
  REPLACED_SUFFIX,
  type SavedCheckpoint,
  writeCheckpoint,
} from "./checkpoint.ts";
import { CheckpointError } from "./checkpoint_manifest.ts";
import { sentence } from "./error_sentence.ts";
import type { FileSystem } from "./file_system.ts";

/** The newest checkpoints that are kept, besides the best. */
export const KEPT_NEWEST = 3;

export interface CheckpointPlace {
  readonly step: number;
  readonly path: string;
}

export interface FoundCheckpoint extends CheckpointPlace {
  readonly checkpoint: SavedCheckpoint;
}

export interface CheckpointWarnings {
  /** Called with one sentence for each thing that is wrong but does not stop the run. */
  readonly warn: (sentence: string) => void;
}

/** Folders of checkpoints, newest first, damaged or not; none where `folder` is missing. */
export async function listCheckpoints(
  fileSystem: FileSystem,
  folder: string,
): Promise<CheckpointPlace[]> {
  if (await fileSystem.entry(folder) === undefined) return [];
  const names = await fileSystem.list(folder);
  const places: (CheckpointPlace & { readonly replaced: boolean })[] = [];
  for (const name of names) {
    const match = /^step-(\d{6,15})(\.replaced)?$/.exec(name);
    if (match === null) continue;
    places.push({
      step: Number(match[1]),
      path: `${folder}/${name}`,
      replaced: match[2] !== undefined,
    });
  }
  // Where a crash left both, the one that came to replace the other goes first.
  places.sort((a, b) => b.step - a.step || Number(a.replaced) - Number(b.replaced));
  return places.map(({ step, path }) => ({ step, path }));
}

/**
 * The newest intact checkpoint; undefined where there is none at all. Each damaged one that is
 * newer costs a warning.
 * @throws {CheckpointError} if there are checkpoints and all are damaged
 */
export async function latestCheckpoint(
  fileSystem: FileSystem,
  folder: string,
  { warn }: CheckpointWarnings,
): Promise<FoundCheckpoint | undefined> {
  const damages: string[] = [];
  for (const place of await listCheckpoints(fileSystem, folder)) {
    try {
      const checkpoint = await readCheckpoint(fileSystem, place.path);
      if (checkpoint.step !== place.step) {
        throw new CheckpointError(`Cannot use ${place.path}: it holds step ${checkpoint.step}`);
      }
      for (const damage of damages) {
        warn(`${damage}; falling back to the checkpoint of step ${place.step}`);
      }
      return { ...place, checkpoint };
    } catch (error) {
      if (!(error instanceof CheckpointError)) throw error;
      damages.push(error.message);
    }
  }
  if (damages.length === 0) return undefined;
  throw new CheckpointError(
    `Cannot resume from ${folder}: none of its ${damages.length} checkpoints is intact ` +
      `(${damages.join("; ")}); restore one from a backup or start a new run`,
  );
}

/**
 * Writes a checkpoint, then removes those that need not be kept: all but the newest three and the
 * one with the lowest validation loss. A removal that fails costs a warning, not the run.
 * @param folder exists
 * @returns the SHA-256 of the parameters
 * @throws {CheckpointError} if the checkpoint cannot be written; earlier ones are then intact
 */
export async function saveCheckpoint(
  fileSystem: FileSystem,
  folder: string,
  checkpoint: Checkpoint,
  { warn }: CheckpointWarnings,
): Promise<string> {
  const parametersSha256 = await writeCheckpoint(fileSystem, folder, checkpoint);
  try {
    for (const { path } of await superfluous(fileSystem, folder)) {
      // Under this name a removal that a crash cuts short is finished at the next start.
      await fileSystem.rename(path, path + PARTIAL_SUFFIX);
      await fileSystem.remove(path + PARTIAL_SUFFIX);
    }
  } catch (error) {
    warn(`Cannot remove an old checkpoint in ${folder}: ${sentence(error)}; remove it by hand`);
  }
  return parametersSha256;
}

/**
 * Clears what a crash left behind: half-written folders, and checkpoints whose replacement is
 * complete. To be called once, before a run writes its first checkpoint.
 */
export async function recoverCheckpoints(
  fileSystem: FileSystem,
  folder: string,
  { warn }: CheckpointWarnings,
): Promise<void> {
  if (await fileSystem.entry(folder) === undefined) return;
  try {
    for (const name of await fileSystem.list(folder)) {
      if (!name.startsWith("step-")) continue;
      const path = `${folder}/${name}`;
      if (name.endsWith(PARTIAL_SUFFIX)) await fileSystem.remove(path);
      if (name.endsWith(REPLACED_SUFFIX)) await settleReplaced(fileSystem, path);
    }
    await fileSystem.syncDirectory(folder);
  } catch (error) {
    warn(`Cannot clear what a crash left in ${folder}: ${sentence(error)}; going on without`);
  }
}

/** Of a checkpoint and the one that came to replace it, keeps the newer one if it is intact. */
async function settleReplaced(fileSystem: FileSystem, replaced: string): Promise<void> {
  const path = replaced.slice(0, -REPLACED_SUFFIX.length);
  if (await fileSystem.entry(path) !== undefined) {
    if (await isIntact(fileSystem, path)) return await fileSystem.remove(replaced);
    // With both damaged there is nothing to win, and someone may want to look at them.
    if (!await isIntact(fileSystem, replaced)) return;
    await fileSystem.remove(path);
  }
  await fileSystem.rename(replaced, path);
}

async function isIntact(fileSystem: FileSystem, path: string): Promise<boolean> {
  try {
    await readCheckpoint(fileSystem, path);
    return true;
  } catch (error) {
    if (error instanceof CheckpointError) return false;
    throw error;
  }
}

async function superfluous(fileSystem: FileSystem, folder: string): Promise<CheckpointPlace[]> {
  const places = (await listCheckpoints(fileSystem, folder))
    .filter(({ path }) => !path.endsWith(REPLACED_SUFFIX));
  const losses = new Map<CheckpointPlace, number>();
  for (const place of places) {
    try {
      const { metrics } = await readManifest(fileSystem, place.path);
      losses.set(place, metrics.validationLoss ?? Infinity);
    } catch (error) {
      if (!(error instanceof CheckpointError)) throw error;
      // Unreadable, so it neither counts as kept nor can be the best.
    }
  }
  const lowest = Math.min(...losses.values());
  const best = places.find((place) => losses.get(place) === lowest && lowest < Infinity);
  let kept = 0;
  return places.filter((place) => {
    const keeps = kept < KEPT_NEWEST || place === best;
    if (losses.has(place)) kept++;
    return !keeps;
  });
}
