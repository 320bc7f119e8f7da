import assert from "node:assert/strict";
import { arrayDataset, type ArrayDatasetOptions } from "../../datasets/array_dataset.ts";
import type { Engine } from "../../engine/engine.ts";
import { convLstmUnet } from "../../models/convlstm_unet.ts";
import type { RunConfiguration } from "../../net/run_configuration.ts";
import type { SequencePrediction } from "../../worker/opened_run.ts";
import { samplePredictions } from "../../worker/sample_predictions.ts";
import { assertClose } from "../models/close_to.ts";
import { noiseDataset, smallModel, smallRun, testOnEngines, withTrainers } from "./small_run.ts";

const framePixels = 20;

async function sample(
  engine: Engine,
  configuration: RunConfiguration,
  sequencesMax: number,
  framesMax: number,
): Promise<SequencePrediction[]> {
  let samples: SequencePrediction[] = [];
  await withTrainers(engine, 1, async ([{ trainer }]) => {
    samples = await samplePredictions({
      trainer,
      model: smallModel(configuration),
      dataset: noiseDataset(),
      lanesPerShard: configuration.lanes / configuration.shards,
      sequencesMax,
      framesMax,
    });
  }, { configuration });
  return samples;
}

testOnEngines("samplePredictions window by window is the whole sequence at once", async (open) => {
  const engine = await open(1);
  // The same weights whatever the window: they do not depend on it.
  const [whole] = await sample(engine, { ...smallRun, windowFrames: 9 }, 1, 10);
  assert.equal(whole.predictions.length, 9 * framePixels);
  for (const windowFrames of [1, 2, 3, 4, 9]) {
    for (const shards of [6, 2]) {
      const [sequence] = await sample(engine, { ...smallRun, windowFrames, shards }, 1, 10);
      assert.deepEqual([sequence.frames, sequence.firstPredicted], [10, 1]);
      const what = `windows of ${windowFrames}, ${shards} shards`;
      const tolerance = { relative: 1e-6, floor: 1e-7 };
      assertClose(sequence.predictions, whole.predictions, what, tolerance);
    }
  }
});

testOnEngines(
  "samplePredictions takes test sequences of one length, with their truth",
  async (open) => {
    const engine = await open(1);
    const dataset = noiseDataset();
    const samples = await sample(engine, smallRun, 4, 10);
    // Of 5, 9, 11 and 10 frames.
    assert.deepEqual(samples.map(({ label, frames }) => [label, frames]), [
      ["test/2", 10],
      ["test/3", 10],
    ]);
    for (const { label, frames, truth, firstPredicted, predictions } of samples) {
      const sequence = Number(label.split("/")[1]);
      const read = await dataset.read({ split: "test", epoch: 0, sequence, offset: 0, frames });
      assert.deepEqual(truth, read);
      assert.equal(predictions.length, (frames - firstPredicted) * framePixels);
      assert.ok(predictions.every((value) => value > 0 && value < 1));
    }
    assert.notDeepEqual(samples[0].predictions, samples[1].predictions);
    assert.equal((await sample(engine, smallRun, 1, 10)).length, 1);
    // No longer than the longest, and never shorter than a window.
    const labels = async (framesMax: number) =>
      (await sample(engine, smallRun, 9, framesMax)).map(({ label, frames }) => [label, frames]);
    assert.deepEqual(await labels(100), [["test/2", 11]]);
    assert.deepEqual(await labels(1), [0, 1, 2, 3].map((index) => [`test/${index}`, 4]));
  },
);

testOnEngines("samplePredictions gives one window of an encoder-forecaster", async (open) => {
  const engine = await open(1);
  const model = { ...smallRun.model, name: "encoder-forecaster" as const };
  const samples = await sample(engine, { ...smallRun, model }, 2, 10);
  assert.deepEqual(samples.map(({ label }) => label), ["test/2", "test/3"]);
  for (const { frames, firstPredicted, truth, predictions } of samples) {
    assert.deepEqual([frames, firstPredicted], [5, 3]);
    assert.equal(truth.length, 5 * framePixels);
    assert.equal(predictions.length, 2 * framePixels);
    assert.ok(predictions.every((value) => value > 0 && value < 1));
  }
});

const [height, width] = [4, 4];

/** What is shown of a network that answers to each of the three frames of a sequence. */
async function sampleAnswers(
  engine: Engine,
  { channels, targets, outputShape, activation }: {
    channels: 1 | 3;
    targets: ArrayDatasetOptions["targets"];
    outputShape: readonly number[];
    activation: "sigmoid" | "softmax";
  },
): Promise<SequencePrediction[]> {
  const frameShape = [height, width, channels] as const;
  const seen = Float32Array.from({ length: 3 * 16 * channels }, (_, i) => (i % 7) / 7);
  const dataset = arrayDataset({
    ...{ name: "shades", frameShape, targets },
    sequences: { train: [seen], validation: [seen], test: [seen] },
  });
  const model = convLstmUnet({
    ...{ frameShape, windowFrames: 2, mode: "supervised", outputShape },
    ...{ outputActivation: activation, filters: 2, levels: 2, kernelSize: 3 },
  });
  let samples: SequencePrediction[] = [];
  await withTrainers(engine, 1, async ([{ trainer }]) => {
    samples = await samplePredictions({
      ...{ trainer, model, dataset, lanesPerShard: 1, sequencesMax: 1, framesMax: 10 },
    });
  }, { model, hasTargets: true });
  return samples;
}

testOnEngines("samplePredictions shows the answers beside a network that answers", async (open) => {
  const engine = await open(1);
  const answer = new Float32Array(3 * 16).fill(0.75);
  const [sample] = await sampleAnswers(engine, {
    ...{ channels: 3, outputShape: [height, width, 1], activation: "sigmoid" },
    targets: {
      shape: [height, width, 1],
      values: { train: [answer], validation: [answer], test: [answer] },
    },
  });
  assert.deepEqual([sample.frames, sample.firstPredicted], [3, 0]);
  assert.deepEqual(sample.truth, answer);
  assert.equal(sample.predictions.length, answer.length);
  const { channels, classes, seen } = sample.answer!;
  assert.deepEqual([channels, classes, seen.length], [1, [], 3 * 16]);
  // The mean of the channels of the first pixel.
  assert.ok(Math.abs(seen[0] - 1 / 7) < 1e-6);
});

testOnEngines("samplePredictions shows the likeliest class of each pixel", async (open) => {
  const engine = await open(1);
  const names = ["ground", "ball"];
  const map = Float32Array.from({ length: 3 * 16 }, (_, i) => i % 3 === 0 ? 1 : 0);
  const oneHot = Float32Array.from({ length: 2 * map.length }, (_, i) => +(map[i >> 1] === i % 2));
  const [sample] = await sampleAnswers(engine, {
    ...{ channels: 1, outputShape: [height, width, 2], activation: "softmax" },
    targets: {
      ...{ shape: [height, width, 2], classes: names },
      values: { train: [oneHot], validation: [oneHot], test: [oneHot] },
    },
  });
  assert.deepEqual([sample.frames, sample.firstPredicted], [3, 0]);
  assert.deepEqual(sample.truth, map);
  assert.equal(sample.predictions.length, map.length);
  assert.ok(sample.predictions.every((value) => value === 0 || value === 1));
  assert.deepEqual(sample.answer!.classes, names);
});
