import assert from "node:assert/strict";
import type { Engine } from "../../engine/engine.ts";
import { type Tensor, tf } from "../../engine/tf.ts";
import type { Model } from "../../models/model.ts";
import { areSameNetwork, frameByFrame } from "../../worker/frame_by_frame.ts";
import { createPredictor, type FramePrediction } from "../../worker/sequence_predictor.ts";
import { classDataset, noisyClassifier } from "./noisy_classifier.ts";
import { noiseDataset, smallModel, smallRun, testOnEngines } from "./small_run.ts";

const dataset = noiseDataset();

async function flatParameters(model: Model): Promise<Tensor> {
  const arrays = model.initialize(7);
  return await Promise.resolve(tf.tensor1d(arrays.flatMap((values) => [...values])));
}

async function predictAll(
  engine: Engine,
  model: Model,
  frames: number,
  readFrames?: number,
  data = dataset,
): Promise<FramePrediction[]> {
  const parameters = await flatParameters(model);
  const predictor = createPredictor({ engine, model, parameters, targetShape: data.targetShape });
  const all: FramePrediction[] = [];
  let next = 0;
  const read = async (offset: number, count: number) => {
    assert.ok(offset + count <= frames && offset >= next, "read out of order");
    next = offset;
    const request = { split: "test", epoch: 0, sequence: 2, offset, frames: count } as const;
    const targets = await data.readTargets?.(request);
    return { frames: await data.read(request), ...(targets ? { targets } : {}) };
  };
  for await (const each of predictor.predict(frames, read, readFrames)) all.push(each);
  predictor.dispose();
  parameters.dispose();
  return all;
}

const windowsOf = (windowFrames: number) => smallModel({ ...smallRun, windowFrames });

testOnEngines(
  "predicting window by window is the whole sequence at once, bit for bit",
  async (open) => {
    const engine = await open(1);
    const frames = 11;
    const whole = await predictAll(engine, frameByFrame(windowsOf(5), windowsOf), frames, frames);
    assert.deepEqual(whole.map(({ frame }) => frame), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    const truth = await dataset.read({ split: "test", epoch: 0, sequence: 2, offset: 0, frames });
    for (const { frame, truth: found } of whole) {
      assert.deepEqual(found, truth.slice(20 * frame, 20 * (frame + 1)));
    }
    // Whatever window the network was trained with, and however much is read at a time.
    for (const windowFrames of [1, 3, 5, 10, 20]) {
      const model = frameByFrame(windowsOf(windowFrames), windowsOf);
      for (const readFrames of [1, 5, 10, 20]) {
        assert.deepEqual(await predictAll(engine, model, frames, readFrames), whole);
      }
    }
    // With its own window it is the same network, but for rounding.
    const own = await predictAll(engine, windowsOf(5), frames);
    own.forEach(({ prediction }, index) =>
      prediction.forEach((value, i) =>
        assert.ok(Math.abs(value - whole[index].prediction[i]) < 1e-6)
      )
    );
  },
);

testOnEngines(
  "a predictor begins each sequence from a state of zeros",
  async (open) => {
    const engine = await open(1);
    const model = windowsOf(3);
    const parameters = await flatParameters(model);
    const predictor = createPredictor({ engine, model, parameters });
    const predict = async (sequence: number) => {
      const read = async (offset: number, frames: number) => ({
        frames: await dataset.read({ split: "test", epoch: 0, sequence, offset, frames }),
      });
      const all: FramePrediction[] = [];
      for await (const each of predictor.predict(9, read)) all.push(each);
      return all;
    };
    const alone = await predict(2);
    await predict(1);
    assert.deepEqual(await predict(2), alone);
    predictor.dispose();
    parameters.dispose();
  },
);

testOnEngines(
  "a predictor begins each window of a forecaster anew, and says its leads",
  async (open) => {
    const engine = await open(1);
    const configuration = { ...smallRun.model, name: "encoder-forecaster" as const };
    const model = smallModel({ ...smallRun, model: configuration });
    assert.equal(frameByFrame(model, windowsOf), model);
    const predicted = await predictAll(engine, model, 9);
    assert.deepEqual(predicted.map(({ frame, lead }) => [frame, lead]), [[3, 0], [4, 1], [8, 0]]);
    const first = await predictAll(engine, model, 5);
    assert.deepEqual(first, predicted.slice(0, 2));
  },
);

testOnEngines(
  "a predictor compares answers of any shape, and carries their state",
  async (open) => {
    const engine = await open(1);
    const [model, data] = [noisyClassifier(), classDataset()];
    const predicted = await predictAll(engine, model, 11, 4, data);
    assert.equal(predicted.length, 11);
    const request = { split: "test", epoch: 0, sequence: 2, offset: 0, frames: 11 } as const;
    assert.deepEqual(
      predicted.flatMap(({ truth }) => [...truth]),
      [...await data.readTargets!(request)],
    );
    for (const { prediction } of predicted) {
      assert.ok(Math.abs(prediction.reduce((sum, share) => sum + share, 0) - 1) < 1e-5);
    }
  },
);

testOnEngines(
  "areSameNetwork tells what looks along its window from what does not",
  async (open) => {
    const engine = await open(1);
    const read = async (offset: number, frames: number) => ({
      frames: await dataset.read({ split: "test", epoch: 0, sequence: 2, offset, frames }),
    });
    const lookingAlong = (model: Model): Model => ({
      ...model,
      apply(parameters, state, inputs) {
        const output = model.apply(parameters, state, inputs);
        const mean = tf.mean(output.predictions, 1, true);
        return { ...output, predictions: tf.mul(0.5, tf.add(output.predictions, mean)) };
      },
    });
    for (
      const [change, expected] of [[(model: Model) => model, true], [lookingAlong, false]] as const
    ) {
      const models = [change(windowsOf(4)), change(windowsOf(1))];
      const parameters = await flatParameters(models[0]);
      const [one, two] = models.map((model) => createPredictor({ engine, model, parameters }));
      assert.equal(await areSameNetwork(one, two, 5, read), expected);
      one.dispose();
      two.dispose();
      parameters.dispose();
    }
  },
);
