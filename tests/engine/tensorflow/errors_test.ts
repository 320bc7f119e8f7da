/** What cannot run or be traced fails with an error that names the op and says why. */
import assert from "node:assert/strict";
import type { TensorFunction } from "../../../engine/engine.ts";
import { EngineError } from "../../../engine/engine_error.ts";
import { openEngine } from "../../../engine/open_engine.ts";
import { type Tensor, tf } from "../../../engine/tf.ts";
import { engineTest, tensorFlow } from "./with_engine.ts";

/** Each function is traced on one float32 [2,3] tensor. */
const REFUSED: readonly [name: string, fn: (x: Tensor) => unknown, message: RegExp][] = [
  [
    "a read of a result",
    (x) => [tf.scalar(tf.sum(x).dataSync()[0])],
    /float32 \[\] tensor made by op "Sum"/,
  ],
  ["a read of an input", (x) => [tf.scalar(x.dataSync()[0])], /made by op "Placeholder"/],
  ["print", (x) => [tf.tidy(() => (tf.neg(x).print(), x))], /made by op "Neg"/],
  ["a promise", (x) => [tf.neg(x).data()], /made by op "Neg"/],
  ["an asynchronous op", (x) => tf.booleanMaskAsync(x, tf.greater(x, 0)), /made by op "Reshape"/],
  ["an asynchronous function", (x) => Promise.resolve([x]), /returned a promise/],
  ["unique", (x) => [tf.unique(tf.reshape(x, [-1])).values], /shape of op "UniqueV2" depends on/],
  ["tf.keep", (x) => [tf.keep(tf.neg(x)), x].slice(1), /made by op "Neg" is kept after the trace/],
  ["a non-tensor", () => [1], /must return an array of tensors/],
  [
    "shapes that do not fit",
    (x) => [tf.matMul(x, tf.ones([2, 2]))],
    /op "BatchMatMulV2" on float32 \[2,3\], float32 \[2,2\]/,
  ],
  ["its own throw", () => {
    throw new RangeError("on its own");
  }, /on its own/],
];

engineTest("compile refuses what it cannot trace, and leaves nothing behind", async (engine) => {
  const x = tf.tensor2d([[1, 2, 3], [4, 5, 6]]);
  tf.dispose(tf.neg(x));
  for (const [name, fn, message] of REFUSED) {
    const tensors = tf.memory().numTensors;
    const handles = engine.handleCount();
    const compiled = engine.compile("step", ([x]) => fn(x) as Tensor[]);
    await assert.rejects(compiled([x]), (error: Error) => {
      assert.match(error.message, message, name);
      return true;
    });
    assert.equal(engine.handleCount(), handles, name);
    // tf.keep's tensor stays, without a value, as the caller asked.
    assert.equal(tf.memory().numTensors, tensors + (name === "tf.keep" ? 1 : 0), name);
    compiled.dispose();
  }
  const compiled = engine.compile("after", ([x]) => [tf.neg(x)]);
  const outputs = await compiled([x]);
  assert.deepEqual([...outputs[0].dataSync()], [-1, -2, -3, -4, -5, -6]);
  tf.dispose([outputs, x]);
  tf.engine().state.numTensors--; // the kept one, which nothing can reach any more
});

engineTest("compile refuses to change variables, and puts them back", async (engine) => {
  const variable = tf.tidy(() => tf.variable(tf.tensor1d([1, 2]), true, "weights"));
  const x = tf.tensor1d([3, 4]);
  const refused: [TensorFunction, RegExp][] = [
    [([x]) => (variable.assign(x as tf.Tensor1D), [x]), /assigns the variable "weights"/],
    [([x]) => (variable.assign(tf.neg(variable)), [x]), /assigns the variable "weights"/],
    [([x]) => [x, tf.variable(x, true, "fresh")], /creates the variable "fresh"/],
  ];
  for (const [fn, message] of refused) {
    const tensors = tf.memory().numTensors;
    await assert.rejects(engine.compile("update", fn)([x]), message);
    assert.deepEqual([...variable.dataSync()], [1, 2]);
    assert.equal(tf.memory().numTensors, tensors);
  }
  tf.dispose([x, variable]);
});

engineTest("an op that TensorFlow refuses tells op, shapes and reason", () => {
  const [x, y] = [tf.ones([2, 3]), tf.ones([4, 5])];
  const attributes = [{ name: "T", type: 4, value: 1 }];
  const backend = tf.backend() as unknown as {
    executeSingleOutput(op: string, attributes: unknown[], inputs: Tensor[]): Tensor;
  };
  assert.throws(() => backend.executeSingleOutput("AddV2", attributes, [x, y]), (error: Error) => {
    assert.ok(error instanceof EngineError);
    assert.match(
      error.message,
      /^Cannot run op "AddV2" on float32 \[2,3\], float32 \[4,5\]: .*\[2,3\]/,
    );
    return true;
  });
  assert.throws(
    () => backend.executeSingleOutput("NoSuchOp", [], [x]),
    /"NoSuchOp" on float32 \[2,3\]/,
  );
  tf.dispose([x, y]);
});

engineTest(
  "a failure while a traced function runs tells the function and its inputs",
  async (engine) => {
    const compiled = engine.compile("pick", ([x, at]) => [tf.gather(x, at)]);
    const [x, at] = [tf.tensor1d([1, 2]), tf.tensor1d([7], "int32")];
    await assert.rejects(
      compiled([x, at]),
      /^EngineError: Cannot run "pick" on float32 \[2\], int32 \[1\]: .*7/,
    );
    const inside = tf.tensor1d([1], "int32");
    const outputs = await compiled([x, inside]);
    assert.deepEqual([...outputs[0].dataSync()], [2]);
    tf.dispose([x, at, inside, outputs]);
  },
);

engineTest("compile refuses disposed inputs", async (engine) => {
  const compiled = engine.compile("negate", ([x]) => [tf.neg(x)]);
  const x = tf.ones([2]);
  x.dispose();
  await assert.rejects(compiled([x]), /"negate": input 0 of shape \[2\] was disposed/);
});

engineTest("openEngine refuses a second engine", async () => {
  const options = { threads: 1, precision: "float32", libraryPath: tensorFlow?.path } as const;
  await assert.rejects(openEngine("tensorflow", options), /one is open already/);
});

Deno.test("openEngine names the file that is no libtensorflow", async () => {
  const options = { threads: 1, precision: "float32" } as const;
  const libraryPath = new URL("./errors_test.ts", import.meta.url).pathname;
  await assert.rejects(openEngine("tensorflow", { ...options, libraryPath }), (error: Error) => {
    assert.ok(error instanceof EngineError);
    assert.ok(error.message.startsWith(`Cannot load the TensorFlow library "${libraryPath}"`));
    return true;
  });
});

Deno.test("openEngine refuses a number of threads that is none", {
  ignore: tensorFlow === undefined,
}, async () => {
  const options = { precision: "float32", libraryPath: tensorFlow?.path } as const;
  for (const threads of [0, -1, 1.5, NaN]) {
    await assert.rejects(
      openEngine("tensorflow", { ...options, threads }),
      /whole number from 1 on/,
    );
  }
});
