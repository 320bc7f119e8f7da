import assert from "node:assert/strict";
import { tf } from "../../engine/tf.ts";
import { buildModel } from "../../models/build_model.ts";
import type { Model } from "../../models/model.ts";
import type { Options } from "../../net/options.ts";
import type { ModelName } from "../../net/run_configuration.ts";
import { createForecast, noForecastBecause } from "../../worker/forecast.ts";
import { frameByFrame } from "../../worker/frame_by_frame.ts";
import { createRollout } from "../../worker/rollout.ts";
import { createPredictor } from "../../worker/sequence_predictor.ts";
import { noiseDataset, smallModel, smallRun, testOnEngines } from "./small_run.ts";

const dataset = noiseDataset();
const size = 20;
const build = (windowFrames: number) => smallModel({ ...smallRun, windowFrames });
const single = frameByFrame(build(3), build);
const { model } = smallRun;
/** Reads 3 frames, forecasts 2. */
const forecaster = smallModel({ ...smallRun, model: { ...model, name: "encoder-forecaster" } });

function parametersOf(model: Model) {
  return tf.tensor1d(model.initialize(7).flatMap((values) => [...values]));
}

const read = async (offset: number, frames: number) => ({
  frames: await dataset.read({ split: "test", epoch: 0, sequence: 2, offset, frames }),
});

/** As where the rest of the sequence was never recorded. */
function readUntil(end: number) {
  return (offset: number, frames: number) => {
    assert.ok(offset + frames <= end, `read frame ${offset + frames} of ${end}`);
    return read(offset, frames);
  };
}

testOnEngines("a forecast from a shortened sequence has the bits of the rollout", async (open) => {
  const engine = await open(1);
  const parameters = parametersOf(single);
  const before = tf.memory().numTensors;
  const options = { engine, model: single, parameters, leads: 3 };
  const rollout = createRollout({ ...options, contextFrames: 2 });
  const forecast = createForecast(options);
  assert.equal(forecast.framesMin, 1);
  let compared = 0;
  for await (const { start, predictions } of rollout.forecasts(11, read)) {
    assert.deepEqual(await forecast.after(start, readUntil(start)), predictions, `from ${start}`);
    compared++;
  }
  assert.equal(compared, 3);
  // After the very last frame there is no truth: what comes is no repetition of what was there.
  const beyond = await forecast.after(11, readUntil(11));
  assert.equal(beyond.length, 3 * size);
  assert.ok(beyond.every(Number.isFinite));
  await assert.rejects(forecast.after(0, readUntil(0)), /from no frames/);
  rollout.dispose();
  forecast.dispose();
  assert.equal(tf.memory().numTensors, before, "tensors are left");
  parameters.dispose();
});

testOnEngines("a forecaster reads its own forecasts beyond its horizon", async (open) => {
  const engine = await open(1);
  const parameters = parametersOf(forecaster);
  const before = tf.memory().numTensors;
  const { window } = forecaster;
  assert.deepEqual([window.frames, window.predictions, window.carriesState], [5, 2, false]);
  const predictor = createPredictor({ engine, model: forecaster, parameters });
  const forecast = createForecast({ engine, model: forecaster, parameters, leads: 5 });
  assert.equal(forecast.framesMin, 3);
  // From frames 4 to 6 of 7, with the truth of the two that follow at hand.
  const windowAt = async (frames: Float32Array) => {
    const spans = (offset: number, count: number) =>
      Promise.resolve({ frames: frames.slice(offset * size, (offset + count) * size) });
    const all = await Array.fromAsync(predictor.predict(5, spans));
    return all.map(({ prediction }) => [...prediction]);
  };
  const [first, second] = await windowAt((await read(4, 5)).frames);
  const forecasts = [...await forecast.after(7, readUntil(7))];
  const lead = (index: number) => forecasts.slice(index * size, (index + 1) * size);
  assert.deepEqual([lead(0), lead(1)], [first, second]);
  // The next window: the last true frame and the two that were forecast; then three forecast ones.
  const last = [...(await read(6, 1)).frames];
  const hidden = Array(2 * size).fill(0.5);
  const beyond = await windowAt(Float32Array.from([...last, ...first, ...second, ...hidden]));
  assert.deepEqual([lead(2), lead(3)], beyond);
  const [fifth] = await windowAt(Float32Array.from([...second, ...beyond.flat(), ...hidden]));
  assert.deepEqual(lead(4), fifth);
  await assert.rejects(forecast.after(2, readUntil(2)), /from 2 frames: it takes 3/);
  predictor.dispose();
  forecast.dispose();
  assert.equal(tf.memory().numTensors, before, "tensors are left");
  parameters.dispose();
});

