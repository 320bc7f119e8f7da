/** Training that depends on the step, on coins and on more than the predictions has the same bits. */
import assert from "node:assert/strict";
import { planEpoch } from "../../datasets/plan.ts";
import type { Engine, ExecutionMode } from "../../engine/engine.ts";
import { predRnn, type PredRnnOptions } from "../../models/predrnn.ts";
import { readWindows, type WindowSource } from "../../worker/window_batch.ts";
import { noiseDataset, smallRun, testOnEngines, withTrainers } from "./small_run.ts";

const { lanes, shards: shardCount } = smallRun;
const lanesPerShard = lanes / shardCount;
const steps = 3;
const dataset = noiseDataset();
const training = { lossFrames: "all", truthSteps: 4, isBothWays: true } as const;
const network: PredRnnOptions = {
  frameShape: dataset.frameShape,
  mode: "forecast",
  layers: 2,
  filters: 2,
  kernelSize: 3,
  patch: 1,
  hasBias: false,
  windowFrames: 3,
  inputFrames: 3,
  outputFrames: 3,
};

/** Losses of all steps and the final weights; from step 1 on by trainers that begin there anew. */
async function train(
  engine: Engine,
  workers: number,
  { mode, resume = false, options = training }: {
    readonly mode?: ExecutionMode;
    readonly resume?: boolean;
    readonly options?: Partial<typeof training>;
  } = {},
) {
  const model = predRnn({ ...network, ...options });
  const { window } = model;
  const sequences = dataset.catalogue("train", 0);
  const plan = planEpoch({ sequences, window, lanes, seed: 7, epoch: 0, shuffle: true });
  const source: WindowSource = { dataset, split: "train", epoch: 0, plan, window, lanesPerShard };
  const losses: number[] = [];
  let parameters = new Float32Array();
  let slots: Float32Array[] = [];
  const play = (first: number, end: number) =>
    withTrainers(engine, workers, async (members) => {
      if (first > 0) {
        for (const { trainer } of members) trainer.restore(first, parameters, slots);
      }
      for (let step = first; step < end; step++) {
        const told = await Promise.all(members.map(async ({ trainer, shards }) => {
          const next = shards.values();
          const planStep = step % plan.steps;
          const divisor = plan.weightSum(planStep) * trainer.errorsPerPrediction;
          const read = () => readWindows(source, planStep, next.next().value!, divisor);
          return (await trainer.trainStep(read, false)).loss;
        }));
        assert.equal(new Set(told).size, 1, "losses differ");
        losses.push(told[0]);
      }
      parameters = new Float32Array(members[0].trainer.readParameters());
      slots = members[0].trainer.readSlots();
    }, { model, mode, firstStep: first + 1 });
  if (resume) await play(0, 1);
  await play(resume ? 1 : 0, steps);
  return { losses, parameters };
}

testOnEngines("scheduled sampling has the same bits with any workers", async (open) => {
  const engine = await open(1);
  const alone = await train(engine, 1);
  assert.ok(alone.losses.every((loss) => loss > 0));
  assert.deepEqual(await train(engine, 2), alone);
  assert.deepEqual(await train(engine, 2, { resume: true }), alone, "after a resume");
  if (engine.name === "tensorflow") {
    assert.deepEqual(await train(engine, 1, { mode: "eager" }), alone, "op by op");
  }
});

testOnEngines("each part of PredRNN's training tells in the weights", async (open) => {
  const engine = await open(1);
  const weights = [];
  for (const left of [[], ["lossFrames"], ["truthSteps"], ["isBothWays"]]) {
    const kept = Object.entries(training).filter(([name]) => !left.includes(name));
    weights.push(`${(await train(engine, 1, { options: Object.fromEntries(kept) })).parameters}`);
  }
  assert.equal(new Set(weights).size, weights.length);
});
