import assert from "node:assert/strict";
import { planEpoch } from "../../datasets/plan.ts";
import type { Engine } from "../../engine/engine.ts";
import { type Tensor, tf } from "../../engine/tf.ts";
import type { Layer } from "../../models/keras/layer.ts";
import { openTopology } from "../../models/keras/saved_network.ts";
import { buildModel, findModel } from "../../models/build_model.ts";
import { defaultRun } from "../../launch/run_flags.ts";
import { readWindows } from "../../worker/window_batch.ts";
import { noiseDataset, smallRun, testOnEngines, withTrainers } from "../worker/small_run.ts";
import { assertClose } from "./close_to.ts";

const layer = (class_name: string, name: string, config: Record<string, unknown>) => ({
  class_name,
  config: { name, ...config },
});

function made(shape: readonly number[], ...layers: unknown[]): Layer {
  const input = layer("InputLayer", "input", { batch_shape: [null, ...shape] });
  const topology = {
    class_name: "Sequential",
    config: { name: "own", layers: [input, ...layers] },
  };
  const network = openTopology("model.json", { modelTopology: topology, weightsManifest: [] });
  return network.make([{ shape, isMasked: false }]);
}

/** What is left of ones. */
function kept(own: Layer, shape: readonly number[], noise: Tensor[], training: boolean): number[] {
  return tf.tidy(() => {
    const x = tf.ones([2, ...shape]);
    const { values } = own.apply([{ tensor: x }], { weights: [], state: [], training, noise });
    return [...values[0].tensor.dataSync()];
  });
}

testOnEngines(
  "dropout leaves out what the given numbers say, and scales the rest",
  async (open) => {
    await open(1);
    const whole = made([2, 3], layer("Dropout", "drop", { rate: 0.4 }));
    assert.deepEqual(whole.noise, [[2, 3]]);
    const drawn = [0.39, 0.41, 0, 0.99, 0.5, 0.2, 0.4, 0.1, 0.7, 0.3, 0.6, 0.8];
    const noise = tf.tensor(drawn, [2, 2, 3]);
    const expected = drawn.map((value) => Math.fround(value) >= Math.fround(0.4) ? 1 / 0.6 : 0);
    assertClose(kept(whole, [2, 3], [noise], true), expected, "training");
    assertClose(kept(whole, [2, 3], [noise], false), drawn.map(() => 1), "inference");
    // A channel is left out at all places, a step's layer draws for each step.
    const channels = made([2, 3], layer("SpatialDropout1D", "drop", { rate: 0.5 }));
    assert.deepEqual(channels.noise, [[1, 3]]);
    const few = tf.tensor([0.1, 0.9, 0.9, 0.9, 0.1, 0.9], [2, 1, 3]);
    assertClose(
      kept(channels, [2, 3], [few], true),
      [0, 2, 2, 0, 2, 2, 2, 0, 2, 2, 0, 2],
      "channels",
    );
    const first = made(
      [2, 2, 2],
      layer("SpatialDropout2D", "drop", { rate: 0.5, data_format: "channels_first" }),
    );
    assert.deepEqual(first.noise, [[2, 1, 1]]);
    const each = made(
      [2, 3],
      layer("TimeDistributed", "each", { layer: layer("Dropout", "drop", { rate: 0.4 }) }),
      layer("Dropout", "after", { rate: 0.5 }),
    );
    assert.deepEqual(each.noise, [[2, 3], [2, 3]]);
    const all = tf.ones([2, 2, 3]);
    assertClose(
      kept(each, [2, 3], [noise, all], true),
      expected.map((value) => 2 * value),
      "steps",
    );
    tf.dispose([noise, few, all]);
  },
  ["wasm"],
);

async function trained(engine: Engine, workers: number, isPerFrame: boolean) {
  const folder = await Deno.makeTempDir();
  try {
    const weight = (name: string, shape: number[]) => ({ name, shape, dtype: "float32" });
    const lead = isPerFrame ? [] : [null];
    const topology = {
      class_name: "Sequential",
      config: {
        name: "own",
        layers: [
          layer("InputLayer", "input", { batch_shape: [null, ...lead, 5, 4, 1] }),
          layer("Dense", "wide", { units: 3, activation: "tanh" }),
          layer("Dropout", "drop", { rate: 0.5 }),
          layer("Dense", "head", { units: 1 }),
        ],
      },
    };
    const values = Float32Array.from({ length: 10 }, (_, index) => Math.sin(index + 1));
    await Deno.writeFile(`${folder}/weights.bin`, new Uint8Array(values.buffer));
    await Deno.writeTextFile(
      `${folder}/model.json`,
      JSON.stringify({
        modelTopology: topology,
        weightsManifest: [{
          paths: ["weights.bin"],
          weights: [
            ...[weight("wide/kernel", [1, 3]), weight("wide/bias", [3])],
            ...[weight("head/kernel", [3, 1]), weight("head/bias", [1])],
          ],
        }],
      }),
    );
    const configuration = { ...defaultRun.model, name: `${folder}/model.json`, options: {} };
    const definition = await findModel(configuration.name);
    const model = buildModel(configuration, { frameShape: [5, 4, 1] }, 3, definition);
    assert.deepEqual(model.noise?.map(({ shape }) => shape), [[3, 5, 4, 3]]);
    const dataset = noiseDataset();
    const { lanes, seed } = smallRun;
    const { window } = model;
    const sequences = dataset.catalogue("train", 0);
    const plan = planEpoch({ sequences, window, lanes, seed, epoch: 0, shuffle: true });
    const source = { dataset, split: "train", epoch: 0, plan, window, lanesPerShard: 1 } as const;
    let found: Float32Array = new Float32Array();
    await withTrainers(engine, workers, async (members) => {
      for (let step = 0; step < 2; step++) {
        await Promise.all(members.map(async ({ trainer, shards }) => {
          const next = shards.values();
          const divisor = plan.weightSum(step) * trainer.errorsPerPrediction;
          const read = () => readWindows(source, step, next.next().value!, divisor);
          await trainer.trainStep(read, false);
        }));
      }
      found = members[0].trainer.readParameters();
    }, { model });
    return found;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

for (const isPerFrame of [true, false]) {
  const what = isPerFrame ? "single frames" : "windows";
  testOnEngines(`dropout of ${what} has the same bits at any number of workers`, async (open) => {
    const engine = await open(1);
    const one = await trained(engine, 1, isPerFrame);
    assert.deepEqual(await trained(engine, 2, isPerFrame), one);
    assert.ok(one.every(Number.isFinite));
  });
}
