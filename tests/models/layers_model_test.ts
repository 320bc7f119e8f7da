import assert from "node:assert/strict";
import type { Dataset } from "../../datasets/dataset.ts";
import type { Engine } from "../../engine/engine.ts";
import { type Tensor, tf } from "../../engine/tf.ts";
import * as keras from "./tfjs_layers.ts";
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
  /** What Keras would have saved and TensorFlow.js leaves out. */
  edit: (topology: string) => string = (topology) => topology,
  data: Pick<Dataset, "targetShape" | "classes"> = {},
): Promise<Model> {
  const folder = await Deno.makeTempDir();
  try {
    await network.save({
      async save({ modelTopology, weightSpecs, weightData }) {
        const weightsManifest = [{
          paths: ["weights.1.bin", "weights.2.bin"],
          weights: weightSpecs,
        }];
        const topology = JSON.parse(edit(JSON.stringify(modelTopology)));
        const saved = JSON.stringify({ modelTopology: topology, weightsManifest });
        await Deno.writeTextFile(`${folder}/model.json`, saved);
        const bytes = new Uint8Array(weightData as ArrayBuffer);
        // Within a number: the parts of a large network are no whole numbers either.
        const cut = Math.min(bytes.length, 6);
        await Deno.writeFile(`${folder}/weights.1.bin`, bytes.subarray(0, cut));
        await Deno.writeFile(`${folder}/weights.2.bin`, bytes.subarray(cut));
        return { modelArtifactsInfo: { dateSaved: new Date(0), modelTopologyType: "JSON" } };
      },
    });
    const name = `${folder}/model.json`;
    const configuration = { ...defaultRun.model, name, options };
    const definition = await findModel(name);
    return buildModel(configuration, { frameShape, ...data }, windowFrames, definition);
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

/** A network's own `dispose` leaves those of networks within it. */
function disposeWeights(network: keras.LayersModel): void {
  for (const weight of network.weights) weight.dispose();
}

/** Parameters after three steps with each number of workers. */
async function trainedBy(
  engine: Engine,
  model: Model,
  workerCounts: readonly number[],
): Promise<Float32Array[]> {
  const dataset = noiseDataset();
  const { lanes, seed } = smallRun;
  const { window } = model;
  const sequences = dataset.catalogue("train", 0);
  const plan = planEpoch({ sequences, window, lanes, seed, epoch: 0, shuffle: true });
  const source = { dataset, split: "train", epoch: 0, plan, window, lanesPerShard: 1 } as const;
  const runs: Float32Array[] = [];
  for (const workers of workerCounts) {
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
  return runs;
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
    // As a run and its pictures call it.
    assert.equal(model.name, "model");
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

/** The network of a fixture, with another number of frames in its fixed window. */
async function ofTime(
  name: "convlstm" | "lstm",
  time: number | null,
  frameShape: readonly [number, number, number],
  options: Record<string, OptionValue>,
): Promise<Model> {
  const fixture = new URL(`../fixtures/layers_model/${name}/`, import.meta.url).pathname;
  const folder = await Deno.makeTempDir();
  try {
    const saved = JSON.parse(await Deno.readTextFile(`${fixture}model.json`));
    saved.modelTopology.config.layers[0].config.batch_input_shape[1] = time;
    const file = `${folder}/model.json`;
    await Deno.writeTextFile(file, JSON.stringify(saved));
    await Deno.copyFile(`${fixture}weights.bin`, `${folder}/weights.bin`);
    const configuration = { ...defaultRun.model, name: file, options };
    return buildModel(configuration, { frameShape }, time ?? 3, await findModel(file));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

for (const name of ["convlstm", "lstm"] as const) {
  testOnEngines(
    `a stateful model.json of one time step (${name}) says what Keras says, and has its gradient`,
    async (open) => {
      const engine = await open(1);
      const model = await ofTime(name, 1, [4, 5, 1], { task: "reconstruction" });
      assert.equal(model.window.frames, 1);
      const fixture = new URL(`../fixtures/layers_model/${name}/`, import.meta.url).pathname;
      const expected = JSON.parse(await Deno.readTextFile(`${fixture}expected.json`));
      // [windows, lanes, time, frame]
      const frameOf = (values: number[][], frame: number) =>
        [0, 1].flatMap((lane) => {
          const from = (lane * 3 + frame % 3) * 20;
          return values[Math.floor(frame / 3)].slice(from, from + 20);
        });
      const frames = Array.from({ length: 6 }, (_, frame) => frameOf(expected.windows, frame));
      const windows = frames.map((values) => tf.tensor(values, [2, 1, 4, 5, 1]));
      const found = await playWindows(engine, model, windows);
      found.forEach((values, frame) =>
        assertClose(values, frameOf(expected.outputs, frame), `frame ${frame}`, {
          ...{ relative: 1e-5, floor: 1e-6 },
        })
      );

      const state = model.state.map(({ shape }, index) => randomFrames([2, ...shape], index + 1));
      const loss = (values: readonly Tensor[], [frames, ...before]: readonly Tensor[]) => {
        const inputs = { ...evaluationInputs(frames), training: true };
        const { predictions } = model.apply(values, before, inputs);
        return tf.mean(tf.square(tf.sub(predictions, model.targets(frames)))) as tf.Scalar;
      };
      const value = engine.compile("value", (inputs) => {
        const values = inputs.slice(0, model.parameters.length);
        return [loss(values, inputs.slice(values.length))];
      });
      const gradients = engine.compile("gradients", (inputs) => {
        const values = inputs.slice(0, model.parameters.length);
        const rest = inputs.slice(values.length);
        return tf.grads((...own: Tensor[]) => loss(own, rest))(values);
      });
      const first = model.initialize(1);
      const call = async (run: typeof value, values: readonly Float32Array[]) => {
        const parameters = values.map((each, index) =>
          tf.tensor(each, [...model.parameters[index].shape])
        );
        const results = await run([...parameters, windows[0], ...state]);
        const found = results.map((result) => (result.dataSync() as Float32Array).slice());
        tf.dispose([parameters, results]);
        return found;
      };
      const analytic = await call(gradients, first);
      const step = 1 / 64;
      for (const [index, values] of first.entries()) {
        // The first and the last of each stand for all.
        for (const at of [0, values.length - 1]) {
          const shifted = async (delta: number) => {
            const changed = values.with(at, values[at] + delta);
            return (await call(value, first.with(index, changed)))[0][0];
          };
          const numeric = (await shifted(step) - await shifted(-step)) / (2 * step);
          assertClose([analytic[index][at]], [numeric], `${model.parameters[index].name}, ${at}`, {
            ...{ relative: 5e-3, floor: 2e-5 },
          });
        }
      }
      tf.dispose([windows, state]);
      value.dispose();
      gradients.dispose();
    },
  );
}

testOnEngines("a stateful model.json of one time step trains by lanes", async (open) => {
  const engine = await open(1);
  const model = await ofTime("lstm", 1, [5, 4, 1], {});
  assert.deepEqual(model.window, { frames: 2, advance: 1, predictions: 1, carriesState: true });
  const [one, two] = await trainedBy(engine, model, [1, 2]);
  assert.deepEqual(two, one);
  const start = model.initialize(1).flatMap((values) => [...values]);
  assert.ok(one.some((value, index) => value !== start[index]));
});

testOnEngines("a network of layers trains by lanes, and leaves nothing behind", async (open) => {
  const engine = await open(1);
  const folder = new URL("../fixtures/layers_model/lstm/", import.meta.url).pathname;
  const configuration = { ...defaultRun.model, name: `${folder}model.json` };
  const model = buildModel(configuration, noiseDataset(), 3, await findModel(configuration.name));
  assert.deepEqual(model.outputShape, [5, 4, 1]);
  const runs = await trainedBy(engine, model, [1, 2]);
  assert.deepEqual(runs[1], runs[0]);
  const start = model.initialize(1).flatMap((values) => [...values]);
  assert.ok(runs[0].some((value, index) => value !== start[index]));
});

const { layers } = keras;
const forgetful = () => layers.gaussianDropout({ rate: 0.5, name: "forgetful" });
const inside = (layer: keras.layers.Layer) =>
  keras.sequential({ name: "inner", layers: [layers.flatten({ inputShape: [4, 5, 1] }), layer] });
const rows = () => layers.reshape({ targetShape: [4, 5], inputShape: [4, 5, 1] });

testOnEngines(
  "layers that answer classes with a softmax have the cross-entropy as their loss",
  async (open) => {
    await open(1);
    const flat = () => layers.flatten({ inputShape: [4, 5, 1] });
    const dense = (activation?: "softmax" | "sigmoid") => layers.dense({ units: 3, activation });
    const threeClasses = { targetShape: [3], classes: ["a", "b", "c"] };
    const lossOf = async (
      own: keras.layers.Layer[],
      data: Pick<Dataset, "targetShape" | "classes"> = threeClasses,
    ) => {
      const network = keras.sequential({ layers: own });
      const { loss } = await opened(network, [4, 5, 1], 2, { task: "answers" }, undefined, data);
      disposeWeights(network);
      return loss;
    };
    assert.equal(await lossOf([flat(), dense("softmax")]), "cross-entropy");
    assert.equal(await lossOf([inside(dense("softmax"))]), "cross-entropy");
    assert.equal(await lossOf([flat(), dense(), layers.softmax()]), "cross-entropy");
    assert.equal(
      await lossOf([flat(), dense(), layers.activation({ activation: "softmax" })]),
      "cross-entropy",
    );
    assert.equal(
      await lossOf([
        layers.timeDistributed({ layer: layers.flatten(), inputShape: [2, 4, 5, 1] }),
        layers.timeDistributed({ layer: dense("softmax") }),
      ]),
      "cross-entropy",
    );
    assert.equal(await lossOf([flat(), dense("sigmoid")]), undefined);
    assert.equal(await lossOf([flat(), dense()]), undefined);
    assert.equal(await lossOf([flat(), dense("softmax")], { targetShape: [3] }), undefined);
  },
  ["wasm"],
);

testOnEngines(
  "layers whose outputs are shaped unlike what they are compared with are refused",
  async (open) => {
    await open(1);
    const threeClasses = { targetShape: [3], classes: ["a", "b", "c"] };
    for (
      const [units, options, data, says] of [
        [
          3,
          {},
          threeClasses,
          /: it answers with \[3\], a frame is \[4,5,1\]: add --model-options task=answers$/,
        ],
        [
          2,
          { task: "reconstruction" },
          threeClasses,
          /: it answers with \[2\], a frame is \[4,5,1\]: save it with outputs of that shape, or /,
        ],
        [
          2,
          { task: "answers" },
          threeClasses,
          /: it answers with \[2\], the dataset with \[3\]; save it with outputs of that shape$/,
        ],
        [
          2,
          { task: "answers" },
          {},
          /: task=answers needs a dataset that has some, and this one has none; such are --dataset /,
        ],
      ] as const
    ) {
      const network = keras.sequential({
        layers: [layers.flatten({ inputShape: [4, 5, 1] }), layers.dense({ units })],
      });
      await assert.rejects(opened(network, [4, 5, 1], 2, options, undefined, data), {
        name: "ModelError",
        message: says,
      });
      disposeWeights(network);
    }
  },
  ["wasm"],
);

const refused: readonly {
  layers: () => keras.layers.Layer[];
  says: RegExp;
  edit?: (topology: string) => string;
}[] = [
  {
    layers: () => [layers.flatten({ inputShape: [4, 5, 1] }), forgetful()],
    says:
      /layer "forgetful" \(GaussianDropout\) draws random numbers \(rate 0.5\), which would be others on every worker; leave /,
  },
  {
    layers: () => [inside(forgetful())],
    says:
      /layer "inner\/forgetful" \(GaussianDropout\) draws random numbers \(rate 0.5\), which would be others on every worker; leave /,
  },
  {
    layers: () => [rows(), layers.timeDistributed({ name: "each", layer: forgetful() })],
    says:
      /layer "each\/forgetful" \(GaussianDropout\) draws random numbers \(rate 0.5\), which would be others on every worker; leave /,
  },
  {
    layers: () => [
      rows(),
      layers.bidirectional({
        ...{ name: "both", mergeMode: "concat" },
        layer: layers.lstm({ units: 2, dropout: 0.5, name: "row" }) as keras.RNN,
      }),
    ],
    says: /layer "both\/forward_row" \(LSTM\) draws random numbers \(dropout 0.5\), which /,
  },
  {
    layers: () => [
      rows(),
      layers.rnn({
        name: "cells",
        cell: [layers.gruCell({ units: 2, recurrentDropout: 0.5, name: "first" })],
      }),
    ],
    says:
      /layer "cells\/.*first" \(GRUCell\) draws random numbers \(recurrent_dropout 0.5\), which /,
  },
  {
    layers: () => [
      inside(layers.dense({ units: 2, kernelRegularizer: "l1l2", name: "decayed" })),
    ],
    says:
      /layer "inner\/decayed" \(Dense\) has a kernel_regularizer, which would not be applied; save it without/,
  },
  {
    layers: () => [rows(), layers.lstm({ units: 2, recurrentConstraint: "nonNeg", name: "bound" })],
    says:
      /layer "bound" \(LSTM\) has a recurrent_constraint, which would not be applied; save it without/,
  },
];

testOnEngines(
  "layers that cannot be trained by lanes are refused by name, also within others",
  async (open) => {
    await open(1);
    for (const { layers: build, says, edit } of refused) {
      const own = build();
      const network = keras.sequential({
        layers: own,
      });
      await assert.rejects(opened(network, [4, 5, 1], 3, {}, edit), {
        name: "ModelError",
        message: says,
      });
      disposeWeights(network);
    }
  },
  ["wasm"],
);

testOnEngines(
  "layers that are not trained stay as they are, alone and within others",
  async (open) => {
    const engine = await open(1);
    const frozen = layers.conv2d({
      ...{ filters: 2, kernelSize: 3, padding: "same", activation: "tanh", name: "frozen" },
      ...{
        trainable: false,
        useBias: true,
        inputShape: [5, 4, 1],
        biasInitializer: "randomNormal",
      },
    });
    const inner = keras.sequential({
      name: "inner",
      layers: [layers.conv2d({
        ...{ filters: 2, kernelSize: 3, padding: "same", inputShape: [5, 4, 2] },
        ...{ name: "within", activation: "tanh", biasInitializer: "randomNormal" },
      })],
    });
    const network = keras.sequential({
      layers: [
        frozen,
        inner,
        layers.conv2d({ filters: 1, kernelSize: 3, padding: "same", name: "trained" }),
      ],
    });
    const model = await opened(network, [5, 4, 1], 3, {}, (topology) => {
      const edited = topology.replace('{"name":"inner"', '{"name":"inner","trainable":false');
      assert.notEqual(edited, topology);
      return edited;
    });
    assert.deepEqual(
      model.parameters.map(({ name, shape }) => [name, shape]),
      [["trained/kernel", [3, 3, 2, 1]], ["trained/bias", [1]]],
    );
    const frames = randomFrames([2, 4, 5, 4, 1], 1);
    const expected = () =>
      tf.tidy(() => {
        const seen = tf.reshape(tf.slice(frames, [0, 0], [-1, 3]), [6, 5, 4, 1]);
        return (network.predict(seen) as Tensor).dataSync() as Float32Array;
      });
    const [before] = await playWindows(engine, model, [frames]);
    assertClose(before, expected(), "predictions");
    const [one, two] = await trainedBy(engine, model, [1, 2]);
    assert.deepEqual(two, one);
    const [kernel, bias] = [one.slice(0, 18), one.slice(18)];
    assert.notDeepEqual(kernel, model.initialize(1)[0]);
    // With these weights in the layer that is trained alone, TensorFlow.js says the same.
    tf.tidy(() =>
      network.getLayer("trained").setWeights([tf.tensor(kernel, [3, 3, 2, 1]), tf.tensor(bias)])
    );
    const initialize = () => [kernel, bias];
    const [after] = await playWindows(engine, { ...model, initialize }, [frames]);
    assertClose(after, expected(), "predictions after training");
    frames.dispose();
    disposeWeights(network);
  },
);

testOnEngines("a network none of whose layers is trained is refused", async (open) => {
  await open(1);
  const network = keras.sequential({
    layers: [
      layers.flatten({ inputShape: [4, 5, 1] }),
      layers.dense({ units: 2, trainable: false }),
    ],
  });
  await assert.rejects(opened(network, [4, 5, 1], 1), {
    name: "ModelError",
    message: /: none of its weights is trained; save it with a layer that is trainable$/,
  });
  disposeWeights(network);
}, ["wasm"]);
