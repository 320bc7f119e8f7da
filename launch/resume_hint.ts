/** What a message about a run that ended early adds, so that its reader can go on with it. */
import type { RunRecord } from "../coordinator/run_folder.ts";
import { readRunConfiguration } from "../net/configuration_schema.ts";
import { parseJson } from "../net/strict_json.ts";
import { modelFlag } from "./named_model.ts";
import { newestStep } from "./run_progress.ts";
import { shellWord } from "./shell_word.ts";
import { usefulCheckpoints } from "./untrained_run.ts";

/**
 * "; go on from step 12 with --resume --out DIR", or nothing where no step was made: the
 * first weights are drawn again, and resuming does not get over what kept a run from its first step.
 */
export async function resumeHint(out: string): Promise<string> {
  try {
    const [newest] = await usefulCheckpoints(out);
    return newest === undefined
      ? ""
      : `; go on from step ${newest.step} with --resume --out ${shellWord(out)}${await modelOf(
        out,
      )}`;
  } catch {
    // The folder cannot be read: the message that this belongs to says what went wrong.
    return "";
  }
}

/** Tells which steps came after the last checkpoint, where a run could not save them any more. */
export async function tellLostSteps(out: string): Promise<void> {
  const made = newestStep(out);
  const [newest] = await usefulCheckpoints(out).catch(() => []);
  const saved = newest?.step ?? 0;
  if (made <= saved) return;
  const steps = made === saved + 1 ? `Step ${made} is` : `Steps ${saved + 1} to ${made} are`;
  console.error(`${steps} lost: nobody was left to save what came after the last checkpoint`);
}

/** The `--model` that goes with it, where the run has a module of one's own. */
async function modelOf(out: string): Promise<string> {
  try {
    const record = parseJson(await Deno.readTextFile(`${out}/run.json`)) as Partial<RunRecord>;
    return modelFlag(readRunConfiguration(record.configuration, "run.json").model);
  } catch {
    return "";
  }
}
