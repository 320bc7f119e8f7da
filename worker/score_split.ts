/**
 * A trained model on a whole split, with the lanes, windows and resets of training, so that its loss
 * is the one that a run's validation says; and every score beside it.
 */
import type { Dataset, Split } from "../datasets/dataset.ts";
import type { Engine } from "../engine/engine.ts";
import type { Tensor } from "../engine/tf.ts";
import { tellsClasses } from "../models/last_answer.ts";
import { defaultLoss } from "../models/losses.ts";
import type { Model } from "../models/model.ts";
import { sgd } from "../models/optimizers/sgd.ts";
import type { LossName } from "../net/run_configuration.ts";
import { type SampleOptions, unsampledBecause } from "./answer_samples.ts";
import { evaluateSplit } from "./evaluation.ts";
import { type MeanLosses, meanLosses } from "./mean_losses.ts";
import type { ShardLoss } from "./opened_run.ts";
import {
  createSplitScores,
  type SplitResult,
  type SplitScores,
  type SplitScoresOptions,
  type SplitSums,
} from "./split_scores.ts";
import { createStepFunctions } from "./step_functions.ts";
import { mayMiss } from "./window_batch.ts";

export interface ScoreSplitOptions {
  readonly engine: Engine;
  readonly model: Model;
  /** All of them in one vector; stays the caller's. */
  readonly parameters: Tensor;
  readonly dataset: Dataset;
  /** @default {"test"} */
  readonly split?: Split;
  /** The model's own, else "mse". */
  readonly loss?: LossName;
  /** Rows of the batch, each playing its own sequences. @default {8} */
  readonly lanes?: number;
  /** Fixed groups of lanes, a divisor of `lanes`. @default {1} */
  readonly shards?: number;
  /** Of events: in mm/h for rain, else where a value of 1 is `dataset.eventScale`. @default {[]} */
  readonly thresholds?: readonly number[];
  /** Sides of the fractions skill score's neighbourhoods in pixels. @default {[]} */
  readonly scales?: readonly number[];
  /** Answers with drawn noise, scored together (CRPS), for a model of frames that takes noise. */
  readonly samples?: SampleOptions;
  /** Told after each step of the split's plan. */
  readonly onProgress?: (done: number, total: number) => void;
}

export interface ScoredSplit {
  readonly means: MeanLosses;
  readonly result: SplitResult;
  /** What is drawn rather than told. */
  readonly drawn: Pick<SplitScores, "timelines" | "latentPlane">;
}

/** Reads of windows in flight ahead of the compute. */
const aheadMax = 4;

/** All that is kept of one shard. */
export interface ShardScores {
  readonly loss: ShardLoss;
  readonly sums: SplitSums;
}

/**
 * @throws {RangeError} where there is nothing to draw samples from
 * @throws {Error} where the data cannot be read
 */
export async function scoreSplit(options: ScoreSplitOptions): Promise<ScoredSplit> {
  const { shards = 1 } = options;
  const all = Array.from({ length: shards }, (_, shard) => shard);
  return poolShards(options, await scoreShards(options, all));
}

/**
 * Some shards of a split, in the order of `owned`. A shard's scores have the same bits whoever computes
 * them and beside whichever others.
 */
export async function scoreShards(
  options: ScoreSplitOptions,
  owned: readonly number[],
): Promise<ShardScores[]> {
  const { engine, model, parameters, dataset, samples, onProgress } = options;
  const { lanes = 8, shards = 1 } = options;
  const { split, loss } = scoring(options);
  const unsampled = samples && unsampledBecause(model);
  if (unsampled) throw new RangeError(`Cannot draw samples of ${model.name}: ${unsampled}`);
  const functions = createStepFunctions({
    ...{ engine, model, loss },
    // Of no account: nothing is updated.
    optimizer: sgd(0),
    hasTargets: dataset.targetShape !== undefined,
    hasMissing: mayMiss(dataset),
    tellsClasses: tellsClasses(model, dataset),
    isDetailed: true,
  });
  const scores = new Map(owned.map((shard) => [shard, createSplitScores(scoring(options))]));
  try {
    const losses = await evaluateSplit({
      ...{ trainer: { functions, parameters: () => parameters }, model, dataset, split, lanes },
      ...{ lanesPerShard: lanes / shards, shards: owned, aheadMax, samples, onProgress },
      onWindows: (windows) => scores.get(windows.batch.shard)!.add(windows),
    });
    return losses.map((loss) => ({ loss, sums: scores.get(loss.shard)!.sums() }));
  } finally {
    for (const each of scores.values()) each.dispose();
    functions.dispose();
  }
}

/**
 * The whole split from all of its shards, added in their order, so that the scores have the same bits
 * however many computed them.
 * @throws {RangeError} where a shard is missing or there twice
 */
export function poolShards(
  options: ScoreSplitOptions,
  parts: readonly ShardScores[],
): ScoredSplit {
  const { shards = 1 } = options;
  const inOrder = parts.toSorted((one, two) => one.loss.shard - two.loss.shard);
  if (inOrder.length !== shards || inOrder.some(({ loss }, index) => loss.shard !== index)) {
    throw new RangeError(
      `Cannot pool the scores of ${shards} shards: received those of ` +
        (inOrder.map(({ loss }) => loss.shard).join(", ") || "none"),
    );
  }
  const pooled = createSplitScores(scoring(options));
  for (const { sums } of inOrder) pooled.merge(sums);
  pooled.dispose();
  const means = meanLosses(inOrder.map(({ loss }) => loss));
  return { means, result: pooled.result(), drawn: pooled };
}

function scoring(options: ScoreSplitOptions): SplitScoresOptions {
  const { engine, model, dataset, split = "test", thresholds = [], scales = [] } = options;
  const loss = options.loss ?? model.loss ?? defaultLoss;
  return { engine, model, dataset, split, loss, thresholds, scales };
}
