import assert from "node:assert/strict";
import { defaultRun } from "../../launch/run_flags.ts";
import { settingWarnings } from "../../worker/setting_warnings.ts";

const window = { frames: 6, advance: 5, predictions: 5, carriesState: true };
const sequences = (count: number, frames = 11) => ({
  catalogue: () => Array.from({ length: count }, (_, index) => ({ id: `${index}`, frames })),
});
const warnings = (lanes: number, count: number, optimizer = {}, totalSteps = 10) =>
  settingWarnings(
    { ...defaultRun, lanes, optimizer: { ...defaultRun.optimizer, ...optimizer } },
    sequences(count),
    window,
    totalSteps,
  );

Deno.test("settingWarnings tells padding above a quarter, with the figures", () => {
  assert.deepEqual(warnings(4, 8), []);
  // 3 sequences on 4 lanes: a quarter exactly.
  assert.deepEqual(warnings(4, 3), []);
  assert.deepEqual(warnings(12, 1), [
    "92 % of what 12 lanes compute is padding, with 1 training sequence to share; give fewer " +
    "--lanes, or more or shorter sequences",
  ]);
});

Deno.test("settingWarnings tells a warm-up that does not end before the run", () => {
  const cosine = { schedule: "cosine" };
  assert.deepEqual(warnings(4, 8, { ...cosine, warmupSteps: 9 }), []);
  assert.deepEqual(warnings(4, 8, { ...cosine, warmupSteps: 10 }), [
    "--warmup-steps 10 is not below the run's 10 steps: the learning rate rises to its end and " +
    "--schedule cosine never begins",
  ]);
  assert.deepEqual(warnings(4, 8, { warmupSteps: 100 }), [
    "--warmup-steps 100 is not below the run's 10 steps: the learning rate rises to its end",
  ]);
});

Deno.test("settingWarnings hands on what the dataset says", () => {
  const dataset = { ...sequences(8), warnings: ["frames have 9 channels"] };
  assert.deepEqual(settingWarnings({ ...defaultRun, lanes: 4 }, dataset, window, Infinity), [
    "frames have 9 channels",
  ]);
});
