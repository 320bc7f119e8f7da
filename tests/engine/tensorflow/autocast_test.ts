/** bfloat16: traced equals op by op, and both are float32 but for the rounding of operands. */
import assert from "node:assert/strict";
import { type Tensor, tf } from "../../../engine/tf.ts";
import { engineTest, values, wave } from "./with_engine.ts";

/** Unit roundoff of bfloat16: 8 bits of significand. */
const ROUNDOFF = 2 ** -8;

const fn = ([x, k, w]: Tensor[]) => {
  const conv = (x: Tensor, k: Tensor) => tf.conv2d(x as tf.Tensor4D, k as tf.Tensor4D, 1, "same");
  const loss = (x: Tensor, k: Tensor, w: Tensor) =>
    tf.mean(tf.square(tf.matMul(tf.reshape(conv(conv(x, k), k), [-1, 4]), w))) as tf.Scalar;
  const { value, grads } = tf.valueAndGrads(loss)([x, k, w]);
  return [value, conv(x, k), ...grads];
};

function inputs(): Tensor[] {
  return [wave([2, 8, 8, 4]), wave([3, 3, 4, 4], 1), wave([4, 5], 2)];
}

let bfloat16: Uint8Array[] = [];

engineTest("bfloat16 traced gives the bits of op by op", async (engine) => {
  assert.equal(engine.precision, "bfloat16");
  const given = inputs();
  bfloat16 = await values(engine, fn, given, "traced");
  assert.deepEqual(await values(engine, fn, given, "eager"), bfloat16);
  const [x, k] = given;
  const sum = tf.add(x, x);
  assert.deepEqual(sum.dataSync(), x.dataSync().map((value) => value * 2), "sums stay float32");
  tf.dispose([given, k, sum]);
}, { precision: "bfloat16" });

engineTest("bfloat16 differs from float32 by its rounding, and does differ", async (engine) => {
  const given = inputs();
  const float32 = await values(engine, fn, given, "traced");
  float32.forEach((bytes, i) => {
    const header = bytes.indexOf(":".charCodeAt(0)) + 1;
    const exact = new Float32Array(bytes.slice(header).buffer);
    const rounded = new Float32Array(bfloat16[i].slice(header).buffer);
    const size = Math.max(...exact.map(Math.abs));
    const error = Math.max(...exact.map((value, j) => Math.abs(value - rounded[j]))) / size;
    assert.ok(error > 0 && error < 32 * ROUNDOFF, `output ${i}: relative error ${error}`);
  });
  tf.dispose(given);
});
