import assert from "node:assert/strict";
import { tf } from "../../engine/tf.ts";
import { frameByFrame } from "../../worker/frame_by_frame.ts";
import { canRollOut, createRollout, noRolloutBecause } from "../../worker/rollout.ts";
import { scoreRollouts } from "../../worker/rollout_scores.ts";
import { createPredictor } from "../../worker/sequence_predictor.ts";
import { noiseDataset, smallModel, smallRun, testOnEngines } from "./small_run.ts";

const dataset = noiseDataset();
const size = 20;
const build = (windowFrames: number) => smallModel({ ...smallRun, windowFrames });
const single = frameByFrame(build(3), build);

function parametersOf(model: typeof single) {
  return tf.tensor1d(model.initialize(7).flatMap((values) => [...values]));
}

testOnEngines("a rollout predicts as if its own predictions were the frames", async (open) => {
  const engine = await open(1);
  const parameters = parametersOf(single);
  const before = tf.memory().numTensors;
  const [contextFrames, leads] = [2, 3];
  const rollout = createRollout({ engine, model: single, parameters, contextFrames, leads });
  const read = async (offset: number, frames: number) => ({
    frames: await dataset.read({ split: "test", epoch: 0, sequence: 2, offset, frames }),
  });
  const truth = (await read(0, 11)).frames;
  const predictor = createPredictor({ engine, model: single, parameters });
  const starts: number[] = [];
  for await (const { start, predictions } of rollout.forecasts(11, read)) {
    starts.push(start);
    // The true frames up to the start, then what the rollout itself predicted.
    const seen = new Float32Array((start + leads) * size);
    seen.set(truth.subarray(0, start * size));
    seen.set(predictions, start * size);
    const asFrames = (offset: number, count: number) =>
      Promise.resolve({ frames: seen.slice(offset * size, (offset + count) * size) });
    const found: number[] = [];
    for await (const { frame, prediction } of predictor.predict(start + leads, asFrames)) {
      if (frame >= start) found.push(...prediction);
    }
    assert.deepEqual(found, [...predictions], `from ${start} on`);
  }
  assert.deepEqual(starts, [2, 5, 8]);
  rollout.dispose();
  predictor.dispose();
  assert.equal(tf.memory().numTensors, before, "tensors are left");
  parameters.dispose();
});

testOnEngines("rollouts are scored by lead time, beside the last true frame", async (open) => {
  const engine = await open(1);
  const parameters = parametersOf(single);
  const lengths = { contextFrames: 2, leads: 4 };
  const rollout = createRollout({ engine, model: single, parameters, ...lengths });
  const reader = (sequence: number) => async (offset: number, frames: number) => ({
    frames: await dataset.read({ split: "test", epoch: 0, sequence, offset, frames }),
  });
  const scoring = { dataset, split: "test", thresholds: [0.5], scales: [], reader } as const;
  const result = await scoreRollouts({ ...scoring, rollout });
  // Of 5, 9, 11 and 10 frames: none, 1, 2 and 2 forecasts.
  assert.equal(result.forecasts, 5);
  assert.deepEqual(result.frames.leads.map(({ frames }) => frames), [5, 5, 5, 5]);
  // The second forecast of the last sequence, from frame 6 on, by hand.
  let squares = 0;
  for (const [sequence, start] of [[1, 2], [2, 2], [2, 6], [3, 2], [3, 6]]) {
    const frames = (await reader(sequence)(start - 1, 5)).frames;
    const [last, fourth] = [frames.subarray(0, size), frames.subarray(4 * size)];
    last.forEach((value, i) => squares += (value - fourth[i]) ** 2);
  }
  const { mse } = result.persistence!.leads[3];
  assert.ok(Math.abs(mse! - squares / 5) < 1e-6, `${mse}, by hand ${squares / 5}`);
  // Noise is no rain: nothing says how it moves.
  assert.equal(result.extrapolation, undefined);
  const seen = { contextFrames: 8, leads: 4 };
  const tooLong = createRollout({ engine, model: single, parameters, ...seen });
  await assert.rejects(
    scoreRollouts({ ...scoring, rollout: tooLong }),
    /^RangeError: Cannot score rollouts: none of 4 test sequences has the 8 \+ 4 frames/,
  );
  rollout.dispose();
  tooLong.dispose();
  parameters.dispose();
});

testOnEngines("what predicts no next frame cannot be rolled out", async (open) => {
  const engine = await open(1);
  const configuration = { ...smallRun.model, name: "encoder-forecaster" } as const;
  const model = smallModel({ ...smallRun, model: configuration });
  assert.equal(canRollOut(model), false);
  const parameters = tf.tensor1d([0]);
  assert.throws(
    () => createRollout({ engine, model, parameters, contextFrames: 1, leads: 1 }),
    /^RangeError: Cannot feed model "encoder-forecaster" its own predictions: its window is /,
  );
  parameters.dispose();
});

Deno.test("noRolloutBecause tells a fixed window from a network that could not go on at all", () => {
  assert.equal(noRolloutBecause(build(3), single), undefined);
  const fixed = build(3);
  assert.match(
    noRolloutBecause(fixed, fixed)!,
    /^its window is fixed at 3 frames, and it would have to read one at a time; give it windows /,
  );
  const forgetful = { ...fixed, window: { ...fixed.window, carriesState: false } };
  assert.match(noRolloutBecause(forgetful, forgetful)!, /^only a network that predicts the next /);
  const { model } = smallRun;
  const forecaster = smallModel({ ...smallRun, model: { ...model, name: "encoder-forecaster" } });
  assert.equal(
    noRolloutBecause(forecaster, forecaster),
    "it forecasts 2 frames at once as it is",
  );
});
