/** Tensors that a traced function reads but is not given are bound at each call, never frozen. */
import assert from "node:assert/strict";
import { EngineError } from "../../../engine/engine_error.ts";
import type { CompiledFunction } from "../../../engine/engine.ts";
import { type Tensor, tf } from "../../../engine/tf.ts";
import { engineTest } from "./with_engine.ts";

async function numbers(compiled: CompiledFunction, inputs: Tensor[]): Promise<number[]> {
  const outputs = await compiled(inputs);
  const numbers = outputs.flatMap((output) => [...output.dataSync()]);
  tf.dispose(outputs);
  return numbers;
}

engineTest("compile reads a captured variable's value of the day", async (engine) => {
  const x = tf.tensor1d([1, 2]);
  const variable = tf.tidy(() => tf.variable(tf.tensor1d([10, 20])));
  const compiled = engine.compile("plus", ([x]) => [tf.add(x, variable)]);
  assert.deepEqual(await numbers(compiled, [x]), [11, 22]);
  tf.tidy(() => variable.assign(tf.tensor1d([100, 200])));
  assert.deepEqual(await numbers(compiled, [x]), [101, 202]);
  tf.tidy(() => variable.assign(tf.mul(variable, 2) as tf.Tensor1D));
  assert.deepEqual(await numbers(compiled, [x]), [201, 402]);
  variable.dispose();
  await assert.rejects(compiled([x]), /variable "\d+" .* has been disposed/);
  tf.dispose(x);
});

engineTest("compile tells a variable from the tensor it was made of", async (engine) => {
  const origin = tf.tensor1d([1]);
  const first = tf.variable(origin);
  const second = tf.variable(origin);
  const compiled = engine.compile("three", () => [origin, tf.mul(first, 1), tf.neg(second)]);
  assert.deepEqual(await numbers(compiled, []), [1, 1, -1]);
  tf.tidy(() => first.assign(tf.tensor1d([5])));
  tf.tidy(() => second.assign(tf.tensor1d([7])));
  assert.deepEqual(await numbers(compiled, []), [1, 5, -7]);
  tf.dispose([origin, first, second]);
});

engineTest("compile captures a tensor whose values were not yet uploaded", async (engine) => {
  const x = tf.scalar(1);
  const late = tf.tensor1d([1, 2, 3]); // no op has used it before the trace
  const compiled = engine.compile("late", ([x]) => [tf.mul(x, late)]);
  assert.deepEqual(await numbers(compiled, [x]), [1, 2, 3]);
  const doubled = tf.mul(late, 2);
  assert.deepEqual([...doubled.dataSync()], [2, 4, 6]);
  tf.dispose([x, late, doubled]);
  const again = tf.scalar(1);
  await assert.rejects(compiled([again]), (error: Error) => {
    assert.ok(error instanceof EngineError);
    assert.match(error.message, /"late": the float32 \[3\] tensor that it captured/);
    return true;
  });
  again.dispose();
});

engineTest(
  "compile returns inputs, captures, constants and duplicates as tensors of their own",
  async (engine) => {
    const x = tf.tensor1d([1, 2]);
    const captured = tf.scalar(3);
    for (const mode of ["traced", "eager"] as const) {
      const compiled = engine.compile("same", ([x]) => {
        const sum = tf.sum(x);
        return [x, x, captured, tf.scalar(4), sum, sum];
      }, { mode });
      const outputs = await compiled([x]);
      assert.equal(new Set(outputs).size, 6);
      outputs[0].dispose();
      outputs[4].dispose();
      assert.deepEqual(outputs.slice(1, 4).flatMap((t) => [...t.dataSync()]), [1, 2, 3, 4]);
      assert.deepEqual([...outputs[5].dataSync()], [3]);
      tf.dispose(outputs);
      assert.deepEqual([...x.dataSync()], [1, 2]);
      compiled.dispose();
    }
    tf.dispose([x, captured]);
  },
);

engineTest("compile traces once for each signature", async (engine) => {
  let traces = 0;
  const compiled = engine.compile("count", ([x]) => {
    traces++;
    return [tf.add(x, x)];
  });
  const inputs = [tf.zeros([2]), tf.ones([2]), tf.zeros([3]), tf.zeros([2], "int32")];
  for (const x of [...inputs, ...inputs]) {
    assert.equal((await numbers(compiled, [x])).length, x.size);
  }
  assert.equal(traces, 3);
  compiled.dispose();
  await assert.rejects(compiled([inputs[0]]), /was disposed/);
  tf.dispose(inputs);
});

engineTest("compile forgets the signature unused for longest beyond its limit", async (engine) => {
  let traces = 0;
  const compiled = engine.compile("shapes", ([x]) => {
    traces++;
    return [tf.neg(x)];
  });
  for (let size = 1; size <= 65; size++) {
    const x = tf.zeros([size]);
    await numbers(compiled, [x]);
    x.dispose();
  }
  assert.equal(traces, 65);
  const [first, last] = [tf.zeros([1]), tf.zeros([65])];
  await numbers(compiled, [last]);
  assert.equal(traces, 65);
  await numbers(compiled, [first]);
  assert.equal(traces, 66);
  tf.dispose([first, last]);
});
