/**
 * One process at a time works in a run's folder: a second one would mix its checkpoints into the
 * first one's. The lock is on the folder itself, leaves no file, and goes with its holder.
 */
import { listCheckpoints } from "../coordinator/checkpoint_folder.ts";
import { diskFileSystem } from "../coordinator/file_system.ts";
import { eventFilePrefix } from "../report/tensorboard/event_file.ts";
import { isUntrained } from "./untrained_run.ts";

/**
 * Creates the folder if need be and locks it until the result is disposed.
 * @throws {Error} if the folder cannot be used or another process works in it
 */
export async function lockRunFolder(out: string): Promise<Disposable> {
  let folder: Deno.FsFile;
  try {
    await Deno.mkdir(out, { recursive: true });
    folder = await Deno.open(out);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`Cannot write run folder ${out}: ${why}; choose another one with --out`, {
      cause,
    });
  }
  if (await folder.tryLock(true)) return folder;
  folder.close();
  throw new Error(
    `Cannot use run folder ${out}: another process trains in it; wait for its end, or choose ` +
      "another folder with --out",
  );
}

/**
 * Removes a new run's folder if its run never got as far as a step: a checkpoint of its first weights
 * says nothing that the same command would not draw again, and is in the way of a corrected one.
 * Only what a run writes before is removed; anything else keeps the folder.
 */
export async function discardUnstarted(out: string): Promise<void> {
  using folder = await Deno.open(out).catch(() => null);
  // Another process may have taken it for its run at the same moment.
  if (!folder || !(await folder.tryLock(true))) return;
  const checkpoints = `${out}/checkpoints`;
  try {
    const found = await listCheckpoints(diskFileSystem, checkpoints);
    if (await isUntrained(out, found)) {
      for (const { path } of found) await Deno.remove(path, { recursive: true });
    }
    // Fails, and ends this, where there is anything in it.
    await Deno.remove(checkpoints);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) return;
  }
  const early = ["run.json", "metrics.jsonl", "journal.jsonl", "training.png"];
  try {
    for await (const { name } of Deno.readDir(out)) {
      if (!early.includes(name) && !name.startsWith(eventFilePrefix)) continue;
      await Deno.remove(`${out}/${name}`);
    }
    await Deno.remove(out);
  } catch {
    // There is none, or something that is not to be removed: why the run ended matters more.
  }
}
