import assert from "node:assert/strict";
import { evaluateSplit } from "../../worker/evaluation.ts";
import type { ShardLoss } from "../../worker/opened_run.ts";
import { createSplitScores, type SplitResult } from "../../worker/split_scores.ts";
import type { Dataset } from "../../datasets/dataset.ts";
import type { Engine } from "../../engine/engine.ts";
import type { Model } from "../../models/model.ts";
import { classDataset, classes, noisyClassifier } from "./noisy_classifier.ts";
import { noiseDataset, smallModel, smallRun, testOnEngines, withTrainers } from "./small_run.ts";

async function scored(
  engine: Engine,
  model: Model,
  dataset: Dataset,
  thresholds: readonly number[] = [],
): Promise<{ losses: ShardLoss[]; result: SplitResult }> {
  const scores = createSplitScores({
    ...{ engine, model, dataset, thresholds, scales: [], split: "validation", loss: "mse" },
  });
  const hasTargets = dataset.targetShape !== undefined;
  let losses: ShardLoss[] = [];
  await withTrainers(engine, 1, async ([{ trainer, shards }]) => {
    losses = await evaluateSplit({
      ...{ trainer, model, dataset, split: "validation", shards, aheadMax: 2 },
      ...{ lanes: smallRun.lanes, lanesPerShard: 1, onWindows: scores.add },
    });
  }, { model, hasTargets });
  const result = scores.result();
  scores.dispose();
  return { losses, result };
}

const sum = (losses: readonly ShardLoss[], read: (loss: ShardLoss) => number) =>
  losses.reduce((total, loss) => total + read(loss), 0);

testOnEngines("createSplitScores scores every frame once, as the loss counts it", async (open) => {
  const engine = await open(1);
  const { losses, result } = await scored(engine, smallModel(), noiseDataset(), [0.5]);
  const pixels = 20;
  const frames = sum(losses, ({ weightSum }) => weightSum) / pixels;
  for (
    const [scores, lossSum] of [
      [result.frames!, sum(losses, (loss) => loss.lossSum)],
      [result.persistence!, sum(losses, (loss) => loss.persistenceSum!)],
    ] as const
  ) {
    assert.equal(scores.leads.length, 1);
    assert.equal(scores.pooled.frames, frames);
    const found = scores.pooled.mse! * frames;
    assert.ok(Math.abs(found - lossSum) < 1e-5 * lossSum, `${found}, ${lossSum}`);
    const { hits, misses, falseAlarms, correctNegatives } = scores.pooled.events[0].counts;
    assert.equal(hits + misses + falseAlarms + correctNegatives, frames * pixels);
  }
  assert.equal(result.classes, undefined);
  // No events are told of, and yet each frame has its error.
  assert.equal(result.anomalies, undefined);
  const { sequences, framesListed } = result.frameErrors!;
  assert.equal(framesListed, frames);
  assert.deepEqual(sequences.map(({ id }) => id), [0, 1, 2, 3].map((i) => `validation/${i}`));
  assert.deepEqual(sequences[2].frames, [1, 2, 3]);
  const errors = sequences.flatMap((sequence) => sequence.errors);
  const total = errors.reduce((sum, error) => sum + error * pixels, 0);
  assert.ok(Math.abs(total / frames - result.frames!.pooled.mse!) < 1e-5 * total);
});

testOnEngines("createSplitScores tells the lead times of a forecaster apart", async (open) => {
  const engine = await open(1);
  const configuration = { ...smallRun.model, name: "encoder-forecaster" };
  const { losses, result } = await scored(
    engine,
    smallModel({ ...smallRun, model: configuration }),
    noiseDataset(),
  );
  // Sequences of 6, 11, 4 and 8 frames, 3 read and 2 predicted in each window: 1, 2, 1 and 1 windows,
  // of which that of 4 frames has one frame to predict.
  assert.deepEqual(result.frames!.leads.map(({ frames }) => frames), [5, 4]);
  assert.equal(sum(losses, ({ weightSum }) => weightSum), 9 * 20);
  assert.equal(result.frameErrors, undefined);
});

testOnEngines("createSplitScores counts which class was taken for which", async (open) => {
  const engine = await open(1);
  const { losses, result } = await scored(engine, noisyClassifier(), classDataset());
  const { names, confusion, accuracy } = result.classes!;
  assert.deepEqual(names, classes);
  const frames = sum(losses, ({ weightSum }) => weightSum);
  assert.equal(confusion.flat().reduce((total, count) => total + count, 0), frames);
  assert.equal(confusion.reduce((right, row, i) => right + row[i], 0) / frames, accuracy);
  assert.equal(accuracy, sum(losses, ({ correctSum }) => correctSum!) / frames);
  assert.equal(result.frames, undefined);
});
