/** Random numbers inside a traced function are new at each call, and follow the right distribution. */
import assert from "node:assert/strict";
import { type Tensor, tf } from "../../../engine/tf.ts";
import * as core from "../../../engine/tfjs.ts";
import { bytesOf, engineTest } from "./with_engine.ts";

const SIZE = 20_000;

interface Moments {
  readonly mean: number;
  readonly deviation: number;
  readonly min: number;
  readonly max: number;
}

function moments(tensor: Tensor): Moments {
  const values = Array.from(tensor.dataSync());
  const mean = values.reduce((sum, x) => sum + x, 0) / values.length;
  const variance = values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / values.length;
  const [min, max] = values.reduce(([a, b], x) => [Math.min(a, x), Math.max(b, x)], [
    Infinity,
    -Infinity,
  ]);
  return { mean, deviation: Math.sqrt(variance), min, max };
}

function assertClose(actual: number, expected: number, what: string): void {
  assert.ok(Math.abs(actual - expected) < 0.05, `${what}: ${actual} instead of ${expected}`);
}

engineTest("random ops of a traced function draw anew at each call", async (engine) => {
  const compiled = engine.compile("draw", () => [
    tf.randomUniform([SIZE]),
    tf.randomUniform([SIZE], -2, 3),
    tf.randomNormal([SIZE], 1, 2),
    tf.randomStandardNormal([SIZE]),
    tf.truncatedNormal([SIZE], 1, 0.5),
    tf.randomUniformInt([SIZE], 0, 4),
    tf.dropout(tf.ones([SIZE]), 0.25),
    tf.cast(tf.multinomial(tf.zeros([2]) as tf.Tensor1D, SIZE), "float32"),
  ]);
  const [first, second] = [await compiled([]), await compiled([])];
  first.forEach((drawn, i) => assert.notDeepEqual(bytesOf(drawn), bytesOf(second[i]), `op ${i}`));
  const [uniform, shifted, normal, standard, truncated, whole, kept, picked] = first.map(moments);
  assertClose(uniform.mean, 0.5, "uniform mean");
  assertClose(uniform.deviation, Math.sqrt(1 / 12), "uniform deviation");
  assert.ok(uniform.min >= 0 && uniform.max < 1);
  assertClose(shifted.mean, 0.5, "shifted mean");
  assert.ok(shifted.min >= -2 && shifted.min < -1.9 && shifted.max < 3 && shifted.max > 2.9);
  assertClose(normal.mean, 1, "normal mean");
  assertClose(normal.deviation, 2, "normal deviation");
  assertClose(standard.deviation, 1, "standard deviation");
  assertClose(truncated.mean, 1, "truncated mean");
  assert.ok(truncated.min >= 0 && truncated.max <= 2, "truncated at two deviations");
  assert.deepEqual([...new Set(first[5].dataSync())].sort(), [0, 1, 2, 3]);
  assert.equal(first[5].dtype, "int32");
  assertClose(whole.mean, 1.5, "integer mean");
  assertClose(kept.mean, 1, "dropout mean");
  assert.deepEqual([...new Set(first[6].dataSync())].sort(), [0, Math.fround(1 / 0.75)]);
  assertClose(picked.mean, 0.5, "multinomial mean");
  tf.dispose([first, second]);
});

engineTest("a seed gives the same numbers at each call, traced and op by op", async (engine) => {
  const fn = () => [
    tf.randomUniform([50], 0, 1, "float32", 7),
    tf.randomNormal([50], 0, 1, "float32", 7),
    tf.truncatedNormal([50], 0, 1, "float32", 7),
    tf.dropout(tf.ones([50]), 0.5, undefined, 7),
  ];
  const [traced, eager] = [engine.compile("t", fn), engine.compile("e", fn, { mode: "eager" })];
  const calls = [await traced([]), await traced([]), await eager([])];
  const [first, second, third] = calls.map((outputs) => outputs.map(bytesOf));
  assert.deepEqual(first, second);
  assert.deepEqual(first, third);
  tf.dispose(calls);
});

engineTest("dropout's gradient is zero just where it dropped", async (engine) => {
  const compiled = engine.compile("dropped", ([x]) => {
    let dropped!: Tensor;
    const { grad } = tf.valueAndGrad((x: Tensor) => {
      dropped = tf.dropout(x, 0.5);
      return tf.sum(dropped);
    })(x);
    return [grad];
  });
  const x = tf.ones([200]);
  const [gradient] = await compiled([x]);
  assert.deepEqual([...new Set(gradient.dataSync())].sort(), [0, 2]);
  const [other] = await compiled([x]);
  assert.notDeepEqual(bytesOf(gradient), bytesOf(other));
  tf.dispose([x, gradient, other]);
});

engineTest("compile refuses an op that draws in JavaScript, and names it", async (engine) => {
  const draws: [string, () => Tensor][] = [
    ["dropout", () => core.dropout(core.ones([4]), 0.5)],
    ["randomUniform", () => core.randomUniform([4])],
    ["randomNormal", () => core.randomNormal([4])],
    ["truncatedNormal", () => core.truncatedNormal([4])],
    ["randomGamma", () => tf.randomGamma([4], 1)],
    ["rand", () => tf.rand([4], () => 0.5)],
  ];
  for (const [name, draw] of draws) {
    const message = new RegExp(
      `Cannot trace "noisy": op "${name}" draws random numbers in JavaScript`,
    );
    await assert.rejects(engine.compile("noisy", () => [draw()])([]), message);
  }
});
