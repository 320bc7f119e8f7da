/** What a program of one's own can do with `mod.ts` alone: train, save, open, predict, score. */
import assert from "node:assert/strict";
import {
  arrayDataset,
  builtInModels,
  cnnLstm,
  convAutoencoder,
  convLstm,
  convLstmClassifier,
  convLstmUnet,
  createPredictor,
  type Dataset,
  decodeSafetensors,
  encoderForecaster,
  encodeSafetensors,
  flatParameters,
  type Model,
  namedParameters,
  openEngine,
  predNet,
  predRnn,
  scoreSplit,
  seq2seqConvLstm,
  sequenceReader,
  shiConvLstm,
  tf,
  trainAlone,
  vae,
} from "../mod.ts";

const frameShape = [8, 8, 1] as const;
const frames = 6;

/** A bar that moves a pixel each frame. */
function bar(start: number): Float32Array {
  return Float32Array.from(
    { length: frames * 64 },
    (_, i) => i % 8 === (start + Math.floor(i / 64)) % 8 ? 1 : 0,
  );
}

function bars(): Dataset {
  const all = Array.from({ length: 4 }, (_, index) => bar(2 * index));
  return arrayDataset({
    name: "moving bars",
    frameShape,
    sequences: { train: all, validation: all, test: all.slice(0, 3) },
  });
}

/** The same with a class for each sequence: bars that begin on the left and on the right. */
function labelledBars(): Dataset {
  return {
    ...bars(),
    targetShape: [2],
    classes: ["left", "right"],
    readTargets: ({ sequence, frames }) =>
      Promise.resolve(
        Float32Array.from({ length: 2 * frames }, (_, i) => +(i % 2 === +(sequence >= 2))),
      ),
  };
}

Deno.test("mod.ts trains, saves and opens a model, predicts with it and scores it", async () => {
  const engine = await openEngine("auto", { threads: 1, precision: "float32" });
  const dataset = bars();
  const model = convLstm({ frameShape, filters: [3], kernelSize: 3, windowFrames: 3 });
  const trained = await trainAlone({ engine, dataset, model, epochs: 2, lanes: 2 });
  assert.ok(trained.steps > 0 && trained.persistenceLoss! > 0);
  assert.equal(trained.accuracy, undefined, "nothing is classified");

  const file = encodeSafetensors(namedParameters(model, trained.parameters));
  const opened = flatParameters(model, decodeSafetensors(file));
  assert.deepEqual(opened, trained.parameters);

  const parameters = tf.tensor1d(opened);
  const predictor = createPredictor({ engine, model, parameters });
  const read = sequenceReader({ dataset, split: "test" }, 1);
  const predicted = await Array.fromAsync(predictor.predict(frames, read));
  assert.deepEqual(predicted.map(({ frame }) => frame), [1, 2, 3, 4, 5]);
  assert.deepEqual(predicted[0].truth, bar(2).slice(64, 128));
  assert.ok(predicted.every(({ prediction }) => prediction.every(Number.isFinite)));

  const scoring = { engine, model, parameters, dataset, lanes: 2 };
  const { means } = await scoreSplit({ ...scoring, split: "validation" });
  assert.equal(means.loss, trained.validationLoss, "another loss than the training's own");
  assert.equal(means.persistenceLoss, trained.persistenceLoss);
  const { result } = await scoreSplit({ ...scoring, thresholds: [0.5], scales: [1] });
  assert.equal(result.frames!.pooled.frames, 3 * 5);
  assert.equal(result.frames!.pooled.events.length, 1);
  predictor.dispose();
  parameters.dispose();
  engine.dispose();
});

Deno.test("trainAlone() tells of no last frame where nothing is forecast, and of classes", async () => {
  const engine = await openEngine("auto", { threads: 1, precision: "float32" });
  const drawn = await trainAlone({
    ...{ engine, dataset: bars(), lanes: 2 },
    model: vae({
      ...{ frameShape, form: "conv2d", filters: [2, 2], units: 4, latent: 2, klWeight: 1 },
      windowFrames: 2,
    }),
  });
  assert.ok(!("persistenceLoss" in drawn) && !("accuracy" in drawn), JSON.stringify(drawn));
  assert.ok(drawn.validationLoss > 0);
  const classified = await trainAlone({
    ...{ engine, dataset: labelledBars(), lanes: 2 },
    model: convLstmClassifier({ frameShape, filters: 2, classes: 2, windowFrames: frames }),
  });
  assert.ok([0, 0.25, 0.5, 0.75, 1].includes(classified.accuracy!), `${classified.accuracy}`);
  assert.ok(!("persistenceLoss" in classified));
  engine.dispose();
});

Deno.test("mod.ts has a builder for each network that --model knows", () => {
  const window = { frameShape: [64, 64, 1], windowFrames: 3 } as const;
  const forecast = { frameShape: [64, 64, 1], inputFrames: 3, outputFrames: 2 } as const;
  const [filters, kernelSize] = [[2, 2], 3] as const;
  const models: Model[] = [
    convLstm({ ...window, filters, kernelSize }),
    encoderForecaster({ ...forecast, filters, kernelSize }),
    shiConvLstm({
      ...{ ...forecast, cell: "convlstm", filters, patch: 4 },
      ...{ inputKernelSize: 3, stateKernelSize: 3 },
    }),
    cnnLstm({ ...window, classes: 2, filters: 2, units: 2 }),
    convLstmClassifier({ ...window, classes: 2, filters: 2 }),
    convAutoencoder({ ...window, filters, kernelSize, latent: 2, outputActivation: "sigmoid" }),
    vae({ ...window, form: "convlstm", filters, units: 4, latent: 2, klWeight: 1 }),
    seq2seqConvLstm({ ...forecast, filters: 2, kernelSize, decoderInput: "own" }),
    convLstmUnet({
      ...{ ...window, mode: "next-frame", outputShape: window.frameShape },
      ...{ outputActivation: "sigmoid", filters: 2, levels: 2, kernelSize },
    }),
    predNet({ ...window, filters: [2], kernelSize, upperErrorWeight: 0 }),
    predRnn({
      ...{ ...window, ...forecast, mode: "forecast", layers: 2, filters: 2, kernelSize },
      ...{ patch: 4, hasBias: false },
    }),
  ];
  assert.deepEqual(models.map(({ name }) => name), Object.keys(builtInModels));
});

Deno.test("flatParameters() and namedParameters() refuse those of another model", () => {
  const options = { frameShape, kernelSize: 3, windowFrames: 3 };
  const [small, large] = [[2], [3]].map((filters) => convLstm({ ...options, filters }));
  const count = small.parameters.reduce(
    (sum, { shape }) => sum + shape.reduce((size, side) => size * side, 1),
    0,
  );
  const named = namedParameters(small, new Float32Array(count));
  assert.throws(() => flatParameters(large, named, "weights.safetensors"), /weights\.safetensors/);
  assert.throws(() => namedParameters(large, new Float32Array(count)), RangeError);
});
