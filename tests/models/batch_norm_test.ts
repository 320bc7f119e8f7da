import assert from "node:assert/strict";
import { planEpoch } from "../../datasets/plan.ts";
import type { Engine } from "../../engine/engine.ts";
import { tf } from "../../engine/tf.ts";
import { defaultRun } from "../../launch/run_flags.ts";
import { buildModel, findModel } from "../../models/build_model.ts";
import type { Model } from "../../models/model.ts";
import type { OptimizerConfiguration, RunConfiguration } from "../../net/run_configuration.ts";
import { readWindows, type WindowBatch } from "../../worker/window_batch.ts";
import { noiseDataset, smallRun, testOnEngines, withTrainers } from "../worker/small_run.ts";
import { assertClose } from "./close_to.ts";
import { evaluationInputs } from "./evaluation_inputs.ts";

const folderOf = (version: 2 | 3) => {
  const name = version === 3 ? "batch_norm" : "batch_norm_keras2";
  return new URL(`../fixtures/layers_model/${name}/`, import.meta.url).pathname;
};
const expectedOf = async (version: 2 | 3) =>
  JSON.parse(await Deno.readTextFile(`${folderOf(version)}expected.json`));
const expected = await expectedOf(3);

async function network(
  frameShape: readonly [number, number, number],
  version: 2 | 3 = 3,
): Promise<Model> {
  const folder = folderOf(version);
  const options = { task: "reconstruction" };
  const configuration = { ...defaultRun.model, name: `${folder}model.json`, options };
  return buildModel(configuration, { frameShape }, 3, await findModel(configuration.name));
}

const plainStep: OptimizerConfiguration = {
  ...defaultRun.optimizer,
  ...{ name: "sgd", learningRate: expected.rate, momentum: 0, weightDecay: 0, clipNorm: null },
  ...{ schedule: "constant" as const, warmupSteps: 0 },
};

/** A step on the fixture's windows, some lanes of which are padding. */
async function afterStep(
  engine: Engine,
  counting: readonly boolean[],
  hasMissing: boolean,
  version: 2 | 3,
  check: (found: { loss: number; parameters: Float32Array; model: Model }) => void | Promise<void>,
) {
  const model = await network([5, 4, 1], version);
  const lanes = counting.length;
  const configuration: RunConfiguration = {
    ...smallRun,
    ...{ lanes, shards: 1, optimizer: plainStep },
  };
  const size = 3 * 4 * 5;
  // Where values may be missing, the divisor is known after the sum.
  const divisor = hasMissing ? 1 : counting.filter(Boolean).length * size;
  const batch: WindowBatch = {
    step: 0,
    shard: 0,
    frames: Float32Array.from(
      { length: lanes * size },
      (_, at) => counting[Math.floor(at / size)] ? expected.windows[at] : 0,
    ),
    resets: new Float32Array(lanes).fill(1),
    weights: Float32Array.from(
      counting.flatMap((counts) => Array(3).fill(counts ? 1 / divisor : 0)),
    ),
  };
  await withTrainers(engine, 1, async ([{ trainer }]) => {
    const { loss } = await trainer.trainStep(() => Promise.resolve(batch), false);
    await check({ loss, parameters: trainer.readParameters(), model });
  }, { model, configuration, hasMissing });
}

