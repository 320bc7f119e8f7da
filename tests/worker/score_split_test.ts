import assert from "node:assert/strict";
import { deserialize, serialize } from "node:v8";
import { tf } from "../../engine/tf.ts";
import type { LossName } from "../../net/run_configuration.ts";
import { poolShards, scoreShards, scoreSplit } from "../../worker/score_split.ts";
import { classDataset, noisyClassifier } from "./noisy_classifier.ts";
import { noiseDataset, smallModel, smallRun, testOnEngines } from "./small_run.ts";

const forecaster = { ...smallRun, model: { ...smallRun.model, name: "encoder-forecaster" } };
/** One unlike the other in what is kept: events, lead times, classes and a penalty. */
const systems = [
  { model: smallModel(), dataset: noiseDataset(), thresholds: [0.3, 0.6], scales: [3] },
  { model: smallModel(forecaster), dataset: noiseDataset() },
  { model: noisyClassifier(), dataset: classDataset(), loss: "cross-entropy" as LossName },
];

testOnEngines("poolShards gives the same bits whoever scored the shards", async (open) => {
  const engine = await open(1);
  for (const system of systems) {
    const parameters = tf.tensor1d(system.model.initialize(1).flatMap((values) => [...values]));
    const given = { engine, parameters, lanes: 6, shards: 3, ...system };
    const { means, result, drawn } = await scoreSplit(given);
    const parts = [
      // In whatever order they come, and from another process.
      ...deserialize(serialize(await scoreShards(given, [2]))),
      ...await scoreShards(given, [0, 1]),
    ];
    const pooled = poolShards(given, parts);
    assert.deepEqual([pooled.means, pooled.result], [means, result]);
    assert.deepEqual(pooled.drawn.timelines(9), drawn.timelines(9));
    assert.throws(
      () => poolShards(given, parts.slice(1)),
      /^RangeError: Cannot pool the scores of 3 shards: received those of 0, 1$/,
    );
    assert.throws(() => poolShards(given, [...parts, parts[0]]), /received those of 0, 1, 2, 2$/);
    parameters.dispose();
  }
});

testOnEngines("scoreSplit tells the accuracy of classes whatever the loss", async (open) => {
  const engine = await open(1);
  const [, , { model, dataset }] = systems;
  const parameters = tf.tensor1d(model.initialize(1).flatMap((values) => [...values]));
  for (const loss of ["cross-entropy", "mse", "bce"] as const) {
    const { means, result } = await scoreSplit({ engine, model, dataset, parameters, loss });
    assert.equal(means.accuracy, result.classes!.accuracy, loss);
  }
  parameters.dispose();
});

testOnEngines("poolShards adds latent points and what is not finite", async (open) => {
  const engine = await open(1);
  const [{ model, dataset }] = systems;
  const parameters = tf.tensor1d(model.initialize(1).flatMap((values) => [...values]));
  const given = { engine, model, dataset, parameters, lanes: 6, shards: 2 };
  const shards = await scoreShards(given, [0, 1]);
  const latents = [{ latent: Float32Array.of(1, 5), label: 0 }];
  const [first, second] = shards.map(({ loss, sums }) => {
    const frames = sums.forecasts!.frames.map((lead) => ({ ...lead, psnr: Infinity }));
    return { loss, sums: { ...sums, latents, forecasts: { ...sums.forecasts!, frames } } };
  });
  const { result, drawn } = poolShards(given, deserialize(serialize([second, first])));
  assert.equal(result.frames!.pooled.psnr, null);
  assert.deepEqual(drawn.latentPlane()!.points, [{ x: 1, y: 5, label: 0 }, {
    x: 1,
    y: 5,
    label: 0,
  }]);
  parameters.dispose();
});
