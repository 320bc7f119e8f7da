import assert from "node:assert/strict";
import { type GivenFlags, parseFlags } from "../../launch/flags.ts";
import { shardsWarning } from "../../launch/default_shards.ts";
import { configureRun, defaultRun, runFlags } from "../../launch/run_flags.ts";
import type { RunConfiguration } from "../../net/run_configuration.ts";

function configure(args: string, base: RunConfiguration = defaultRun): RunConfiguration {
  return configureRun(parseFlags(args.split(" ").filter((part) => part !== ""), runFlags), base);
}

/** Fields that differ, by path. */
function differences(a: unknown, b: unknown, path = ""): string[] {
  if (typeof a === "object" && a !== null && typeof b === "object" && b !== null) {
    // One of the two may have fields that the other lacks.
    return Object.keys({ ...a, ...b }).flatMap((key) =>
      differences(a[key as keyof typeof a], b[key as keyof typeof b], `${path}.${key}`)
    );
  }
  return Object.is(a, b) ? [] : [path.slice(1)];
}

/** For each flag, a value that is not the default, and the fields that it changes. */
const effects: Readonly<Record<keyof typeof runFlags, readonly [value: string, ...string[]]>> = {
  dataset: ["radar", "dataset.name"],
  data: ["digits.npy", "dataset.path"],
  size: ["32", "dataset.frameSize"],
  digits: ["3", "dataset.digits"],
  "sequence-frames": ["61", "dataset.sequenceFrames", "dataset.sequenceFramesMin"],
  "sequence-frames-min": ["11", "dataset.sequenceFramesMin"],
  sequences: ["10", "dataset.sequences"],
  "validation-sequences": ["11", "dataset.validationSequences"],
  "test-sequences": ["13", "dataset.testSequences"],
  endless: ["", "dataset.endless"],
  "dataset-options": ["segmentation=true", "dataset.options.segmentation"],
  model: ["encoder-forecaster", "model.name"],
  "model-options": ["latent=6", "model.options.latent"],
  filters: ["8,4", "model.filters.0", "model.filters.1"],
  kernel: ["5", "model.kernelSize"],
  "input-frames": ["5", "model.inputFrames"],
  "output-frames": ["6", "model.outputFrames"],
  window: ["7", "windowFrames"],
  stride: ["3", "windowStride"],
  loss: ["bce", "loss"],
  optimizer: ["sgd", "optimizer.name"],
  "learning-rate": ["0.1", "optimizer.learningRate"],
  momentum: ["0.9", "optimizer.momentum"],
  "weight-decay": ["0.1", "optimizer.weightDecay"],
  "clip-norm": ["2", "optimizer.clipNorm"],
  schedule: ["cosine", "optimizer.schedule"],
  "warmup-steps": ["10", "optimizer.warmupSteps"],
  workers: ["3", "workers"],
  "min-workers": ["2", "membership.workersMin"],
  "wait-timeout": ["30", "membership.waitTimeoutMs"],
  "start-timeout": ["40", "membership.startTimeoutMs"],
  "heartbeat-ms": ["100", "membership.heartbeatMs"],
  "dead-ms": ["2000", "membership.silenceMsMax"],
  lanes: ["18", "lanes", "shards"],
  shards: ["4", "shards"],
  steps: ["20", "epochs", "steps"],
  epochs: ["5", "epochs"],
  shuffle: ["off", "shuffle"],
  engine: ["wasm", "engine"],
  precision: ["bfloat16", "precision"],
  threads: ["2", "threads"],
  seed: ["7", "seed"],
  "on-nan": ["skip", "onNan"],
  "on-bad-file": ["skip", "dataset.onBadFile"],
  "snapshot-steps": ["4", "snapshotSteps"],
  "checkpoint-steps": ["9", "checkpointSteps"],
  "images-every": ["25", "imageSteps"],
};

/** Momentum is refused where the optimizer has none, and a run has all the workers it needs. */
function baseFor(name: string): RunConfiguration {
  if (name === "momentum") return configure("--optimizer sgd");
  return name === "min-workers" ? configure("--workers 3") : defaultRun;
}

Deno.test("configureRun: every flag changes its own fields and no others", () => {
  assert.deepEqual(Object.keys(effects).sort(), Object.keys(runFlags).sort());
  for (const [name, [value, ...fields]] of Object.entries(effects)) {
    const base = baseFor(name);
    const run = configure(`--${name} ${value}`, base);
    assert.deepEqual(differences(base, run).sort(), [...fields].sort(), `--${name}`);
  }
});

Deno.test("configureRun: no flags give the default run, and the default is within the flags' limits", () => {
  assert.deepEqual(configure(""), defaultRun);
  for (const [name, flag] of Object.entries(runFlags)) {
    if (!("defaultText" in flag) || !/^[\d.,]+$/.test(flag.defaultText)) continue;
    // The help's default is the one that holds.
    const text = `--${name} ${flag.defaultText}`;
    const base = baseFor(name);
    assert.deepEqual(differences(base, configure(text, base)), [], text);
  }
});

