/** Arrays with missing values from training to scores, beside what one computes from the predictions. */
import assert from "node:assert/strict";
import { arrayDataset } from "../../datasets/array_dataset.ts";
import type { Dataset } from "../../datasets/dataset.ts";
import { tf } from "../../engine/tf.ts";
import { convLstm } from "../../models/convlstm.ts";
import { convLstmUnet } from "../../models/convlstm_unet.ts";
import { random } from "../../net/random.ts";
import { createRollout } from "../../worker/rollout.ts";
import { scoreRollouts } from "../../worker/rollout_scores.ts";
import { scoreSplit } from "../../worker/score_split.ts";
import { createPredictor } from "../../worker/sequence_predictor.ts";
import { sequenceReader } from "../../worker/sequence_reader.ts";
import { trainAlone } from "../../worker/train_alone.ts";
import { assertClose } from "../models/close_to.ts";
import { testOnEngines } from "./small_run.ts";

const [side, frames] = [8, 9];
const size = side * side;
const frameShape = [side, side, 1] as const;

/** Noise of which a corner and, here and there, more is missing; of the fifth frame all. */
function sequence(name: string): Float32Array {
  const stream = random("missing scores", name);
  return Float32Array.from({ length: frames * size }, (_, i) => {
    const value = stream.uniform();
    const [frame, row, column] = [Math.floor(i / size), Math.floor(i / side) % side, i % side];
    const isCorner = row < 3 && column < 3;
    return isCorner || frame === 4 || stream.uniform() < 0.1 ? NaN : value;
  });
}

function sequences(name: string, count: number): Float32Array[] {
  return Array.from({ length: count }, (_, index) => sequence(`${name} ${index}`));
}

const dataset = arrayDataset({
  ...{ name: "gaps", frameShape, hasMissing: true },
  sequences: {
    train: sequences("train", 4),
    validation: sequences("validation", 2),
    test: sequences("test", 3),
  },
});

/** Mean squared difference where both are known, and of how many. */
function meanSquare(pairs: readonly (readonly [ArrayLike<number>, ArrayLike<number>])[]) {
  let [sum, count] = [0, 0];
  for (const [one, two] of pairs) {
    for (let i = 0; i < one.length; i++) {
      const square = (one[i] - two[i]) ** 2;
      if (Number.isNaN(square)) continue;
      sum += square;
      count++;
    }
  }
  return { mean: sum / count, count };
}

const frameOf = (values: Float32Array, frame: number) =>
  values.subarray(frame * size, (frame + 1) * size);

testOnEngines(
  "arrays with missing values are trained on, predicted and scored by what was observed",
  async (open) => {
    const engine = await open(1);
    const model = convLstm({ frameShape, filters: [3], kernelSize: 3, windowFrames: 3 });
    const trained = await trainAlone({ engine, dataset, model, epochs: 2, lanes: 2, shards: 2 });
    assert.ok(trained.validationLoss > 0 && trained.validationLoss < 1);
    const parameters = tf.tensor1d(trained.parameters);
    const scoring = { engine, model, parameters, dataset, lanes: 2, shards: 2 };
    const { means } = await scoreSplit({ ...scoring, split: "validation" });
    assert.deepEqual(
      [means.loss, means.persistenceLoss],
      [trained.validationLoss, trained.persistenceLoss],
    );

    const predictor = createPredictor({ engine, model, parameters, hasMissing: true });
    const [pairs, repeated]: [Float32Array, Float32Array][][] = [[], []];
    for (const index of [0, 1, 2]) {
      const own = sequence(`test ${index}`);
      const read = sequenceReader({ dataset, split: "test" }, index);
      for await (const { frame, prediction, truth } of predictor.predict(frames, read)) {
        assert.deepEqual(truth, frameOf(own, frame));
        assert.ok(prediction.every(Number.isFinite));
        pairs.push([prediction, truth]);
        repeated.push([frameOf(own, frame - 1), truth]);
      }
    }
    const { means: test, result } = await scoreSplit({
      ...scoring,
      thresholds: [0.5],
      scales: [3],
    });
    const [own, last] = [meanSquare(pairs), meanSquare(repeated)];
    const { pooled } = result.frames!;
    assertClose([test.loss, pooled.mse! / size], [own.mean, own.mean], "loss", { relative: 1e-6 });
    const ofLast = result.persistence!.pooled;
    const found = [test.persistenceLoss!, ofLast.mse! / size];
    assertClose(found, [last.mean, last.mean], "last frame repeated", { relative: 1e-6 });
    assertClose([pooled.observedShare!], [own.count / (3 * 8 * size)], "share");
    assertClose([ofLast.observedShare!], [last.count / (3 * 8 * size)], "share that both know");
    const { hits, misses, falseAlarms, correctNegatives } = pooled.events[0].counts;
    assert.equal(hits + misses + falseAlarms + correctNegatives, own.count);
    // Nothing is told of the dark frame, nor of the one after it, whose last frame is dark.
    assert.deepEqual(result.frameErrors!.sequences[0].frames, [1, 2, 3, 6, 7, 8]);
    predictor.dispose();
    parameters.dispose();
  },
);

