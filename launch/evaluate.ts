/**
 * `deno task evaluate`: a trained model on a whole split, with the lanes, windows and resets of the
 * run's own validation, so that its loss is the one that the run would print. Tables on the terminal,
 * pictures in the run's folder.
 */
import { systemClock } from "../net/clock.ts";
import { modelTitle } from "../net/run_configuration.ts";
import { ProgressLine, standardError } from "../report/progress_line.ts";
import type { Rollout } from "../worker/rollout.ts";
import { scoreRollouts } from "../worker/rollout_scores.ts";
import { sequenceReader } from "../worker/sequence_reader.ts";
import { evaluationPictures } from "./evaluation_pictures.ts";
import { evaluationInWords, sequencesInWords } from "./evaluation_tables.ts";
import { exitCodes, runCommand } from "./exit_codes.ts";
import { type FlagTable, type GivenFlags, helpText, parseFlags } from "./flags.ts";
import { openRollout, rolloutFlags, rolloutLengths } from "./open_predictor.ts";
import { optionsHelp } from "./options_help.ts";
import { scoreShared, sharedEvaluationFlags } from "./shared_evaluation.ts";
import { splitScoring, splitScoringFlags } from "./split_scoring.ts";
import {
  besideRun,
  openTrained,
  trainedFlags,
  type TrainedModel,
  trainedOptions,
} from "./trained_model.ts";

export const evaluateFlags = {
  ...trainedFlags,
  ...splitScoringFlags,
  ...sharedEvaluationFlags,
  ...rolloutFlags,
  out: {
    kind: "text",
    value: "DIR",
    help: "folder for the pictures",
    defaultText: "evaluations/ in the run's or checkpoint's folder",
  },
} as const satisfies FlagTable;

if (import.meta.main) {
  await runCommand(async () => {
    const given = parseFlags(Deno.args, evaluateFlags);
    if (given.help) {
      console.log(
        helpText("Usage: deno task evaluate [flags]", evaluateFlags) +
          await optionsHelp({ dataset: given.dataset }),
      );
      return exitCodes.done;
    }
    return await evaluate(given);
  });
}

async function evaluate(given: GivenFlags): Promise<number> {
  const trained = await openTrained(await trainedOptions(given));
  const { dataset, split, loss, configuration, step, path } = trained;
  const progress = new ProgressLine({ output: standardError, clock: systemClock });
  let opened: Rollout | undefined;
  try {
    const lengths = rolloutLengths(given, trained);
    opened = lengths && await openRollout(trained, lengths, longestSequence(trained));
    const scoring = splitScoring(given, trained);
    const { thresholds = [], scales = [] } = scoring;
    const scored = await scoreShared(given, trained, {
      ...scoring,
      onProgress: (done, total) =>
        progress.show([`evaluating ${split}`, `step ${done}/${total}`], done / total),
    });
    const rollout = opened && await scoreRollouts({
      ...{ dataset, split, rollout: opened, thresholds, scales },
      reader: (sequence) => sequenceReader(trained, sequence),
      onProgress: (done, total) =>
        progress.show([`rolling out ${split}`, `sequence ${done}/${total}`], done / total),
    });
    progress.end();
    const { means } = scored;
    const result = { ...scored.result, ...(rollout ? { rollout } : {}) };
    console.error(`${path}, ${split}: ${sequencesInWords(dataset.catalogue(split, 0))}`);
    console.error(`Dataset: ${dataset.description}`);
    const text = evaluationInWords(loss, means, result);
    const title = `${dataset.name}, ${modelTitle(configuration.model.name)}, ${split}`;
    const folder = given.out as string | undefined ?? `${besideRun(path, "evaluations")}-${split}`;
    const pictures: string[] = [];
    const drawn = evaluationPictures(
      title,
      dataset,
      configuration.dataset.path,
      scored.drawn,
      result,
    );
    for (const { name, png } of drawn) {
      await Deno.mkdir(folder, { recursive: true });
      await Deno.writeFile(`${folder}/${name}`, png);
      pictures.push(`${folder}/${name}`);
    }
    if (!given.json) console.log(text);
    else console.error(text);
    for (const picture of pictures) console.error(`Picture: ${picture}`);
    if (given.json) {
      const summary = { checkpoint: path, step, split, lossName: loss, ...means, ...result };
      console.log(JSON.stringify({ ...summary, pictures }));
    }
    return exitCodes.done;
  } finally {
    progress.end();
    opened?.dispose();
    trained.close();
  }
}

function longestSequence({ dataset, split }: TrainedModel): number {
  const frames = dataset.catalogue(split, 0).map((sequence) => sequence.frames);
  return Math.max(0, frames.indexOf(Math.max(...frames)));
}
