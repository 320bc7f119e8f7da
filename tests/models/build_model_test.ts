import assert from "node:assert/strict";
import { defaultRun } from "../../launch/run_flags.ts";
import { buildModel, builtInModels } from "../../models/build_model.ts";
import type { Options } from "../../net/options.ts";
import { type ModelName, modelNames } from "../../net/run_configuration.ts";
import { parameterCount } from "./model_checks.ts";

const digits = { frameShape: [64, 64, 1] } as const;
const points = {
  frameShape: [50, 130, 1],
  targetShape: [4],
  classes: ["a", "b", "c", "d"],
} as const;

function build(name: ModelName, data: Parameters<typeof buildModel>[1], options: Options = {}) {
  return buildModel({ ...defaultRun.model, name, options }, data, 20);
}

Deno.test("buildModel builds the published networks where no option is given", () => {
  const images = { frameShape: [28, 28, 1] } as const;
  const colours = { frameShape: [128, 160, 3] } as const;
  const published: [ModelName, Parameters<typeof buildModel>[1], number][] = [
    ["shi-convlstm", digits, 7_585_296],
    ["cnn-lstm", points, 13_039],
    ["convlstm-classifier", points, 29_504],
    ["conv-autoencoder", images, 320 + 18_496 + 6_274 + 6_336 + 18_464 + 289],
    ["prednet", colours, 6_915_948],
    ["predrnn", digits, 23_838_720],
  ];
  for (const [name, data, count] of published) {
    assert.equal(parameterCount(build(name, data)), count, name);
  }
});

Deno.test("buildModel knows every name, and no two parameters or states are called alike", () => {
  for (const name of modelNames) {
    const model = build(
      name,
      name.startsWith("cnn") || name.endsWith("classifier") ? points : digits,
    );
    assert.equal(model.name, name);
    assert.ok(model.window.predictions <= model.window.frames);
  }
});

Deno.test("each declared option is read: another value gives another model", () => {
  const others: Partial<Record<ModelName, Record<string, Options[string]>>> = {
    "shi-convlstm": {
      "cell": "fc-lstm",
      "filters": [4],
      "input-kernel": 3,
      "state-kernel": 3,
      "patch": 2,
      "output-mean": 0.1,
    },
    "cnn-lstm": { filters: 3, units: 3 },
    "convlstm-classifier": { filters: 3 },
    "conv-autoencoder": { "outer-filters": 3, "inner-filters": 3, "kernel": 5, "latent": 3 },
    "vae": {
      "form": "convlstm",
      "outer-filters": 3,
      "inner-filters": 3,
      "units": 3,
      "latent": 3,
      "output-mean": 0.1,
    },
    "seq2seq-convlstm": { filters: 3, kernel: 5, "output-mean": 0.1 },
    "convlstm-unet": { mode: "supervised", filters: 3, levels: 2, kernel: 5, background: 0.9 },
    "prednet": { filters: [2], kernel: 5 },
    "predrnn": {
      ...{ mode: "next-frame", layers: 2, filters: 3, kernel: 3, patch: 2, bias: true },
      "truth-steps": 5,
    },
  };
  /** What an option is refused without. */
  const beside: Readonly<Record<string, Options>> = { background: { output: "softmax" } };
  /** These act in `apply` alone, where the networks' own tests check them. */
  const withoutShape = [
    ...["output", "kl-weight", "decoder-input", "upper-errors"],
    ...["loss-frames", "both-ways"],
  ];
  for (const [name, options] of Object.entries(others) as [ModelName, Options][]) {
    const data = name.startsWith("cnn") || name.endsWith("classifier")
      ? points
      : { ...digits, targetShape: [64, 64, 3] };
    const shapes = (given: Options) => {
      const { parameters, state, window, noise } = build(name, data, given);
      return JSON.stringify([parameters, state, window, noise]);
    };
    const declared = builtInModels[name].options.map((option) => option.name);
    assert.deepEqual(
      declared.filter((option) => !withoutShape.includes(option)).sort(),
      Object.keys(options).sort(),
      name,
    );
    for (const [option, value] of Object.entries(options)) {
      const more = beside[option] ?? {};
      assert.notEqual(shapes({ ...more, [option]: value }), shapes(more), `${name} ${option}`);
    }
  }
});

Deno.test("models say which data they are for", () => {
  assert.throws(() => build("cnn-lstm", digits), /cnn-lstm for a dataset with no answers/);
  const segmented = { ...digits, targetShape: [64, 64, 3] };
  assert.throws(() => build("convlstm-classifier", segmented), /answers of shape \[64,64,3\]/);
  assert.throws(
    () => build("predrnn", { frameShape: [62, 64, 1] }),
    /62 × 64 pixels into patches of 4/,
  );
  assert.throws(() => build("shi-convlstm", { frameShape: [62, 64, 1] }), /into patches of 4/);
});

Deno.test("initial values are Keras': Glorot, orthogonal, zeros, ones for forget gates", () => {
  const model = build("shi-convlstm", { frameShape: [8, 8, 1] }, { filters: [3, 2] });
  const [first, again, other] = [3, 3, 4].map((seed) => model.initialize(seed));
  assert.deepEqual(first, again);
  model.parameters.forEach(({ name, shape }, index) => {
    const values = [...first[index]];
    if (name.endsWith("ernel")) return assert.notDeepEqual(first[index], other[index], name);
    const gate = shape[0] / 4;
    const isForget = (at: number) => name.includes("layer") && at >= gate && at < 2 * gate;
    const isBias = name.endsWith("/bias");
    assert.deepEqual(values, values.map((_, at) => isBias && isForget(at) ? 1 : 0), name);
  });
});
