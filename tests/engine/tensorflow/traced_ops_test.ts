/** Each op that models, losses and optimizers use: traced gives the bits that op by op gives. */
import assert from "node:assert/strict";
import { isDeepStrictEqual } from "node:util";
import { type Tensor, tf } from "../../../engine/tf.ts";
import { engineTest, values, wave } from "./with_engine.ts";

type Op = (x: Tensor, y: Tensor) => Tensor | Tensor[];
const image = (x: Tensor) => tf.reshape(x, [2, 6, 4, 3]) as tf.Tensor4D;
const kernel = (x: Tensor) => tf.slice(tf.reshape(x, [-1]), 0, 108).reshape([3, 3, 3, 4]);
const conv = (x: Tensor, k: Tensor) => tf.conv2d(image(x), kernel(k) as tf.Tensor4D, 1, "same");

/** x and y are [12, 12]. */
const OPS: Record<string, Op> = {
  abs: (x) => tf.abs(x),
  add: (x, y) => tf.add(x, y),
  "add, broadcast": (x, y) => tf.add(x, tf.slice(y, [0, 0], [1, 12])),
  addN: (x, y) => tf.addN([x, y, x]),
  argMax: (x) => tf.argMax(x, 1),
  avgPool: (x) => tf.avgPool(image(x), 2, 2, "same"),
  cast: (x) => [tf.cast(tf.mul(x, 9), "int32"), tf.cast(x, "bool")],
  clipByValue: (x) => tf.clipByValue(x, -0.2, 0.3),
  concat: (x, y) => tf.concat([x, y, x], 1),
  "concat of one": (x) => tf.concat([x], 0),
  conv2d: conv,
  "conv2d, strides and valid": (x, y) =>
    tf.conv2d(image(x), kernel(y) as tf.Tensor4D, [2, 1], "valid"),
  "conv2d's gradients": (x, y) => tf.grads((x, y) => tf.square(conv(x, y)))([x, y]),
  conv2dTranspose: (x, y) =>
    tf.conv2dTranspose(
      image(x),
      kernel(y).transpose([0, 1, 3, 2]) as tf.Tensor4D,
      [2, 12, 8, 4],
      2,
      "same",
    ),
  conv3d: (x, y) =>
    tf.conv3d(
      tf.reshape(x, [1, 4, 4, 3, 3]) as tf.Tensor5D,
      tf.slice(tf.reshape(y, [-1]), 0, 72).reshape([2, 2, 2, 3, 3]) as tf.Tensor5D,
      1,
      "same",
    ),
  cumsum: (x) => tf.cumsum(x, 1),
  div: (x, y) => tf.div(x, tf.add(y, 2)),
  divNoNan: (x, y) => tf.divNoNan(x, y),
  einsum: (x, y) => tf.einsum("ij,jk->ik", x, y),
  elu: (x) => tf.elu(x),
  equal: (x, y) => [tf.equal(x, y), tf.greater(x, y), tf.lessEqual(x, y), tf.notEqual(x, y)],
  exp: (x) => tf.exp(x),
  expandDims: (x) => tf.squeeze(tf.expandDims(x, 1)),
  fill: (x) => tf.add(x, tf.fill([12, 1], 0.1)),
  gather: (x) => tf.gather(x, tf.tensor1d([3, 0, 3], "int32")),
  "gather, indices computed": (x) => tf.gather(x, tf.argMax(x, 1)),
  leakyRelu: (x) => tf.leakyRelu(x, 0.1),
  log: (x) => tf.log(tf.add(x, 1)),
  logicalAnd: (x, y) => tf.logicalAnd(tf.greater(x, 0), tf.logicalNot(tf.greater(y, 0))),
  matMul: (x, y) => [tf.matMul(x, y), tf.matMul(x, y, true, false), tf.matMul(x, y, false, true)],
  "matMul's gradients": (x, y) => tf.grads((x, y) => tf.matMul(x, y))([x, y]),
  max: (x) => [tf.max(x, 1), tf.min(x, 0), tf.max(x)],
  maxPool: (x) => tf.maxPool(image(x), 2, 2, "valid"),
  "maxPool's gradient": (x) => tf.grad((x) => tf.maxPool(image(x), 2, 2, "valid"))(x),
  maximum: (x, y) => [tf.maximum(x, y), tf.minimum(x, y)],
  mean: (x) => [tf.mean(x), tf.mean(x, 1, true)],
  mul: (x, y) => tf.mul(x, y),
  neg: (x) => tf.neg(x),
  oneHot: (x) => tf.oneHot(tf.argMax(x, 1), 12),
  onesLike: (x) => [tf.onesLike(x), tf.zerosLike(x)],
  pad: (x) => [tf.pad(x, [[1, 2], [0, 3]]), tf.mirrorPad(x, [[1, 1], [2, 2]], "reflect")],
  pow: (x) => tf.pow(tf.add(x, 2), 1.5),
  prod: (x) => tf.prod(x, 1),
  relu: (x) => [tf.relu(x), tf.relu6(x)],
  reshape: (x) => tf.reshape(x, [3, -1, 2]),
  resizeBilinear: (x) => tf.image.resizeBilinear(image(x), [5, 7]),
  reverse: (x) => tf.reverse(x, 1),
  round: (x) => [tf.round(x), tf.floor(x), tf.ceil(x), tf.round(tf.cast(tf.mul(x, 9), "int32"))],
  rsqrt: (x) => tf.rsqrt(tf.add(x, 1)),
  sigmoid: (x) => tf.sigmoid(x),
  "sigmoid's gradient": (x) => tf.grad(tf.sigmoid)(x),
  sign: (x) => tf.sign(x),
  sin: (x) => [tf.sin(x), tf.cos(x)],
  slice: (x) => tf.slice(x, [1, 2], [-1, 5]),
  logSoftmax: (x) => tf.logSoftmax(x),
  softplus: (x) => tf.softplus(x),
  split: (x) => tf.split(x, 4, -1),
  "split, sizes": (x) => tf.split(x, [2, 3, 7], 0),
  "split's gradient": (x) => tf.grad((x) => tf.square(tf.split(x, 4, -1)[1]))(x),
  sqrt: (x) => tf.sqrt(tf.abs(x)),
  square: (x) => tf.square(x),
  squaredDifference: (x, y) => tf.squaredDifference(x, y),
  stack: (x, y) => [tf.stack([x, y]), tf.stack([x, y, y], 2)],
  "stack's gradient": (x, y) => tf.grads((x, y) => tf.square(tf.stack([x, y])))([x, y]),
  step: (x) => tf.step(x),
  stridedSlice: (x) => tf.stridedSlice(x, [0, 1], [12, 9], [3, 2]),
  sub: (x, y) => tf.sub(x, y),
  sum: (x) => [tf.sum(x), tf.sum(x, 0), tf.sum(x, [0, 1], true)],
  tanh: (x) => tf.tanh(x),
  "tanh's gradient": (x) => tf.grad(tf.tanh)(x),
  tile: (x) => tf.tile(x, [2, 3]),
  topk: (x) => Object.values(tf.topk(x, 3)),
  transpose: (x) => tf.transpose(tf.reshape(x, [4, 3, 12]), [2, 0, 1]),
  unstack: (x) => tf.unstack(x, 1),
  "unstack's gradient": (x) => tf.grad((x) => tf.mul(tf.unstack(x)[3], 2))(x),
  where: (x, y) => tf.where(tf.greater(x, 0), x, y),
};

