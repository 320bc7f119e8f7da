/**
 * `deno task evaluate`: a trained model on a whole split, with the lanes, windows and resets of the
 * run's own validation, so that its loss is the one that the run would print.
 */
import { isRainDataset } from "../datasets/rain_dataset.ts";
import { atStride } from "../datasets/window_shape.ts";
import { buildOptimizer } from "../models/optimizers/build_optimizer.ts";
import { systemClock } from "../net/clock.ts";
import { ProgressLine, standardError } from "../report/progress_line.ts";
import { evaluateSplit } from "../worker/evaluation.ts";
import { createSplitScores } from "../worker/split_scores.ts";
import { createStepFunctions } from "../worker/step_functions.ts";
import { evaluationInWords, meanLosses } from "./evaluation_tables.ts";
import { exitCodes, runCommand } from "./exit_codes.ts";
import { type FlagTable, type GivenFlags, helpText, parseFlags } from "./flags.ts";
import { openTrained, trainedFlags } from "./trained_model.ts";

export const evaluateFlags = {
  ...trainedFlags,
  thresholds: {
    kind: "numbers",
    value: "X,X,...",
    min: 0,
    max: 1e6,
    help: "score events of at least this, in mm/h for radar",
    defaultText: "0.5,2,5,10,30 for radar, else none",
  },
  scales: {
    kind: "integers",
    value: "N,N,...",
    min: 1,
    max: 10_000,
    help: "sides of the fractions skill score's neighbourhoods in pixels",
    defaultText: "none",
  },
} as const satisfies FlagTable;

/** As HKO-7 scores rain. */
const rainThresholds = [0.5, 2, 5, 10, 30];
/** Reads of windows in flight ahead of the compute. */
const aheadMax = 4;

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
  const trained = await openTrained(given);
  const { engine, dataset, split, loss, configuration, parameters, step, path } = trained;
  const { lanes, shards, windowStride } = configuration;
  // Runs from before there was a stride have none.
  const window = atStride(trained.model.window, windowStride ?? null);
  const model = { ...trained.model, window };
  const progress = new ProgressLine({ output: standardError, clock: systemClock });
  const functions = createStepFunctions({
    ...{ engine, model, loss, optimizer: buildOptimizer(configuration.optimizer) },
    hasTargets: dataset.targetShape !== undefined,
  });
  const scores = createSplitScores({
    ...{ engine, model, dataset },
    thresholds: given.thresholds as readonly number[] | undefined ??
      (isRainDataset(dataset) ? rainThresholds : []),
    scales: given.scales as readonly number[] | undefined ?? [],
  });
  try {
    const losses = await evaluateSplit({
      ...{ trainer: { functions, parameters: () => parameters }, model, dataset, split, lanes },
      ...{ lanesPerShard: lanes / shards, aheadMax, onWindows: scores.add },
      shards: Array.from({ length: shards }, (_, shard) => shard),
      onProgress: (done, total) =>
        progress.show([`evaluating ${split}`, `step ${done}/${total}`], done / total),
    });
    progress.end();
    const means = meanLosses(losses);
    const result = scores.result();
    console.error(`${path}, ${split} of: ${dataset.description}`);
    const text = evaluationInWords(loss, means, result);
    if (!given.json) console.log(text);
    else {
      console.error(text);
      console.log(
        JSON.stringify({ checkpoint: path, step, split, lossName: loss, ...means, ...result }),
      );
    }
    return exitCodes.done;
  } finally {
    progress.end();
    scores.dispose();
    functions.dispose();
    trained.close();
  }
}