testOnEngines(
  "a rollout goes on from frames that miss values, and is scored where the truth does not",
  async (open) => {
    const engine = await open(1);
    const model = convLstm({ frameShape, filters: [3], kernelSize: 3, windowFrames: 1 });
    const parameters = tf.tensor1d(model.initialize(3).flatMap((values) => [...values]));
    const options = { engine, model, parameters, contextFrames: 2, leads: 3 };
    const rollout = createRollout({ ...options, hasMissing: true });
    const reader = (index: number) => sequenceReader({ dataset, split: "test" }, index);
    // As if zeros had been seen, which is what the network reads in place of what is missing.
    const zeros: Dataset = {
      ...dataset,
      hasMissing: undefined,
      read: async (request) => (await dataset.read(request)).map((value) => value || 0),
    };
    const plain = createRollout(options);
    const pairs: [Float32Array, Float32Array][] = [];
    for (const index of [0, 1, 2]) {
      const own = sequence(`test ${index}`);
      const expected = plain.forecasts(
        frames,
        sequenceReader({ dataset: zeros, split: "test" }, index),
      );
      for await (const { start, predictions } of rollout.forecasts(frames, reader(index))) {
        assert.deepEqual((await expected.next()).value!.predictions, predictions);
        pairs.push([predictions, own.subarray(start * size, (start + 3) * size)]);
      }
      await expected.return();
    }
    const { frames: scores } = await scoreRollouts({
      ...{ dataset, rollout, split: "test", reader, thresholds: [], scales: [] },
    });
    assertClose([scores.pooled.mse! / size], [meanSquare(pairs).mean], "rollout", {
      relative: 1e-6,
    });
    rollout.dispose();
    plain.dispose();
    parameters.dispose();
  },
);

testOnEngines("labels to ignore count in no accuracy and no confusion", async (open) => {
  const engine = await open(1);
  const classes = ["none", "some", "much"];
  const answersOf = (name: string, count: number) =>
    Array.from({ length: count }, (_, index) => {
      const stream = random("labels", name, index);
      const answers = new Float32Array(frames * size * 3);
      for (let start = 0; start < answers.length; start += 3) {
        if (stream.uniform() < 0.3) answers.fill(NaN, start, start + 3);
        else answers[start + stream.integer(3)] = 1;
      }
      return answers;
    });
  const whole = (name: string, count: number) =>
    sequences(name, count).map((values) => values.map((value) => value || 0));
  const test = answersOf("test", 2);
  const labelled = arrayDataset({
    ...{ name: "labels", frameShape, hasMissingTargets: true },
    sequences: {
      train: whole("train", 2),
      validation: whole("validation", 2),
      test: whole("test", 2),
    },
    targets: {
      ...{ shape: [side, side, 3], classes },
      values: { train: answersOf("train", 2), validation: answersOf("validation", 2), test },
    },
  });
  const model = convLstmUnet({
    ...{ frameShape, mode: "supervised", outputShape: [side, side, 3], windowFrames: 3 },
    ...{ outputActivation: "softmax", filters: 2, levels: 2, kernelSize: 3 },
  });
  const trained = await trainAlone({ engine, dataset: labelled, model, lanes: 2 });
  const parameters = tf.tensor1d(trained.parameters);
  const { means, result } = await scoreSplit({
    ...{ engine, model, parameters, dataset: labelled, lanes: 2 },
  });
  const predictor = createPredictor({
    ...{ engine, model, parameters, hasMissing: true, targetShape: labelled.targetShape },
  });
  let [known, right, crossEntropy] = [0, 0, 0];
  for (const index of [0, 1]) {
    const read = sequenceReader({ dataset: labelled, split: "test" }, index);
    for await (const { frame, prediction, truth } of predictor.predict(frames, read)) {
      assert.deepEqual(truth, test[index].subarray(frame * size * 3, (frame + 1) * size * 3));
      for (let start = 0; start < truth.length; start += 3) {
        const actual = truth.subarray(start, start + 3).indexOf(1);
        if (actual < 0) continue;
        const shares = prediction.subarray(start, start + 3);
        known++;
        if (shares.indexOf(Math.max(...shares)) === actual) right++;
        crossEntropy -= Math.log(shares[actual] / shares.reduce((sum, share) => sum + share, 0));
      }
    }
  }
  assertClose([means.loss], [crossEntropy / known], "cross-entropy", { relative: 1e-5 });
  assertClose([means.accuracy!], [right / known], "accuracy", { relative: 1e-6 });
  const counts = result.classes!.confusion.flat();
  assert.equal(counts.reduce((sum, count) => sum + count, 0), known);
  assert.ok(known < 2 * frames * size * 0.8);
  predictor.dispose();
  parameters.dispose();
});
