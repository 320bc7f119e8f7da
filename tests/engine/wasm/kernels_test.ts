import assert from "node:assert/strict";
import { tf } from "../../../engine/tf.ts";
import { openWasmEngine } from "../../../engine/wasm/wasm_engine.ts";

await openWasmEngine({ threads: 1, precision: "float32" });

function counting(shape: number[]): tf.Tensor {
  const size = tf.util.sizeFromShape(shape);
  return tf.tensor(Float32Array.from({ length: size }, (_, i) => i), shape);
}

/** Runs a test and checks that it leaves no tensor and no piece of memory behind. */
function testWithoutLeak(name: string, fn: () => void) {
  Deno.test(name, () => {
    const before = tf.memory();
    tf.tidy(fn);
    const after = tf.memory();
    assert.equal(after.numTensors, before.numTensors);
    assert.equal(after.numDataBuffers, before.numDataBuffers);
  });
}

Deno.test("the wasm backend lacks only kernels that no training step needs", () => {
  const known = Object.entries(tf)
    .filter(([name, value]) => name === value)
    .map(([, value]) => value as string);
  const missing = known.filter((name) => tf.getKernel(name, "wasm") === undefined);
  assert.deepEqual(missing.toSorted(), [
    "BroadcastTo", // TensorFlow.js runs it as Tile
    "Complex",
    "ComplexAbs",
    "Draw",
    "Einsum",
    "FFT",
    "FromPixels",
    "IFFT",
    "Imag",
    "LowerBound",
    "MatrixBandPart",
    "Pool", // TensorFlow.js runs it as MaxPool or AvgPool
    "RaggedGather",
    "RaggedRange",
    "RaggedTensorToTensor",
    "Real",
    "StaticRegexReplace",
    "UpperBound",
  ]);
});

testWithoutLeak("matMul() accepts one right operand under several shapes", () => {
  const b = counting([4, 6]);
  const ones = (shape: [number, number]) => tf.ones<tf.Rank.R2>(shape);
  const multiply = (
    left: tf.Tensor2D,
    right: tf.Tensor,
    transposed = false,
  ) => [...tf.matMul(left, right as tf.Tensor2D, false, transposed).dataSync()];
  assert.deepEqual(multiply(ones([1, 4]), b), [36, 40, 44, 48, 52, 56]);
  assert.deepEqual(multiply(ones([1, 6]), tf.reshape(b, [6, 4])), [60, 66, 72, 78]);
  assert.deepEqual(multiply(ones([1, 6]), b, true), [15, 51, 87, 123]);
  assert.deepEqual(multiply(ones([1, 4]), b), [36, 40, 44, 48, 52, 56]);
  assert.deepEqual(multiply(ones([1, 3]), tf.reshape(b, [3, 8])), [24, 27, 30, 33, 36, 39, 42, 45]);
});

testWithoutLeak("fused.matMul() shares no packed operand with matMul() of another shape", () => {
  const b = counting([2, 3]);
  const left = tf.ones<tf.Rank.R2>([1, 2]);
  assert.deepEqual([...tf.matMul(left, b as tf.Tensor2D).dataSync()], [3, 5, 7]);
  const fused = tf.fused.matMul({
    a: tf.ones([1, 3]),
    b: tf.reshape(b, [3, 2]),
    bias: tf.tensor1d([-7, 1]),
    activation: "relu",
  });
  assert.deepEqual([...fused.dataSync()], [0, 10]);
  const again = tf.fused.matMul({ a: left, b, bias: tf.tensor1d([1, 1, 1]) });
  assert.deepEqual([...again.dataSync()], [4, 6, 8]);
});

testWithoutLeak("matMul() multiplies transposed operands and batches", () => {
  const [a, b] = [counting([3, 2]), counting([4, 3])];
  const product = tf.matMul(a as tf.Tensor2D, b as tf.Tensor2D, true, true);
  assert.deepEqual(product.arraySync(), [[10, 28, 46, 64], [13, 40, 67, 94]]);
  const batch = tf.matMul(counting([2, 1, 2]), counting([2, 2, 1]));
  assert.deepEqual(batch.arraySync(), [[[1]], [[13]]]);
});