Deno.test("configureRun on a resume keeps what the run was made with", () => {
  const saved = configure(
    "--lanes 12 --shards 6 --sequence-frames 40 --sequence-frames-min 20 --window 8 --seed 9 " +
      "--endless --clip-norm 1 --data radar --optimizer sgd --momentum 0.9 --epochs 4",
  );
  assert.deepEqual(configure("", saved), saved);
  // The same flags said again change nothing: not what follows from them by default either.
  for (const again of ["--lanes 12", "--sequence-frames 40", "--seed 9", "--epochs 4"]) {
    assert.deepEqual(configure(again, saved), saved, again);
  }
  assert.deepEqual(differences(saved, configure("--workers 3 --threads 2", saved)), [
    "threads",
    "workers",
  ]);
});

Deno.test("configureRun takes all digits of mnist, as many as are given, or as many as the run did", () => {
  const counts = ({ dataset }: RunConfiguration) => [
    ...[dataset.sequences, dataset.validationSequences, dataset.testSequences],
  ];
  const whole = configure("--dataset mnist");
  assert.ok(counts(whole).every((count) => count >= 60_000), `${counts(whole)}`);
  const some = configure("--dataset mnist --sequences 240 --test-sequences 9");
  assert.deepEqual([some.dataset.sequences, some.dataset.testSequences], [240, 9]);
  assert.deepEqual(configure("", some), some);
  assert.deepEqual(counts(configure("--dataset moving-mnist", whole)), counts(defaultRun));
  const many = configure("--sequences 77");
  assert.equal(configure("--dataset bouncing-balls", many).dataset.sequences, 77);
});

Deno.test("configureRun: --steps and --epochs replace each other, or both hold", () => {
  const ends = (args: string, base = defaultRun) => {
    const { epochs, steps } = configure(args, base);
    return [epochs, steps];
  };
  assert.deepEqual(ends(""), [defaultRun.epochs, null]);
  assert.deepEqual(ends("--steps 12"), [null, 12]);
  assert.deepEqual(ends("--epochs 2"), [2, null]);
  assert.deepEqual(ends("--epochs 2 --steps 12"), [2, 12]);
  const bySteps = configure("--steps 12");
  assert.deepEqual(ends("", bySteps), [null, 12]);
  assert.deepEqual(ends("--steps 24", bySteps), [null, 24]);
  assert.deepEqual(ends("--epochs 2", bySteps), [2, null]);
  const both = configure("--epochs 2 --steps 12");
  assert.deepEqual(ends("", both), [2, 12]);
  // Whatever is given, the run ends.
  for (const base of [defaultRun, bySteps, both]) {
    for (const args of ["", "--steps 5", "--epochs 5", "--steps 5 --epochs 5"]) {
      assert.notDeepEqual(ends(args, base), [null, null]);
    }
  }
});

Deno.test("configureRun cuts lanes into the most shards up to 12 that divide them", () => {
  const expected: [lanes: number, shards: number][] = [
    [1, 1],
    [2, 2],
    [7, 7],
    [11, 11],
    // No number up to 12 divides these: many small shards let any number of workers share them.
    [13, 13],
    [17, 17],
    [14, 7],
    [16, 8],
    [24, 12],
    [26, 13],
    [34, 17],
    [39, 13],
    [127, 127],
    // So many shards would cost more than they are worth.
    [131, 1],
    [262, 2],
    [4099, 1],
    [96, 12],
    [100, 10],
  ];
  for (const [lanes, shards] of expected) {
    assert.equal(configure(`--lanes ${lanes}`).shards, shards, `${lanes} lanes`);
  }
  assert.equal(configure("--lanes 24 --shards 24").shards, 24);
  assert.equal(configure("--shards 3").shards, 3);
});

Deno.test("shardsWarning names lanes that few workers can share, and the nearest that many can", () => {
  const warning = (given: GivenFlags) =>
    shardsWarning(given, configureRun({ ...given, workers: 1 }, defaultRun));
  assert.equal(
    warning({ lanes: 131 }),
    "131 lanes divide into 1 equal shard only, so no more than 1 worker can share them; --lanes 132 " +
      "would make 12",
  );
  assert.match(
    warning({ lanes: 262 })!,
    /^262 lanes divide into 2 equal shards only, .* 2 workers/,
  );
  for (const lanes of [1, 2, 3, 4, 13, 26, 120, 4096]) assert.equal(warning({ lanes }), undefined);
  assert.equal(warning({ lanes: 131, shards: 1 }), undefined, "it was asked for");
});

Deno.test("configureRun: wrong usage is a UsageError with one sentence", () => {
  const refuse = (given: GivenFlags, message: RegExp) =>
    assert.throws(() => configureRun(given, defaultRun), { name: "UsageError", message });
  refuse({ lanes: 8, shards: 3 }, /make --lanes a multiple of --shards$/);
  refuse({ workers: 13 }, /^Cannot share 12 shards among 13 workers/);
  refuse({ kernel: 2 }, /^Cannot use --kernel 2/);
  refuse({ "sequence-frames-min": 50 }, /--sequence-frames-min is above --sequence-frames$/);
  refuse({ engine: "wasm", precision: "bfloat16" }, /float32 only$/);
  refuse({ schedule: "one-cycle", "warmup-steps": 3 }, /rise of its own/);
  refuse({ workers: 2, "min-workers": 3 }, /lower --min-workers$/);
  refuse({ "heartbeat-ms": 600, "dead-ms": 1000 }, /raise --dead-ms to at least twice/);
});

Deno.test("the help of --warmup-steps names the schedules that it is for", () => {
  assert.match(runFlags["warmup-steps"].help, /constant or cosine/);
});
