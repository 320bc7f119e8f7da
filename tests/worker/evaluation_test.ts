import assert from "node:assert/strict";
import type { Engine } from "../../engine/engine.ts";
import { type Tensor, tf } from "../../engine/tf.ts";
import { buildModel } from "../../models/build_model.ts";
import type { RunConfiguration } from "../../net/run_configuration.ts";
import { evaluateSplit, type ShardLoss } from "../../worker/evaluation.ts";
import { splitParameters } from "../../worker/step_functions.ts";
import type { Trainer } from "../../worker/trainer.ts";
import { noiseDataset, smallModel, smallRun, testOnEngines, withTrainers } from "./small_run.ts";

/** The losses of each worker's shards, evaluated by `workers` of them. */
async function evaluate(
  engine: Engine,
  configuration: RunConfiguration,
  workers: number,
  aheadMax = 2,
): Promise<ShardLoss[]> {
  const losses: ShardLoss[] = [];
  await withTrainers(engine, workers, async (members) => {
    for (const { trainer, shards } of members) {
      losses.push(
        ...await evaluateSplit({
          trainer,
          model: smallModel(configuration),
          dataset: noiseDataset(configuration.dataset),
          split: "validation",
          lanes: configuration.lanes,
          lanesPerShard: configuration.lanes / configuration.shards,
          shards,
          aheadMax,
        }),
      );
    }
  }, { configuration });
  return losses.sort((a, b) => a.shard - b.shard);
}

/** Mean losses of whole sequences, each run through the model at once and compared in float64. */
async function direct(engine: Engine, configuration: RunConfiguration) {
  const dataset = noiseDataset(configuration.dataset);
  const catalogue = dataset.catalogue("validation", 0);
  const sums = { loss: 0, persistence: 0, values: 0 };
  const read = (sequence: number, frames: number) =>
    dataset.read({ split: "validation", epoch: 0, sequence, offset: 0, frames });
  await withTrainers(engine, 1, async ([{ trainer }]) => {
    for (const [sequence, { frames }] of catalogue.entries()) {
      const truth = await read(sequence, frames);
      // One window that is as long as the sequence.
      const model = buildModel(configuration.model, dataset.frameShape, frames - 1);
      const predictions = predict(trainer, model, tf.tensor(truth, [1, frames, 5, 4, 1]));
      const error = (a: number, b: number) =>
        configuration.loss === "mae" ? Math.abs(a - b) : (a - b) ** 2;
      for (let index = 0; index < predictions.length; index++) {
        sums.loss += error(predictions[index], truth[index + 20]);
        sums.persistence += error(truth[index], truth[index + 20]);
      }
      sums.values += predictions.length;
    }
  }, { configuration });
  return sums;
}

function predict(trainer: Trainer, model: ReturnType<typeof smallModel>, frames: Tensor) {
  return tf.tidy(() => {
    const state = model.state.map(({ shape }) => tf.zeros([1, ...shape]));
    const parameters = splitParameters(model, trainer.parameters());
    const values = model.apply(parameters, state, frames).predictions.dataSync();
    frames.dispose();
    return values;
  });
}

testOnEngines(
  "evaluateSplit counts every frame of every sequence once, with carried state",
  async (open) => {
    const engine = await open(1);
    for (const loss of ["mse", "mae"] as const) {
      const configuration = { ...smallRun, loss };
      const expected = await direct(engine, configuration);
      for (const shards of [6, 2, 1]) {
        const losses = await evaluate(engine, { ...configuration, shards }, 1);
        assert.deepEqual(
          losses.map(({ shard }) => shard),
          Array.from({ length: shards }, (_, i) => i),
        );
        const sum = (read: (loss: ShardLoss) => number) =>
          losses.reduce((total, each) => total + read(each), 0);
        assert.equal(sum(({ weightSum }) => weightSum), expected.values);
        for (
          const [found, wanted] of [
            [sum(({ lossSum }) => lossSum), expected.loss],
            [sum(({ persistenceSum }) => persistenceSum), expected.persistence],
          ]
        ) {
          assert.ok(Math.abs(found - wanted) < 1e-5 * wanted, `${loss}: ${found}, ${wanted}`);
        }
      }
    }
  },
);

testOnEngines("evaluateSplit gives the same bits however shards are shared out", async (open) => {
  const engine = await open(1);
  for (const name of ["convlstm", "encoder-forecaster"] as const) {
    const configuration = { ...smallRun, model: { ...smallRun.model, name } };
    const alone = await evaluate(engine, configuration, 1);
    assert.ok(alone.some(({ lossSum }) => lossSum > 0));
    for (const workers of [2, 3, 6]) {
      // However far the reads run ahead, too.
      const shared = await evaluate(engine, configuration, workers, workers);
      assert.deepEqual(shared, alone, `${name}, ${workers} workers`);
    }
  }
});

testOnEngines(
  "evaluateSplit leaves the states of training and the parameters alone",
  async (open) => {
    const engine = await open(1);
    await withTrainers(engine, 1, async ([{ trainer, shards }]) => {
      const size = trainer.states.readLane(0).length;
      const lanes = shards.map((lane) => [lane, new Float32Array(size).fill(lane + 1)] as const);
      trainer.states.writeLanes(new Map(lanes));
      const parameters = trainer.readParameters();
      const dataset = noiseDataset();
      const common = { trainer, model: smallModel(), dataset, lanes: 6, lanesPerShard: 1, shards };
      const tensors = tf.memory().numTensors;
      const first = await evaluateSplit({ ...common, split: "test", aheadMax: 1 });
      assert.deepEqual(await evaluateSplit({ ...common, split: "test", aheadMax: 4 }), first);
      for (const [lane, values] of lanes) assert.deepEqual(trainer.states.readLane(lane), values);
      assert.deepEqual(trainer.readParameters(), parameters);
      assert.equal(tf.memory().numTensors, tensors);
      // A failing read ends it, and leaves nothing behind.
      const read = () => Promise.reject(new Error("the disk is gone"));
      const failing = { ...common, dataset: { ...dataset, read } };
      await assert.rejects(
        evaluateSplit({ ...failing, split: "test", aheadMax: 2 }),
        /disk is gone/,
      );
      assert.equal(tf.memory().numTensors, tensors);
    });
  },
);
