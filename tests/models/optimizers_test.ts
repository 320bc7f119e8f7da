import assert from "node:assert/strict";
import { tf } from "../../engine/tf.ts";
import { buildOptimizer } from "../../models/optimizers/build_optimizer.ts";
import type { OptimizerName } from "../../net/run_configuration.ts";
import keras from "../fixtures/optimizers/keras.json" with { type: "json" };
import torch from "../fixtures/optimizers/torch.json" with { type: "json" };
import { assertClose } from "./close_to.ts";
import { type Compile, testOnEachEngine } from "./each_engine.ts";

const { initial, gradients, rates, clip } = torch.inputs;

interface Case {
  readonly name: OptimizerName;
  readonly momentum?: number;
  readonly clipNorm?: number;
  readonly expected: readonly number[][];
}

const cases: readonly Case[] = [
  { name: "sgd", expected: torch.optimizers.sgd },
  { name: "sgd", clipNorm: clip, expected: torch.optimizers["sgd, clipped"] },
  { name: "sgd", momentum: 0.9, expected: keras.optimizers["sgd, momentum"] },
  { name: "rmsprop", expected: keras.optimizers.rmsprop },
  { name: "rmsprop", momentum: 0.9, expected: keras.optimizers["rmsprop, momentum"] },
  { name: "rmsprop", clipNorm: clip, expected: keras.optimizers["rmsprop, clipped"] },
  { name: "adam", expected: torch.optimizers.adam },
  { name: "adam", clipNorm: clip, expected: torch.optimizers["adam, clipped"] },
  { name: "adamw", expected: torch.optimizers.adamw },
];

testOnEachEngine("buildOptimizer updates as PyTorch and Keras do", async (compile) => {
  for (const { name, momentum = 0, clipNorm = null, expected } of cases) {
    const optimizer = buildOptimizer({ name, momentum, clipNorm, weightDecay: 0.1 });
    assert.equal(optimizer.name, name);
    const course = await updates(compile, optimizer);
    assert.deepEqual(keras.inputs, torch.inputs);
    expected.forEach((parameters, step) => {
      const what = `${name}, momentum ${momentum}, clip ${clipNorm}, step ${step + 1}`;
      assertClose(course[step], parameters, what, { relative: 2e-6 });
    });
  }
});

testOnEachEngine("adam matches the float64 reference run", async (compile) => {
  const golden = await readGolden();
  if (golden === undefined) return;
  const { learningRate, name } = golden.optimizer;
  const optimizer = buildOptimizer({ name, momentum: 0, clipNorm: null, weightDecay: 0 });
  const windows = golden.windows.map((window) => window.gradients.flat());
  const course = await updates(compile, optimizer, {
    initial: golden.initial.flat(),
    gradients: windows,
    rates: windows.map(() => learningRate),
  });
  const final = golden.final.flat();
  assertClose(course[windows.length - 1], final, "final", { relative: 1e-5, floor: 1e-6 });
});

Deno.test("buildOptimizer names a slot for every vector that it keeps", () => {
  const slots = (name: OptimizerName, momentum: number) =>
    buildOptimizer({ name, momentum, clipNorm: null, weightDecay: 0 }).slots;
  assert.deepEqual(slots("sgd", 0), []);
  assert.deepEqual(slots("sgd", 0.9), ["sgd/velocity"]);
  assert.deepEqual(slots("rmsprop", 0), ["rmsprop/meanSquare"]);
  assert.deepEqual(slots("rmsprop", 0.9), ["rmsprop/meanSquare", "rmsprop/velocity"]);
  assert.deepEqual(slots("adam", 0.9), ["adam/m", "adam/v"]);
  assert.deepEqual(slots("adamw", 0), ["adamw/m", "adamw/v"]);
});

/** Parameters after each update. */
async function updates(
  compile: Compile,
  optimizer: ReturnType<typeof buildOptimizer>,
  run: { initial: number[]; gradients: number[][]; rates: number[] } = {
    initial,
    gradients,
    rates,
  },
): Promise<Float32Array[]> {
  const update = compile(optimizer.name, ([parameters, gradient, rate, correction, ...slots]) => {
    const scalars = { learningRate: rate, biasCorrection: correction };
    const result = optimizer.update(parameters, slots, gradient, scalars);
    return [result.parameters, ...result.slots];
  });
  let vectors = [
    tf.tensor1d(run.initial),
    ...optimizer.slots.map(() => tf.zeros([run.initial.length])),
  ];
  const course: Float32Array[] = [];
  for (const [index, gradient] of run.gradients.entries()) {
    const [parameters, ...slots] = vectors;
    const inputs = [
      tf.tensor1d(gradient),
      tf.scalar(run.rates[index]),
      tf.tensor1d(optimizer.biasCorrection(index + 1)),
    ];
    vectors = await update([parameters, ...inputs, ...slots]);
    assert.equal(vectors.length, 1 + optimizer.slots.length);
    tf.dispose([parameters, ...slots, ...inputs]);
    course.push(vectors[0].dataSync() as Float32Array);
  }
  tf.dispose(vectors);
  update.dispose();
  return course;
}

interface Golden {
  readonly optimizer: { readonly name: OptimizerName; readonly learningRate: number };
  readonly initial: number[][];
  readonly windows: { readonly gradients: number[][] }[];
  readonly final: number[][];
}

async function readGolden(): Promise<Golden | undefined> {
  const folder = Deno.env.get("GOLDEN_DIR") ?? `${import.meta.dirname}/../../../shared/golden`;
  try {
    return JSON.parse(await Deno.readTextFile(`${folder}/stateful_convlstm_adam.json`));
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    console.warn(`The reference run is skipped: nothing in ${folder}; set GOLDEN_DIR`);
    return undefined;
  }
}
