/**
 * Validation with training's own rules: the same lanes, windows and resets, state carried along each
 * sequence, on sequences never trained on. Every frame counts once, whoever computes it.
 */
import type { Dataset, Split } from "../datasets/dataset.ts";
import { prefetch } from "../datasets/prefetch.ts";
import { planEpochInTurns, type WindowTask } from "../datasets/plan.ts";
import { type Tensor, tf } from "../engine/tf.ts";
import type { Model } from "../models/model.ts";
import { drawAnswers, type SampleOptions } from "./answer_samples.ts";
import { createLaneStates } from "./lane_states.ts";
import type { ShardLoss } from "./opened_run.ts";
import type { EvaluatedSum, EvaluationResult, ShardWindows } from "./step_functions.ts";
import { disposeWindows, sumOf, type Trainer, uploadWindows } from "./trainer.ts";
import { readWindows, type WindowBatch, type WindowSource } from "./window_batch.ts";

export interface EvaluationOptions {
  readonly trainer: Pick<Trainer, "functions" | "parameters">;
  readonly model: Model;
  readonly dataset: Dataset;
  readonly split: Split;
  readonly lanes: number;
  readonly lanesPerShard: number;
  readonly shards: readonly number[];
  readonly aheadMax: number;
  /** Asked before each window; once true, the evaluation is given up. */
  readonly isGivenUp?: () => boolean;
  /** Told after each step of the split's plan. */
  readonly onProgress?: (done: number, total: number) => void;
  /** Awaited between pieces of the planning, and before each window. */
  readonly pause?: () => Promise<void>;
  /** Given each shard's windows and what the model says of them, to be read until it returns. */
  readonly onWindows?: (windows: EvaluatedWindows) => Promise<void>;
  /** Answers with drawn noise beside the one with the middle noise. */
  readonly samples?: SampleOptions;
}

/** One window of each of a shard's lanes, and the model's answers. */
export interface EvaluatedWindows extends Pick<EvaluationResult, "penalty" | "latent" | "counts"> {
  /** What each lane's window is of. */
  readonly tasks: readonly WindowTask[];
  readonly batch: WindowBatch;
  readonly windows: ShardWindows;
  /** [lanes, predictions, ...outputShape] */
  readonly predictions: Tensor;
  /** As many as were asked for, each shaped as `predictions`. */
  readonly samples: readonly Tensor[];
}

/** Losses of this worker's shards over a whole split; none if it was given up. */
export async function evaluateSplit(options: EvaluationOptions): Promise<ShardLoss[]> {
  const { trainer, model, dataset, split, lanes, lanesPerShard, shards, aheadMax } = options;
  const { isGivenUp = () => false, onProgress = () => {}, pause = async () => {} } = options;
  const { evaluated, errorsPerPrediction } = trainer.functions;
  const plan = await planEpochInTurns({
    sequences: dataset.catalogue(split, 0),
    window: model.window,
    lanes,
    seed: 0,
    epoch: 0,
    shuffle: false,
  }, pause);
  const source: WindowSource = {
    dataset,
    split,
    epoch: 0,
    plan,
    window: model.window,
    lanesPerShard,
    pause,
  };
  const states = createLaneStates(model.state, shards, lanesPerShard);
  type Sums = { lossSum: number } & { [sum in EvaluatedSum]?: number };
  const sums = new Map(shards.map((shard): [number, Sums] => [shard, { lossSum: 0 }]));
  const weightSums = new Map(shards.map((shard) => [shard, 0]));
  const persistenceWeightSums = new Map<number, number>();
  const reads = function* () {
    for (let step = 0; step < plan.steps; step++) {
      for (const shard of shards) yield () => readWindows(source, step, shard, 1);
    }
  };
  try {
    for await (const batch of prefetch(reads(), { aheadMax })) {
      if (isGivenUp()) return [];
      const windows = uploadWindows(batch, model, lanesPerShard);
      const state = states.ofShard(batch.shard);
      const samples = options.samples
        ? await drawAnswers(options.samples, trainer, model, state, batch, windows)
        : [];
      const result = await trainer.functions.evaluate(trainer.parameters(), state, windows);
      const { losses, predictions, penalty, latent, counts } = result;
      states.replace(batch.shard, result.state);
      const sum = sums.get(batch.shard)!;
      losses.dataSync().forEach((value, index) => {
        sum[evaluated[index]] = (sum[evaluated[index]] ?? 0) + value;
      });
      const weight = counts
        ? sumOf(counts.model)
        : batch.weights.reduce((total, value) => total + value, 0) * errorsPerPrediction;
      weightSums.set(batch.shard, weightSums.get(batch.shard)! + weight);
      if (counts?.persistence) {
        const before = persistenceWeightSums.get(batch.shard) ?? 0;
        persistenceWeightSums.set(batch.shard, before + sumOf(counts.persistence));
      }
      const first = batch.shard * lanesPerShard;
      const tasks = plan.tasks(batch.step).slice(first, first + lanesPerShard);
      const said = { predictions, samples, penalty, latent, counts };
      await options.onWindows?.({ tasks, batch, windows, ...said });
      tf.dispose([
        losses,
        predictions,
        ...samples,
        ...[penalty, latent, counts?.model, counts?.persistence]
          .filter((each) => each !== undefined),
      ]);
      disposeWindows(windows);
      if (batch.shard === shards.at(-1)) onProgress(batch.step + 1, plan.steps);
    }
  } finally {
    states.dispose();
  }
  return shards.map((shard) => ({
    shard,
    ...sums.get(shard)!,
    weightSum: weightSums.get(shard)!,
    ...(persistenceWeightSums.has(shard) && {
      persistenceWeightSum: persistenceWeightSums.get(shard)!,
    }),
  }));
}
