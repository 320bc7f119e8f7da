/**
 * `deno task evaluate`: a trained model on a whole split, with the lanes, windows and resets of the
 * run's own validation, so that its loss is the one that the run would print. Tables on the terminal,
 * pictures in the run's folder.
 */
import { atStride } from "../datasets/window_shape.ts";
import { systemClock } from "../net/clock.ts";
import { modelTitle } from "../net/run_configuration.ts";
import { ProgressLine, standardError } from "../report/progress_line.ts";
import { type SampleOptions, unsampledBecause } from "../worker/answer_samples.ts";
import type { Rollout } from "../worker/rollout.ts";
import { scoreRollouts } from "../worker/rollout_scores.ts";
import { scoreSplit } from "../worker/score_split.ts";
import { sequenceReader } from "../worker/sequence_reader.ts";
import { evaluationPictures } from "./evaluation_pictures.ts";
import { evaluationInWords } from "./evaluation_tables.ts";
import { exitCodes, runCommand } from "./exit_codes.ts";
import { type FlagTable, type GivenFlags, helpText, parseFlags, UsageError } from "./flags.ts";
import { openRollout, rolloutFlags, rolloutLengths } from "./open_predictor.ts";
import { scoredEventFlags, scoredEvents } from "./scored_events.ts";
import {
  besideRun,
  openTrained,
  trainedFlags,
  type TrainedModel,
  trainedOptions,
} from "./trained_model.ts";

export const evaluateFlags = {
  ...trainedFlags,
  ...scoredEventFlags,
  samples: {
    kind: "integer",
    value: "N",
    min: 2,
    max: 1000,
    help: "answers with drawn noise for each frame, scored together (CRPS)",
    defaultText: "none",
  },
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
      console.log(helpText("Usage: deno task evaluate [flags]", evaluateFlags));
      return exitCodes.done;
    }
    return await evaluate(given);
  });
}

async function evaluate(given: GivenFlags): Promise<number> {
  const trained = await openTrained(await trainedOptions(given));
  const { engine, dataset, split, loss, configuration, parameters, step, path } = trained;
  const { lanes, shards, windowStride } = configuration;
  // Runs from before there was a stride have none.
  const window = atStride(trained.model.window, windowStride ?? null);
  const model = { ...trained.model, window };
  const progress = new ProgressLine({ output: standardError, clock: systemClock });
  const scoring = scoredEvents(given, dataset);
  let opened: Rollout | undefined;
  try {
    const lengths = rolloutLengths(given, trained);
    opened = lengths && await openRollout(trained, lengths, longestSequence(trained));
    const samples = samplesOf(given, trained);
    const scored = await scoreSplit({
      ...{ engine, model, parameters, dataset, split, loss, lanes, shards, ...scoring },
      samples,
      onProgress: (done, total) =>
        progress.show([`evaluating ${split}`, `step ${done}/${total}`], done / total),
    });
    const rollout = opened && await scoreRollouts({
      ...{ dataset, split, rollout: opened, ...scoring },
      reader: (sequence) => sequenceReader(trained, sequence),
      onProgress: (done, total) =>
        progress.show([`rolling out ${split}`, `sequence ${done}/${total}`], done / total),
    });
    progress.end();
    const { means } = scored;
    const result = { ...scored.result, ...(rollout ? { rollout } : {}) };
    console.error(`${path}, ${split} of: ${dataset.description}`);
    const text = evaluationInWords(loss, means, result);
    const title = `${dataset.name}, ${modelTitle(configuration.model.name)}, ${split}`;
    const folder = given.out as string | undefined ?? `${besideRun(path, "evaluations")}-${split}`;
    const pictures: string[] = [];
    for (const { name, png } of evaluationPictures(title, dataset, scored.drawn, result)) {
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

/**
 * What `--samples` asks for; undefined without.
 * @throws {UsageError} where it would do nothing
 */
function samplesOf(
  given: GivenFlags,
  { model, configuration: { seed } }: TrainedModel,
): SampleOptions | undefined {
  const count = given.samples as number | undefined;
  if (count === undefined) return undefined;
  const why = unsampledBecause(model);
  if (why === undefined) return { count, seed };
  throw new UsageError(
    `Cannot use --samples ${count} with ${model.name}: ${why}; leave --samples out`,
  );
}

function longestSequence({ dataset, split }: TrainedModel): number {
  const frames = dataset.catalogue(split, 0).map((sequence) => sequence.frames);
  return Math.max(0, frames.indexOf(Math.max(...frames)));
}