testOnEngines(
  "a next frame from a window without state is forecast from the last window",
  async (open) => {
    const engine = await open(1);
    const whole = build(3);
    // The same network, told that every window begins anew.
    const forgetful = { ...whole, window: { ...whole.window, carriesState: false } };
    const parameters = parametersOf(forgetful);
    const forecast = createForecast({ engine, model: forgetful, parameters, leads: 2 });
    assert.equal(forecast.framesMin, 3);
    const predictor = createPredictor({ engine, model: forgetful, parameters });
    const nextOf = async (frames: Float32Array) => {
      const spans = (offset: number, count: number) =>
        Promise.resolve({ frames: frames.slice(offset * size, (offset + count) * size) });
      return [...(await Array.fromAsync(predictor.predict(4, spans))).at(-1)!.prediction];
    };
    const forecasts = [...await forecast.after(9, readUntil(9))];
    const next = await nextOf((await read(6, 4)).frames);
    assert.deepEqual(forecasts.slice(0, size), next);
    const seen = (await read(7, 2)).frames;
    const after = await nextOf(Float32Array.from([...seen, ...next, ...Array(size).fill(0)]));
    assert.deepEqual(forecasts.slice(size), after);
    predictor.dispose();
    forecast.dispose();
    parameters.dispose();
  },
);

Deno.test("noForecastBecause() refuses what predicts no frames that come", () => {
  assert.equal(noForecastBecause(build(3), single), undefined);
  assert.equal(noForecastBecause(forecaster, forecaster), undefined);
  const fixed = build(3);
  assert.match(noForecastBecause(fixed, fixed)!, /^its window is fixed at 3 frames/);
  const autoencoder = { ...single, persistence: undefined };
  assert.match(noForecastBecause(autoencoder, autoencoder)!, /answers or reconstructs/);
  const classifier = { ...single, outputShape: [4] };
  assert.match(noForecastBecause(classifier, classifier)!, /answers or reconstructs/);
});

/** Small forms of all built-in networks, for frames of 16 x 16. */
const forms: Readonly<Record<ModelName, readonly Options[]>> = {
  "convlstm": [{}],
  "encoder-forecaster": [{}],
  "shi-convlstm": [{ filters: [2], patch: 4 }, { cell: "fc-lstm", filters: [8], patch: 4 }],
  "seq2seq-convlstm": [{ filters: 2 }],
  "convlstm-unet": [{ filters: 2, levels: 2 }, { filters: 2, levels: 2, mode: "supervised" }],
  "prednet": [{ filters: [2, 3] }],
  "predrnn": [
    { layers: 2, filters: 2, kernel: 3 },
    { layers: 2, filters: 2, kernel: 3, mode: "next-frame" },
    { layers: 2, filters: 2, kernel: 3, "loss-frames": "all", "truth-steps": 10 },
  ],
  "cnn-lstm": [{}],
  "convlstm-classifier": [{}],
  "conv-autoencoder": [{}],
  "vae": [{ form: "conv2d" }, { form: "convlstm" }],
};
const classified = ["cnn-lstm", "convlstm-classifier"];
const refused = [...classified, "conv-autoencoder", "vae"];

testOnEngines(
  "every network that predicts frames forecasts with the bits that it predicts",
  async (open) => {
    const engine = await open(1);
    const pixels = 256;
    const noise = Float32Array.from({ length: 12 * pixels }, (_, i) => ((i * 7919) % 1000) / 1000);
    const reader = (end: number) => (offset: number, count: number) => {
      assert.ok(offset + count <= end);
      return Promise.resolve({ frames: noise.slice(offset * pixels, (offset + count) * pixels) });
    };
    let forecast = 0;
    for (const [name, each] of Object.entries(forms)) {
      for (const options of each) {
        const own = (windowFrames: number) =>
          buildModel(
            { ...model, name: name as ModelName, filters: [2], options },
            {
              frameShape: [16, 16, 1],
              ...(classified.includes(name) && { targetShape: [2], classes: ["a", "b"] }),
              ...(options.mode === "supervised" && { targetShape: [16, 16, 1] }),
            },
            windowFrames,
          );
        const whole = own(4);
        const byFrame = frameByFrame(whole, own);
        const what = `${name} ${JSON.stringify(options)}`;
        const why = noForecastBecause(whole, byFrame);
        if (refused.includes(name) || options.mode === "supervised") {
          assert.match(why!, /answers or reconstructs/, what);
          continue;
        }
        assert.equal(why, undefined, what);
        forecast++;
        const parameters = parametersOf(byFrame);
        const opened = createForecast({ engine, model: byFrame, parameters, leads: 2 });
        const found = await opened.after(8, reader(8));
        if (byFrame.window.carriesState) {
          const rollout = createRollout({
            ...{ engine, model: byFrame, parameters, contextFrames: 8, leads: 2 },
          });
          const [{ predictions }] = await Array.fromAsync(rollout.forecasts(12, reader(12)));
          assert.deepEqual(found, predictions, what);
          rollout.dispose();
        } else {
          // Its first window of 3 frames in and 2 out begins at frame 5 here.
          const predictor = createPredictor({ engine, model: byFrame, parameters });
          const later = (offset: number, count: number) => reader(12)(offset + 5, count);
          const all = await Array.fromAsync(predictor.predict(5, later));
          assert.deepEqual([...found], all.flatMap(({ prediction }) => [...prediction]), what);
          predictor.dispose();
        }
        opened.dispose();
        parameters.dispose();
      }
    }
    assert.equal(forecast, 10);
  },
);
