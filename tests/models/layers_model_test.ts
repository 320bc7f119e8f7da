import assert from "node:assert/strict";
import type { Engine } from "../../engine/engine.ts";
import { type Tensor, tf } from "../../engine/tf.ts";
import * as keras from "../../engine/tfjs_layers.ts";
import { defaultRun } from "../../launch/run_flags.ts";
import { buildModel, findModel } from "../../models/build_model.ts";
import type { Model } from "../../models/model.ts";
import type { OptionValue } from "../../net/options.ts";
import { readWindows } from "../../worker/window_batch.ts";
import { planEpoch } from "../../datasets/plan.ts";
import { noiseDataset, smallRun, testOnEngines, withTrainers } from "../worker/small_run.ts";
import { assertClose } from "./close_to.ts";
import { evaluationInputs } from "./evaluation_inputs.ts";

/** Saves a network as TensorFlow.js does, and opens it as a model. */
async function opened(
  network: keras.LayersModel,
  frameShape: readonly [number, number, number],
  windowFrames: number,
  options: Record<string, OptionValue> = {},
): Promise<Model> {
  const folder = await Deno.makeTempDir();
  try {
    await network.save({
      async save({ modelTopology, weightSpecs, weightData }) {
        const weightsManifest = [{ paths: ["weights.bin"], weights: weightSpecs }];
        const saved = JSON.stringify({ modelTopology, weightsManifest });
        await Deno.writeTextFile(`${folder}/model.json`, saved);
        await Deno.writeFile(`${folder}/weights.bin`, new Uint8Array(weightData as ArrayBuffer));
        return { modelArtifactsInfo: { dateSaved: new Date(0), modelTopologyType: "JSON" } };
      },
    });
    const name = `${folder}/model.json`;
    const configuration = { ...defaultRun.model, name, options };
    return buildModel(configuration, { frameShape }, windowFrames, await findModel(name));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** What the model says of windows one after the other, its state carried. */
async function playWindows(
  engine: Engine,
  model: Model,
  windows: readonly Tensor[],
): Promise<Float32Array[]> {
  const count = model.parameters.length;
  const run = engine.compile("layers", ([frames, ...rest]) => {
    const output = model.apply(rest.slice(0, count), rest.slice(count), evaluationInputs(frames));
    return [output.predictions, ...output.state];
  });
  const lanes = windows[0].shape[0];
  const parameters = model.initialize(1).map((values, index) =>
    tf.tensor(values, [...model.parameters[index].shape])
  );
  let state: Tensor[] = model.state.map(({ shape }) => tf.zeros([lanes, ...shape]));
  const predictions: Float32Array[] = [];
  for (const window of windows) {
    const outputs = await run([window, ...parameters, ...state]);
    tf.dispose(state);
    [, ...state] = outputs;
    predictions.push((outputs[0].dataSync() as Float32Array).slice());
    outputs[0].dispose();
  }
  tf.dispose([state, parameters]);
  run.dispose();
  return predictions;
}

const randomFrames = (shape: number[], seed: number) =>
  tf.randomUniform(shape, 0, 1, "float32", seed);

testOnEngines(
  "stateful layers carry the states that TensorFlow.js' own layers keep",
  async (open) => {
    const engine = await open(1);
    const lanes = 2;
    const network = keras.sequential({
      layers: [
        keras.layers.convLstm2d({
          ...{ filters: 3, kernelSize: 3, padding: "same", returnSequences: true, stateful: true },
          batchInputShape: [lanes, 3, 4, 5, 1],
        }),
        keras.layers.convLstm2d({
          ...{ filters: 1, kernelSize: 3, padding: "same", returnSequences: true, stateful: true },
          ...{ activation: "sigmoid" },
        }),
      ],
    });
    const model = await opened(network, [4, 5, 1], 3);
    assert.deepEqual(model.window, { frames: 4, advance: 3, predictions: 3, carriesState: true });
    assert.deepEqual(model.outputShape, [4, 5, 1]);
    assert.deepEqual(model.state.map(({ shape }) => shape), [
      ...[[4, 5, 3], [4, 5, 3]],
      ...[[4, 5, 1], [4, 5, 1]],
    ]);
    assert.deepEqual(
      model.parameters.map(({ shape }) => shape),
      network.weights.map(({ shape }) => shape),
    );
    const windows = [1, 2, 3].map((seed) => randomFrames([lanes, 4, 4, 5, 1], seed));
    network.resetStates();
    const expected = windows.map((window) =>
      tf.tidy(() => (network.predict(tf.slice(window, [0, 0], [-1, 3])) as Tensor).dataSync())
    );
    const found = await playWindows(engine, model, windows);
    found.forEach((values, index) => assertClose(values, expected[index], `window ${index}`));
    assert.notDeepEqual(found[1], (await playWindows(engine, model, windows.slice(1)))[0]);
    tf.dispose(windows);
    network.resetStates();
    for (const layer of network.layers) {
      tf.dispose(
        (layer as unknown as { states_: Tensor[] }).states_,
      );
    }
    network.dispose();
  },
);

for (const name of ["convlstm", "lstm"]) {
  testOnEngines(`a model.json of Keras (${name}) says what Keras says`, async (open) => {
    const engine = await open(1);
    const folder = new URL(`../fixtures/layers_model/${name}/`, import.meta.url).pathname;
    const expected = JSON.parse(await Deno.readTextFile(`${folder}expected.json`));
    const options = { task: "reconstruction" };
    const configuration = { ...defaultRun.model, name: `${folder}model.json`, options };
    const definition = await findModel(configuration.name);
    const model = buildModel(configuration, { frameShape: [4, 5, 1] }, 3, definition);
    assert.equal(model.state.length, name === "lstm" ? 4 : 2);
    const windows = (expected.windows as number[][]).map((values) =>
      tf.tensor(values, [2, 3, 4, 5, 1])
    );
    const found = await playWindows(engine, model, windows);
    const tolerance = { relative: 1e-5, floor: 1e-6 };
    found.forEach((values, index) =>
      assertClose(values, expected.outputs[index], `window ${index}`, tolerance)
    );
    tf.dispose(windows);
  });
}

testOnEngines("a network of layers trains by lanes, and leaves nothing behind", async (open) => {
  const engine = await open(1);
  const folder = new URL("../fixtures/layers_model/lstm/", import.meta.url).pathname;
  const configuration = { ...defaultRun.model, name: `${folder}model.json` };
  const dataset = noiseDataset();
  const model = buildModel(configuration, dataset, 3, await findModel(configuration.name));
  const { lanes, seed } = smallRun;
  const { window } = model;
  assert.deepEqual(model.outputShape, [5, 4, 1]);
  const sequences = dataset.catalogue("train", 0);
  const plan = planEpoch({ sequences, window, lanes, seed, epoch: 0, shuffle: true });
  const source = { dataset, split: "train", epoch: 0, plan, window, lanesPerShard: 1 } as const;
  const runs: Float32Array[] = [];
  for (const workers of [1, 2]) {
    await withTrainers(engine, workers, async (members) => {
      let tensors = -1;
      for (let step = 0; step < 3; step++) {
        await Promise.all(members.map(async ({ trainer, shards }) => {
          const next = shards.values();
          const divisor = plan.weightSum(step) * trainer.errorsPerPrediction;
          const read = () => readWindows(source, step, next.next().value!, divisor);
          await trainer.trainStep(read, false);
        }));
        if (tensors < 0) tensors = tf.memory().numTensors;
        assert.equal(tf.memory().numTensors, tensors, `step ${step} leaves tensors over`);
      }
      runs.push(members[0].trainer.readParameters());
    }, { model });
  }
  assert.deepEqual(runs[1], runs[0]);
  const start = model.initialize(1).flatMap((values) => [...values]);
  assert.ok(runs[0].some((value, index) => value !== start[index]));
});

testOnEngines("layers that differ from worker to worker are refused by name", async (open) => {
  await open(1);
  const network = keras.sequential({
    layers: [
      keras.layers.flatten({ inputShape: [4, 5, 1] }),
      keras.layers.dropout({ rate: 0.5, name: "forgetful" }),
      keras.layers.dense({ units: 2 }),
    ],
  });
  await assert.rejects(opened(network, [4, 5, 1], 1), {
    name: "ModelError",
    message: /layer "forgetful" \(Dropout\) draws random numbers; leave it out$/,
  });
  network.dispose();
}, ["wasm"]);
