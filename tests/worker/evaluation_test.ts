import assert from "node:assert/strict";
import type { Engine } from "../../engine/engine.ts";
import { tf } from "../../engine/tf.ts";
import type { RunConfiguration } from "../../net/run_configuration.ts";
import { evaluateSplit } from "../../worker/evaluation.ts";
import type { ShardLoss } from "../../worker/opened_run.ts";
import { frameSize } from "../../worker/window_batch.ts";
import { noiseDataset, smallModel, smallRun, testOnEngines, withTrainers } from "./small_run.ts";
import { wholeSequenceLosses } from "./whole_sequences.ts";

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

testOnEngines(
  "evaluateSplit counts every frame of every sequence once, with carried state",
  async (open) => {
    const engine = await open(1);
    for (const loss of ["mse", "mae"] as const) {
      const configuration = { ...smallRun, loss };
      let expected = { loss: 0, persistence: 0, values: 0 };
      await withTrainers(engine, 1, async ([{ trainer }]) => {
        expected = await wholeSequenceLosses(trainer, configuration, "validation");
      }, { configuration });
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
            [sum(({ persistenceSum }) => persistenceSum!), expected.persistence],
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
      // Given up before its end, it has no losses to tell.
      let asked = 0;
      const isGivenUp = () => ++asked > 3;
      assert.deepEqual(
        await evaluateSplit({ ...common, split: "test", aheadMax: 2, isGivenUp }),
        [],
      );
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

testOnEngines("evaluateSplit pauses while it plans very many sequences", async (open) => {
  const engine = await open(1);
  await withTrainers(engine, 1, async ([{ trainer, shards }]) => {
    const entries = Array.from({ length: 50_000 }, (_, index) => ({ id: `${index}`, frames: 5 }));
    let pauses = 0;
    await evaluateSplit({
      ...{ trainer, model: smallModel(), lanes: 6, lanesPerShard: 1, shards, aheadMax: 1 },
      dataset: {
        ...noiseDataset(),
        catalogue: () => entries,
        read: ({ frames }) => Promise.resolve(new Float32Array(frames * frameSize(noiseDataset()))),
      },
      split: "test",
      isGivenUp: () => true,
      pause() {
        pauses++;
        return Promise.resolve();
      },
    });
    assert.ok(pauses > 3, `${pauses} pauses`);
  });
});
