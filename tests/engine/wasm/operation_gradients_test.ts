import assert from "node:assert/strict";
import { tf } from "../../../engine/tf.ts";
import { openWasmEngine } from "../../../engine/wasm/wasm_engine.ts";
import { random } from "../../../net/random.ts";

await openWasmEngine({ threads: 1, precision: "float32" });

type Operation = (x: tf.Tensor) => tf.Tensor | tf.Tensor[];

/** Away from zero and from each other, so that no step crosses a kink; some negative. */
function smoothValues(size: number): Float32Array {
  const order = random("operation gradients", size).shuffle([...Array(size).keys()]);
  return Float32Array.from(order, (rank) => (rank + 0.6) / size * 3 - 1.5);
}

/** A scalar in which every element of every output has a weight of its own. */
function weighted(operation: Operation, x: tf.Tensor): tf.Scalar {
  const outputs = [operation(x)].flat();
  const sums = outputs.map((output, index) => {
    const weights = Float32Array.from(
      { length: output.size },
      (_, i) => ((i + index) % 5 - 1.7) / 2,
    );
    return tf.sum(tf.mul(output, tf.tensor(weights, output.shape)));
  });
  return tf.addN(sums) as tf.Scalar;
}

function assertGradient(operation: Operation, shape: number[], positive: boolean) {
  tf.tidy(() => {
    const size = tf.util.sizeFromShape(shape);
    const values = smoothValues(size).map((value) => positive ? Math.abs(value) + 0.4 : value);
    const gradient = tf.grad((x) => weighted(operation, x))(tf.tensor(values, shape));
    assert.deepEqual(gradient.shape, shape);
    const analytic = gradient.dataSync();
    const step = 1 / 128;
    for (let i = 0; i < size; i++) {
      const shifted = (delta: number) =>
        tf.tidy(() =>
          weighted(operation, tf.tensor(values.with(i, values[i] + delta), shape)).dataSync()[0]
        );
      const numeric = (shifted(step) - shifted(-step)) / (2 * step);
      const difference = Math.abs(analytic[i] - numeric);
      assert.ok(
        difference < 2e-3 * (1 + Math.abs(numeric)),
        `element ${i}: ${analytic[i]}, by differences ${numeric}`,
      );
    }
  });
}

const matrix = [3, 4];
const images = [2, 4, 4, 2];
const other = tf.tensor2d(smoothValues(12), [4, 3]);
const pixels = (x: tf.Tensor) => x as tf.Tensor4D;

const operations: Record<string, { of: Operation; shape?: number[]; positive?: boolean }> = {
  abs: { of: tf.abs },
  add: { of: (x) => tf.add(x, tf.tensor1d([1, 2, 3, 4])) },
  avgPool: { of: (x) => tf.avgPool(pixels(x), 2, 2, "same"), shape: images },
  batchNorm: {
    of: (x) =>
      tf.batchNorm(
        pixels(x),
        tf.tensor1d([0.1, 0.2]),
        tf.tensor1d([0.5, 0.7]),
        tf.tensor1d([0, 1]),
        tf.tensor1d([2, 3]),
      ),
    shape: images,
  },
  clipByValue: { of: (x) => tf.clipByValue(x, -0.51, 0.77) },
  concat: { of: (x) => tf.concat([x, tf.square(x)], 1) },
  cumsum: { of: (x) => tf.cumsum(x, 1) },
  div: { of: (x) => tf.div(other.shape[0], x), positive: true },
  elu: { of: tf.elu },
  exp: { of: tf.exp },
  gather: { of: (x) => tf.gather(x, tf.tensor1d([2, 0, 2], "int32")) },
  "gather along columns": { of: (x) => tf.gather(x, tf.tensor1d([3, 3, 1], "int32"), 1) },
  leakyRelu: { of: (x) => tf.leakyRelu(x, 0.1) },
  log: { of: tf.log, positive: true },
  log1p: { of: tf.log1p, positive: true },
  logSoftmax: { of: (x) => tf.logSoftmax(x) },
  matMul: { of: (x) => tf.matMul(x as tf.Tensor2D, other) },
  "matMul transposed": { of: (x) => tf.matMul(x as tf.Tensor2D, other, true, true), shape: [3, 2] },
  "matMul with itself": { of: (x) => tf.matMul(x as tf.Tensor2D, x as tf.Tensor2D, false, true) },
  "matMul of a batch": {
    of: (x) => tf.matMul(x, tf.tensor(smoothValues(16), [2, 4, 2])),
    shape: [2, 3, 4],
  },
  max: { of: (x) => tf.max(x, 1) },
  maximum: { of: (x) => tf.maximum(x, 0.3) },
  maxPool: { of: (x) => tf.maxPool(pixels(x), 2, 2, "same"), shape: images },
  "maxPool overlapping": { of: (x) => tf.maxPool(pixels(x), 3, 1, "valid"), shape: images },
  mean: { of: (x) => tf.mean(x, 0) },
  min: { of: (x) => tf.min(x, 0) },
  minimum: { of: (x) => tf.minimum(x, 0.3) },
  mul: { of: (x) => tf.mul(x, tf.tensor2d([[2], [3], [-1]])) },
  neg: { of: tf.neg },
  pad: { of: (x) => tf.pad(x, [[1, 0], [0, 2]]) },
  pow: { of: (x) => tf.pow(x, 1.5), positive: true },
  relu: { of: tf.relu },
  relu6: { of: tf.relu6 },
  reshape: { of: (x) => tf.reshape(x, [2, 6]) },
  resizeBilinear: { of: (x) => tf.image.resizeBilinear(pixels(x), [6, 6]), shape: images },
  reverse: { of: (x) => tf.reverse(x, 1) },
  rsqrt: { of: tf.rsqrt, positive: true },
  sigmoid: { of: tf.sigmoid },
  slice: { of: (x) => tf.slice(x, [1, 1], [2, 2]) },
  softmax: { of: (x) => tf.softmax(x) },
  softplus: { of: tf.softplus },
  "split along channels": { of: (x) => tf.split(x, 2, 3), shape: [1, 2, 2, 4] },
  sqrt: { of: tf.sqrt, positive: true },
  square: { of: tf.square },
  squaredDifference: { of: (x) => tf.squaredDifference(x, tf.tensor1d([1, 2, 3, 4])) },
  stack: { of: (x) => tf.stack([x, tf.square(x)], 1) },
  sub: { of: (x) => tf.sub(1, x) },
  sum: { of: (x) => tf.sum(x, [0, 2], true), shape: [2, 3, 2] },
  tanh: { of: tf.tanh },
  tile: { of: (x) => tf.tile(x, [2, 1]) },
  transpose: { of: (x) => tf.transpose(x, [2, 0, 1]), shape: [2, 3, 2] },
  "unstack along time": { of: (x) => tf.unstack(x, 1), shape: [2, 3, 2, 2, 1] },
  where: { of: (x) => tf.where(tf.tensor1d([1, 0, 1, 0], "bool"), tf.square(x), tf.mul(x, 3)) },
};

for (const [name, { of, shape = matrix, positive = false }] of Object.entries(operations)) {
  Deno.test(`the gradient of ${name} equals differences`, () => {
    const before = tf.memory();
    assertGradient(of, shape, positive);
    const after = tf.memory();
    assert.equal(after.numTensors, before.numTensors);
    assert.equal(after.numDataBuffers, before.numDataBuffers);
  });
}
