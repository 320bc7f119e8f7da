import assert from "node:assert/strict";
import { defaultRun } from "../../launch/run_flags.ts";
import {
  checkRunConfiguration,
  resumableFields,
  type RunConfiguration,
} from "../../net/run_configuration.ts";

type Change = { readonly [K in keyof RunConfiguration]?: Partial<RunConfiguration[K]> };

function changed(change: Change): RunConfiguration {
  const entries = Object.entries(defaultRun).map(([name, value]) => {
    const other = change[name as keyof RunConfiguration];
    const isPart = typeof value === "object" && value !== null && other !== undefined;
    return [name, isPart ? { ...value, ...other as object } : other ?? value];
  });
  return Object.fromEntries(entries);
}

Deno.test("checkRunConfiguration takes the default run and what is within the rules", () => {
  const sound: Change[] = [
    {},
    { lanes: 12, shards: 1, workers: 1 },
    { lanes: 24, shards: 12, workers: 12 },
    { dataset: { sequenceFrames: 41, sequenceFramesMin: 2 } },
    { engine: "wasm", precision: "float32" },
    { engine: "tensorflow", precision: "bfloat16" },
    { model: { kernelSize: 1 } },
    { optimizer: { schedule: "one-cycle", warmupSteps: 0 } },
    { optimizer: { schedule: "cosine", warmupSteps: 100 } },
    { optimizer: { schedule: "constant", warmupSteps: 100 } },
    { optimizer: { name: "sgd", momentum: 0.9 } },
    { optimizer: { name: "rmsprop", momentum: 0.9 } },
    { workers: 3, membership: { workersMin: 3 } },
    { membership: { heartbeatMs: 500, silenceMsMax: 1000 } },
    // What fits the engine is chosen later.
    { membership: { heartbeatMs: 5000, silenceMsMax: null } },
  ];
  for (const change of sound) checkRunConfiguration(changed(change));
});

Deno.test("checkRunConfiguration refuses what contradicts itself, with the flags to change", () => {
  const contradictions: [Change, string][] = [
    [
      { lanes: 12, shards: 5 },
      "Cannot cut 12 lanes into 5 equal shards: make --lanes a multiple of --shards",
    ],
    [
      { lanes: 4, shards: 4, workers: 5 },
      "Cannot share 4 shards among 5 workers: each worker needs at least one; lower --workers or " +
      "raise --lanes and --shards",
    ],
    [
      { workers: 2, membership: { workersMin: 3 } },
      "Cannot start with 2 workers and go on with at least 3: lower --min-workers",
    ],
    [
      { membership: { heartbeatMs: 501, silenceMsMax: 1001 } },
      "Cannot take a worker for dead after 1001 ms when it gives a sign of life every 501 ms: " +
      "raise --dead-ms to at least twice --heartbeat-ms",
    ],
    [
      { dataset: { sequenceFrames: 20, sequenceFramesMin: 21 } },
      "Cannot generate sequences of 21 to 20 frames: --sequence-frames-min is above " +
      "--sequence-frames",
    ],
    [
      { engine: "wasm", precision: "bfloat16" },
      "Cannot run --precision bfloat16 on --engine wasm: it computes in float32 only",
    ],
    [
      { model: { kernelSize: 4 } },
      "Cannot use --kernel 4: a 'same' convolution of recurrent state needs an odd size",
    ],
    [
      { optimizer: { schedule: "one-cycle", warmupSteps: 5 } },
      "Cannot use --warmup-steps 5 with --schedule one-cycle: it has a rise of its own; leave " +
      "--warmup-steps out, or use cosine",
    ],
    [
      { optimizer: { name: "adam", momentum: 0.9 } },
      "Cannot use --momentum 0.9 with --optimizer adam: only sgd and rmsprop have one to set",
    ],
    [
      { optimizer: { name: "adamw", momentum: 0.5 } },
      "Cannot use --momentum 0.5 with --optimizer adamw: only sgd and rmsprop have one to set",
    ],
  ];
  for (const [change, message] of contradictions) {
    assert.throws(() => checkRunConfiguration(changed(change)), { name: "RangeError", message });
  }
});

Deno.test("resumableFields are fields of a configuration", () => {
  for (const field of resumableFields) assert.ok(Object.hasOwn(defaultRun, field), field);
});
