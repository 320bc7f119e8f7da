/** What a message about a run that ended early adds, so that its reader can go on with it. */
import { listCheckpoints } from "../coordinator/checkpoint_folder.ts";
import { diskFileSystem } from "../coordinator/file_system.ts";

/** "; go on from step 12 with --resume --out DIR", or nothing where there is no checkpoint. */
export async function resumeHint(out: string): Promise<string> {
  try {
    const [newest] = await listCheckpoints(diskFileSystem, `${out}/checkpoints`);
    return newest === undefined
      ? ""
      : `; go on from step ${newest.step} with --resume --out ${out}`;
  } catch {
    // The folder cannot be read: the message that this belongs to says what went wrong.
    return "";
  }
}