testWithoutLeak("slice() cuts blocks of any rank and type", () => {
  const whole = counting([3, 4, 2, 5, 2]);
  const block = tf.slice(whole, [1, 1, 0, 2, 1], [2, 2, 2, 3, 1]);
  const values = [...block.dataSync()];
  const expected = [];
  for (const i of [1, 2]) {
    for (const j of [1, 2]) {
      for (const k of [0, 1]) {
        for (const l of [2, 3, 4]) expected.push((((i * 4 + j) * 2 + k) * 5 + l) * 2 + 1);
      }
    }
  }
  assert.deepEqual(values, expected);
  assert.deepEqual([...tf.slice(tf.tensor1d([7, 8, 9], "int32"), 1).dataSync()], [8, 9]);
  const flags = tf.slice(tf.tensor2d([[true, false], [false, true]], [2, 2], "bool"), [0, 1], [
    2,
    1,
  ]);
  assert.deepEqual([...flags.dataSync()], [0, 1]);
  assert.deepEqual(tf.slice(tf.tensor1d(["a", "b", "c"]), 1, 1).dataSync() as unknown, ["b"]);
  assert.deepEqual(tf.slice(whole, [0, 0, 0, 0, 0], [0, 4, 2, 5, 2]).shape, [0, 4, 2, 5, 2]);
});

testWithoutLeak("split(), unstack(), stack() and concat() undo one another on every axis", () => {
  const whole = counting([2, 4, 6, 40]);
  for (let axis = 0; axis < 4; axis++) {
    const expected = [...whole.dataSync()];
    const halves = tf.split(whole, 2, axis);
    assert.deepEqual([...tf.concat(halves, axis).dataSync()], expected);
    const layers = tf.unstack(whole, axis);
    assert.deepEqual(layers[0].shape, whole.shape.toSpliced(axis, 1));
    assert.deepEqual([...tf.stack(layers, axis).dataSync()], expected);
  }
  const uneven = tf.split(whole, [1, 3, 2], 2);
  assert.deepEqual(uneven.map(({ shape }) => shape[2]), [1, 3, 2]);
  assert.equal(uneven[1].dataSync()[0], 40);
  assert.equal(uneven[2].dataSync()[0], 160);
});

testWithoutLeak("concat() skips empty parts and keeps types", () => {
  const empty = tf.tensor2d([], [0, 2], "int32");
  const joined = tf.concat([empty, tf.tensor2d([[1, 2]], [1, 2], "int32"), empty]);
  assert.equal(joined.dtype, "int32");
  assert.deepEqual(joined.arraySync(), [[1, 2]]);
  assert.deepEqual(tf.concat([tf.tensor1d(["a"]), tf.tensor1d(["b"])]).dataSync() as unknown, [
    "a",
    "b",
  ]);
});

testWithoutLeak("unsortedSegmentSum() sums rows of the same segment", () => {
  const rows = tf.tensor2d([[1, 2], [3, 4], [5, 6]]);
  const sums = tf.unsortedSegmentSum(rows, tf.tensor1d([2, 0, 2], "int32"), 4);
  assert.deepEqual(sums.arraySync(), [[3, 4], [0, 0], [6, 8], [0, 0]]);
});

testWithoutLeak("logSoftmax() stays finite for large logits", () => {
  const [first, second] = tf.logSoftmax(tf.tensor1d([1000, 0])).dataSync();
  assert.deepEqual([first, second], [0, -1000]);
});

testWithoutLeak("oneHot() writes floats where it is asked for them", () => {
  const rows = tf.oneHot(tf.tensor1d([1, 0], "int32"), 2, 0.5, -1, "float32");
  assert.equal(rows.dtype, "float32");
  assert.deepEqual(rows.arraySync(), [[-1, 0.5], [0.5, -1]]);
  assert.deepEqual(tf.oneHot(tf.tensor1d([1], "int32"), 2).arraySync(), [[0, 1]]);
});

testWithoutLeak("maxPool() gives windows of negative values their gradient", () => {
  const x = tf.tensor4d([-4, -1, -1, -2, -3, -3], [1, 2, 3, 1]);
  const gradient = tf.grad((x) => tf.maxPool(x as tf.Tensor4D, 2, 1, "same"))(
    x,
    tf.tensor4d([1, 2, 4, 8, 16, 32], [1, 2, 3, 1]),
  );
  assert.deepEqual([...gradient.dataSync()], [0, 3, 4, 8, 16, 32]);
});