engineTest("compile gives the bits of op by op for every op", async (engine) => {
  const inputs = [wave([12, 12]), wave([12, 12], 0.5)];
  const different: string[] = [];
  for (const [name, op] of Object.entries(OPS)) {
    const fn = ([x, y]: Tensor[]) => [op(x, y)].flat();
    const eager = await values(engine, fn, inputs, "eager");
    assert.ok(eager.length > 0 && eager.every((bytes) => bytes.length > 0), name);
    const traced = await values(engine, fn, inputs, "traced");
    if (!isDeepStrictEqual(traced, eager)) different.push(name);
  }
  assert.deepEqual(different, []);
  tf.dispose(inputs);
});

engineTest(
  "compile gives the bits of op by op for a recurrent step and its update",
  async (engine) => {
    const parameters = [wave([3, 3, 4, 12], 1), wave([12], 2), wave([3, 3, 3, 1], 3)];
    const frames = wave([3, 2, 6, 6, 1], 4);
    const loss = (frames: Tensor, [gates, bias, head]: Tensor[]) => {
      let [h, c] = [tf.zeros([2, 6, 6, 3]), tf.zeros([2, 6, 6, 3])];
      const errors = tf.unstack(frames).map((frame) => {
        const mixed = tf.conv2d(
          tf.concat([frame, h], 3) as tf.Tensor4D,
          gates as tf.Tensor4D,
          1,
          "same",
        );
        const [i, f, u, o] = tf.split(tf.add(mixed, bias), 4, -1);
        c = tf.add(tf.mul(tf.sigmoid(f), c), tf.mul(tf.sigmoid(i), tf.tanh(u)));
        h = tf.mul(tf.sigmoid(o), tf.tanh(c));
        const predicted = tf.conv2d(h as tf.Tensor4D, head as tf.Tensor4D, 1, "same");
        return tf.mean(tf.squaredDifference(tf.sigmoid(predicted), frame));
      });
      return tf.addN(errors) as tf.Scalar;
    };
    const step = ([frames, ...parameters]: Tensor[]) => {
      const { value, grads } = tf.valueAndGrads((...p: Tensor[]) => loss(frames, p))(parameters);
      return [value, ...parameters.map((p, i) => tf.sub(p, tf.mul(grads[i], 0.1)))];
    };
    const eager = await values(engine, step, [frames, ...parameters], "eager");
    assert.deepEqual(await values(engine, step, [frames, ...parameters], "traced"), eager);
    tf.dispose([frames, ...parameters]);
  },
);

engineTest("TensorFlow's gradients of sigmoid and tanh are those that tfjs composes", () => {
  const run = (op: string) => (y: Tensor, dy: Tensor) =>
    tf.engine().runKernel(op, { y, dy }) as Tensor;
  const cases: [string, (y: Tensor, dy: Tensor) => Tensor][] = [
    ["SigmoidGrad", (y, dy) => tf.mul(dy, tf.mul(y, tf.sub(1, y)))],
    ["TanhGrad", (y, dy) => tf.mul(tf.sub(1, tf.square(y)), dy)],
  ];
  tf.tidy(() => {
    const inputs = [wave([50]), wave([50], 1)];
    for (const [op, composed] of cases) {
      const expected = [composed(inputs[0], inputs[1]), ...tf.grads(composed)(inputs)];
      const actual = [run(op)(inputs[0], inputs[1]), ...tf.grads(run(op))(inputs)];
      actual.forEach((tensor, i) => {
        const difference = tf.max(tf.abs(tf.sub(tensor, expected[i]))).dataSync()[0];
        assert.ok(difference < 1e-6, `${op}, ${i}: ${difference}`);
      });
    }
  });
});
