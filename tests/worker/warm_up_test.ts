import assert from "node:assert/strict";
import { planEpoch } from "../../datasets/plan.ts";
import type { Engine } from "../../engine/engine.ts";
import { buildOptimizer } from "../../models/optimizers/build_optimizer.ts";
import { evaluateSplit } from "../../worker/evaluation.ts";
import { warmUp } from "../../worker/warm_up.ts";
import { frameSize, readWindows } from "../../worker/window_batch.ts";
import { noiseDataset, smallModel, smallRun, testOnEngines, withTrainers } from "./small_run.ts";

testOnEngines("warmUp leaves nothing to trace for a step and an evaluation", async (open) => {
  const engine = await open(1);
  const traced: string[] = [];
  const watched: Engine = {
    ...engine,
    get threads() {
      return engine.threads;
    },
    compile: (name, fn, options) =>
      engine.compile(name, (inputs) => {
        traced.push(name);
        return fn(inputs);
      }, options),
  };
  await withTrainers(watched, 1, async ([{ trainer, shards }]) => {
    const { lanes, seed } = smallRun;
    const lanesPerShard = lanes / smallRun.shards;
    const model = smallModel();
    const optimizer = buildOptimizer(smallRun.optimizer);
    await warmUp(trainer.functions, model, optimizer, lanesPerShard);
    assert.deepEqual(traced.sort(), ["evaluate", "gradients", "update"]);
    const dataset = noiseDataset();
    const { window } = model;
    const sequences = dataset.catalogue("train", 0);
    const plan = planEpoch({ sequences, window, lanes, seed, epoch: 0, shuffle: true });
    const source = { dataset, split: "train" as const, epoch: 0, plan, window, lanesPerShard };
    const next = shards.values();
    const divisor = plan.weightSum(0) * frameSize(dataset);
    await trainer.trainStep(() => readWindows(source, 0, next.next().value!, divisor), false);
    const split = "validation" as const;
    await evaluateSplit({
      trainer,
      model,
      dataset,
      split,
      lanes,
      lanesPerShard,
      shards,
      aheadMax: 1,
    });
    assert.equal(traced.length, 3);
  });
}, ["tensorflow"]);