for (
  const [what, counting, key, hasMissing, version] of [
    ["a batch", [true, true], "both", false, 3],
    ["a batch with a lane of padding", [true, false], "one", false, 3],
    ["a batch with a lane of padding, of data that may miss values", [true, false], "one", true, 3],
    ["a batch of Keras 2", [true, true], "both", false, 2],
    ["a batch of Keras 2 with a lane of padding", [true, false], "one", false, 2],
  ] as const
) {
  testOnEngines(
    `batch normalization trains on ${what} as Keras does, its moving averages too`,
    async (open) => {
      const engine = await open(1);
      await afterStep(
        engine,
        counting,
        hasMissing,
        version,
        async ({ loss, parameters, model }) => {
          const want = (await expectedOf(version))[key];
          assertClose([loss], [want.loss], "loss");
          const names = model.parameters.map(({ name }) => name);
          assert.ok(
            names.includes("norm/moving_mean") && !names.includes("frozen/gamma"),
            `${names}`,
          );
          let at = 0;
          for (const { name, shape } of model.parameters) {
            const length = shape.reduce((product, side) => product * side, 1);
            const [words] = Object.entries<number[]>(want.weights)
              .filter(([key]) => key.replace(/\/conv_lstm_cell(_\d+)?\//, "/") === name);
            assertClose(parameters.subarray(at, at += length), words[1], name, {
              ...{ relative: 1e-4, floor: 2e-6 },
            });
          }
          assert.equal(at, parameters.length);
        },
      );
    },
  );
}

testOnEngines("after training, inference is with the moving averages", async (open) => {
  const engine = await open(1);
  await afterStep(engine, [true, true], false, 3, async ({ parameters, model }) => {
    const frames = tf.tensor(expected.windows, [2, 3, 5, 4, 1], "float32");
    const run = engine.compile("infer", ([frames, ...values]) => {
      const { predictions } = model.apply(values, [], evaluationInputs(frames));
      return [tf.clone(predictions)];
    });
    let at = 0;
    const values = model.parameters.map(({ shape }) => {
      const length = shape.reduce((product, side) => product * side, 1);
      return tf.tensor(parameters.slice(at, at += length), [...shape]);
    });
    const [answer] = await run([frames, ...values]);
    assertClose(answer.dataSync() as Float32Array, expected.both.answers, "answers", {
      ...{ relative: 1e-4, floor: 1e-5 },
    });
    tf.dispose([answer, frames, ...values]);
    run.dispose();
  });
});

/** Parameters after some steps with each number of workers. */
async function trained(engine: Engine, workers: number, resumeAt?: number): Promise<Float32Array> {
  const model = await network([5, 4, 1]);
  const dataset = noiseDataset();
  const { lanes, seed } = smallRun;
  const { window } = model;
  const sequences = dataset.catalogue("train", 0);
  const plan = planEpoch({ sequences, window, lanes, seed, epoch: 0, shuffle: true });
  const source = { dataset, split: "train", epoch: 0, plan, window, lanesPerShard: 1 } as const;
  const configuration = {
    ...smallRun,
    optimizer: { ...smallRun.optimizer, name: "adamw" as const, weightDecay: 0.1 },
  };
  let found: Float32Array = new Float32Array();
  let saved: { parameters: Float32Array; slots: Float32Array[] } | undefined;
  const run = (from: number, to: number) =>
    withTrainers(engine, workers, async (members) => {
      for (const { trainer } of members) {
        if (saved) trainer.restore(from, saved.parameters, saved.slots);
      }
      for (let step = from; step < to; step++) {
        await Promise.all(members.map(async ({ trainer, shards }) => {
          const next = shards.values();
          const divisor = plan.weightSum(step) * trainer.errorsPerPrediction;
          const read = () => readWindows(source, step, next.next().value!, divisor);
          const { fault } = await trainer.trainStep(read, false);
          assert.equal(fault, undefined);
        }));
      }
      const [{ trainer }] = members;
      saved = { parameters: trainer.readParameters(), slots: trainer.readSlots() };
      found = trainer.readParameters();
    }, { model, configuration, firstStep: from + 1 });
  // The last steps have lanes that run dry, and windows that are not full.
  const steps = plan.steps;
  if (resumeAt !== undefined) await run(0, resumeAt);
  await run(resumeAt ?? 0, steps);
  return found;
}

testOnEngines(
  "batch normalization has the same bits at any number of workers, and after a restore",
  async (open) => {
    const engine = await open(1);
    const one = await trained(engine, 1);
    assert.deepEqual(await trained(engine, 2), one);
    assert.deepEqual(await trained(engine, 3), one);
    assert.deepEqual(await trained(engine, 2, 2), one);
    const model = await network([5, 4, 1]);
    const first = model.initialize(1).flatMap((values) => [...values]);
    let at = 0;
    for (const { name, shape } of model.parameters) {
      const length = shape.reduce((product, side) => product * side, 1);
      const isMoved = one.slice(at, at + length).some((value, index) =>
        value !== first[at + index]
      );
      assert.ok(isMoved, `${name} is what it was`);
      at += length;
    }
  },
);

testOnEngines("no optimizer's slot, decay or clipping touches a moving average", async (open) => {
  const engine = await open(1);
  const model = await network([5, 4, 1]);
  const moved: Float32Array[] = [];
  for (const clipNorm of [null, 1e-6]) {
    for (const weightDecay of [0, 0.5]) {
      const optimizer = {
        ...plainStep,
        ...{ name: "adamw" as const, weightDecay, clipNorm, learningRate: 0.1 },
      };
      const configuration = { ...smallRun, lanes: 2, shards: 1, optimizer };
      const batch: WindowBatch = {
        step: 0,
        shard: 0,
        frames: Float32Array.from(expected.windows as number[]),
        resets: new Float32Array(2).fill(1),
        weights: new Float32Array(6).fill(1 / 120),
      };
      await withTrainers(engine, 1, async ([{ trainer }]) => {
        await trainer.trainStep(() => Promise.resolve(batch), false);
        const all = trainer.readParameters();
        const slots = trainer.readSlots();
        const averages: number[] = [];
        let at = 0;
        for (const { shape, momentum } of model.parameters) {
          const length = shape.reduce((product, side) => product * side, 1);
          if (momentum !== undefined) {
            averages.push(...all.subarray(at, at + length));
            for (const slot of slots) {
              assert.ok(slot.subarray(at, at + length).every((value) => value === 0));
            }
          }
          at += length;
        }
        moved.push(Float32Array.from(averages));
      }, { model, configuration });
    }
  }
  for (const each of moved) assert.deepEqual(each, moved[0]);
});
