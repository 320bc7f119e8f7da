import assert from "node:assert/strict";
import { planEpoch } from "../../datasets/plan.ts";
import type { Engine, ExecutionMode } from "../../engine/engine.ts";
import { tf } from "../../engine/tf.ts";
import { evaluateSplit } from "../../worker/evaluation.ts";
import type { ShardLoss } from "../../worker/opened_run.ts";
import { middleNoise, splitParameters } from "../../worker/step_functions.ts";
import { readWindows } from "../../worker/window_batch.ts";
import { classDataset, classes, noisyClassifier } from "./noisy_classifier.ts";
import { type Member, smallRun, testOnEngines, withTrainers } from "./small_run.ts";

const { lanes, shards: shardCount } = smallRun;
const lanesPerShard = lanes / shardCount;
const steps = 5;

interface Saved {
  parameters: Float32Array;
  slots: Float32Array[];
  readonly states: Map<number, Float32Array>;
}

async function playStep(members: readonly Member[], step: number): Promise<number> {
  const [dataset, { window }] = [classDataset(), noisyClassifier()];
  const sequences = dataset.catalogue("train", 0);
  const plan = planEpoch({ sequences, window, lanes, seed: 7, epoch: 0, shuffle: true });
  const source = { dataset, split: "train", epoch: 0, plan, window, lanesPerShard } as const;
  const losses = await Promise.all(members.map(async ({ trainer, shards }) => {
    const next = shards.values();
    const divisor = plan.weightSum(step) * trainer.errorsPerPrediction;
    const read = () => readWindows(source, step, next.next().value!, divisor);
    return (await trainer.trainStep(read, false)).loss;
  }));
  assert.equal(new Set(losses).size, 1, "losses differ");
  return losses[0];
}

/** Losses of all steps and the final weights; from step 2 on by a trainer that begins there anew. */
async function train(
  engine: Engine,
  workers: number,
  { mode, resume = false }: { mode?: ExecutionMode; resume?: boolean } = {},
) {
  const model = noisyClassifier();
  const losses: number[] = [];
  const saved: Saved = { parameters: new Float32Array(), slots: [], states: new Map() };
  let tensors = -1;
  const play = async (first: number, end: number) => {
    await withTrainers(engine, workers, async (members) => {
      if (first > 0) {
        for (const { trainer } of members) {
          trainer.restore(first, saved.parameters, saved.slots);
          trainer.states.writeLanes(saved.states);
        }
      }
      for (let step = first; step < end; step++) {
        losses.push(await playStep(members, step));
        if (step === first) tensors = tf.memory().numTensors;
        assert.equal(tf.memory().numTensors, tensors, `step ${step} leaves tensors over`);
      }
      saved.parameters = members[0].trainer.readParameters();
      saved.slots = members[0].trainer.readSlots();
      for (const { trainer, shards } of members) {
        for (const lane of shards) saved.states.set(lane, trainer.states.readLane(lane));
      }
    }, { model, hasTargets: true, mode, firstStep: first + 1 });
  };
  if (resume) await play(0, 2);
  await play(resume ? 2 : 0, steps);
  return { losses, parameters: saved.parameters };
}

testOnEngines("a model with noise and answers has the same bits with any workers", async (open) => {
  const engine = await open(1);
  const alone = await train(engine, 1);
  assert.ok(alone.losses.every((loss) => loss > 0));
  for (const workers of [2, 3]) assert.deepEqual(await train(engine, workers), alone);
  assert.deepEqual(await train(engine, 2, { resume: true }), alone, "after a resume");
  if (engine.name === "tensorflow") {
    assert.deepEqual(await train(engine, 1, { mode: "eager" }), alone, "op by op");
  }
});

testOnEngines(
  "an evaluation draws nothing, and counts the classes that are right",
  async (open) => {
    const engine = await open(1);
    const [model, dataset] = [noisyClassifier(), classDataset()];
    const losses: ShardLoss[] = [];
    const expected = { loss: 0, correct: 0, frames: 0 };
    await withTrainers(engine, 2, async (members) => {
      for (const { trainer, shards } of members) {
        const split = { split: "validation", lanes, lanesPerShard, shards, aheadMax: 2 } as const;
        losses.push(...await evaluateSplit({ trainer, model, dataset, ...split }));
      }
      // Each sequence by itself, window by window.
      const parameters = members[0].trainer.parameters();
      for (const [sequence, { frames }] of dataset.catalogue("validation", 0).entries()) {
        const request = { split: "validation", epoch: 0, sequence, offset: 0, frames } as const;
        const padded = Math.ceil(frames / 3) * 3;
        const all = new Float32Array(padded * 20);
        all.set(await dataset.read(request));
        const answers = await dataset.readTargets!(request);
        let memory = tf.zeros([1, classes.length]);
        for (let offset = 0; offset < frames; offset += 3) {
          const [predictions, penalty, state] = tf.tidy(() => {
            const output = model.apply(splitParameters(model, parameters), [memory], {
              frames: tf.tensor(all.slice(offset * 20, (offset + 3) * 20), [1, 3, 5, 4, 1]),
              noise: middleNoise(model, 1),
              training: false,
            });
            return [output.predictions, output.penalty!, output.state[0]];
          });
          const [shares, extra] = [predictions.dataSync(), penalty.dataSync()];
          for (let frame = 0; frame < Math.min(3, frames - offset); frame++) {
            const own = [...shares.subarray(frame * 3, (frame + 1) * 3)];
            const truth = [...answers.subarray((offset + frame) * 3, (offset + frame + 1) * 3)];
            expected.loss += extra[frame] - Math.log(own[truth.indexOf(1)]);
            expected.correct += own.indexOf(Math.max(...own)) === truth.indexOf(1) ? 1 : 0;
            expected.frames++;
          }
          tf.dispose([predictions, penalty, memory]);
          memory = state;
        }
        memory.dispose();
      }
    }, { model, hasTargets: true });
    const sum = (read: (loss: ShardLoss) => number) =>
      losses.reduce((total, loss) => total + read(loss), 0);
    assert.equal(sum(({ weightSum }) => weightSum), expected.frames);
    assert.equal(sum(({ correctSum }) => correctSum!), expected.correct);
    assert.ok(losses.every(({ persistenceSum }) => persistenceSum === undefined));
    const found = sum(({ lossSum }) => lossSum);
    assert.ok(Math.abs(found - expected.loss) < 1e-5 * expected.loss, `${found}, ${expected.loss}`);
  },
);
