import assert from "node:assert/strict";
import { hkoRelation, rainRateOfValue, valueOfRainRate } from "../../datasets/radar_scale.ts";
import { type Tensor, tf } from "../../engine/tf.ts";
import {
  correctSum,
  errorsPerPrediction,
  lossSum,
  requireLossFits,
  trainingLossSum,
} from "../../models/losses.ts";
import { rainErrorSums } from "../../metrics/rain_errors.ts";
import type { LossName } from "../../net/run_configuration.ts";
import keras from "../fixtures/optimizers/keras.json" with { type: "json" };
import { assertClose } from "./close_to.ts";
import { testOnEachEngine } from "./each_engine.ts";

const { mse, mae, bce, ...values } = keras.losses;
const cases: readonly (typeof values & typeof mse & { loss: LossName })[] = [
  { loss: "mse", ...values, ...mse },
  { loss: "mae", ...values, ...mae },
  { loss: "bce", ...values, ...bce },
  { loss: "cross-entropy", ...keras.classes },
];

testOnEachEngine("lossSum and its gradient are those of Keras", async (compile) => {
  for (const { loss, shape, predictions, targets, weights, sum, gradient } of cases) {
    const compiled = compile(loss, ([predictions, targets, weights]) => {
      const objective = (values: Tensor) => lossSum(loss, values, targets, weights);
      const { value, grad } = tf.valueAndGrad(objective)(predictions);
      return [value, grad];
    });
    const inputs = [
      tf.tensor(predictions, shape),
      tf.tensor(targets, shape),
      tf.tensor(weights, shape.slice(0, 2)),
    ];
    const results = await compiled(inputs);
    assertClose(results[0].dataSync(), [sum], loss, { relative: 1e-6 });
    assertClose(results[1].dataSync(), gradient, `gradient of ${loss}`, { relative: 1e-6 });
    tf.dispose([results, inputs]);
    compiled.dispose();
  }
});

Deno.test("requireLossFits() refuses the cross-entropy of one class, which nothing is wrong by", () => {
  for (const shape of [[8, 8, 1], [1], []]) {
    assert.throws(
      () => requireLossFits("cross-entropy", shape),
      /^RangeError: Cannot use the loss cross-entropy for answers of shape \[.*--loss bce/,
    );
  }
  requireLossFits("cross-entropy", [8, 8, 11]);
  requireLossFits("bce", [8, 8, 1]);
});

testOnEachEngine("trainingLossSum is the mean over predictions and what is besides", () => {
  tf.tidy(() => {
    // Two lanes of three predictions, the second lane's last one padded, and two answers besides.
    const predictions = tf.tensor([1, 2, 3, 4, 5, 6], [2, 3, 1]);
    const weights = tf.tensor([1, 1, 1, 1, 1, 0], [2, 3]);
    const none = tf.zeros([2, 3, 1]);
    const besides = {
      predictions: tf.tensor([1, 1, 3, 3], [2, 2, 1]),
      targets: tf.zeros([2, 2, 1]),
    };
    const sumOf = (output: Parameters<typeof trainingLossSum>[1]) =>
      trainingLossSum("mse", output, none, weights).dataSync()[0];
    assert.equal(sumOf({ predictions }), 1 + 4 + 9 + 16 + 25);
    const expected = 3 / 5 * (1 + 4 + 9 + (1 + 1) + 16 + 25 + 2 / 3 * (9 + 9));
    assert.ok(Math.abs(sumOf({ predictions, besides }) - expected) < 1e-4);
    // Where all are alike, more of them change nothing.
    const ones = { predictions: tf.ones([2, 3, 1]) };
    const more = { predictions: tf.ones([2, 7, 1]), targets: tf.zeros([2, 7, 1]) };
    assert.ok(Math.abs(sumOf({ ...ones, besides: more }) - sumOf(ones)) < 1e-5);
  });
  return Promise.resolve();
});

testOnEachEngine(
  "lossSum of rain is the sum of HKO-7's B-MSE and B-MAE, as the scores have them",
  async (compile) => {
    // On each weight's threshold and beside it; the thresholds are rates by HKO-7's relation.
    const rates = [0, 0.2, 0.5, 1, 1.99, 2.01, 4.9, 5.1, 9, 11, 29, 31, 60];
    const truth = Float32Array.from(rates, (rate) => valueOfRainRate(rate, hkoRelation));
    const prediction = truth.map((value, i) => value + (i % 3 - 1) * 0.1 * (i + 1) / 13);
    const field = (values: Float32Array) => ({
      values,
      rates: Float64Array.from(values, (value) => rainRateOfValue(value, hkoRelation)),
    });
    const { balancedSquared, balancedAbsolute } = rainErrorSums(field(prediction), field(truth));
    const run = compile("balanced", ([predictions, targets, weights]) => {
      const objective = (values: Tensor) => lossSum("balanced", values, targets, weights);
      const { value, grad } = tf.valueAndGrad(objective)(predictions);
      return [value, grad];
    });
    const shape = [1, 1, 1, truth.length];
    const inputs = [tf.tensor(prediction, shape), tf.tensor(truth, shape), tf.tensor([2], [1, 1])];
    const [sum, gradient] = await run(inputs);
    const expected = 2 * (balancedSquared + balancedAbsolute);
    assertClose(sum.dataSync(), [expected], "sum", { relative: 1e-6 });
    const weights = [1, 1, 1, 1, 1, 2, 2, 5, 5, 10, 10, 30, 30];
    const slopes = weights.map((weight, i) => {
      const difference = prediction[i] - truth[i];
      return 2 * weight * (Math.sign(difference) + 2 * difference);
    });
    assertClose(gradient.dataSync(), slopes, "gradient", { relative: 1e-6 });
    tf.dispose([sum, gradient, inputs]);
    run.dispose();
  },
);

testOnEachEngine(
  "lossSum adds a penalty to each prediction before it is weighted",
  async (compile) => {
    const run = compile("penalized", ([predictions, targets, weights, penalty]) => [
      lossSum("mae", predictions, targets, weights, penalty),
    ]);
    const inputs = [
      tf.tensor([1, 2, 3, 4], [1, 2, 2]),
      tf.tensor([0, 0, 0, 0], [1, 2, 2]),
      tf.tensor([0.5, 2], [1, 2]),
      tf.tensor([10, 100], [1, 2]),
    ];
    const [sum] = await run(inputs);
    assert.equal(sum.dataSync()[0], 0.5 * (3 + 10) + 2 * (7 + 100));
    tf.dispose([sum, inputs]);
    run.dispose();
  },
);

testOnEachEngine(
  "correctSum weighs the answers whose likeliest class is right",
  async (compile) => {
    const run = compile("correct", ([predictions, targets, weights]) => [
      correctSum(predictions, targets, weights),
    ]);
    const inputs = [
      // [lanes 1, predictions 2, pixels 2, classes 3]
      tf.tensor([0.1, 0.7, 0.2, 0.5, 0.3, 0.2, 0.2, 0.2, 0.6, 0.4, 0.3, 0.3], [1, 2, 2, 3]),
      tf.tensor([0, 1, 0, 1, 0, 0, 0, 0, 1, 0, 1, 0], [1, 2, 2, 3]),
      tf.tensor([1, 4], [1, 2]),
    ];
    const [sum] = await run(inputs);
    assert.equal(sum.dataSync()[0], 2 * 1 + 1 * 4);
    tf.dispose([sum, inputs]);
    run.dispose();
  },
);

Deno.test("errorsPerPrediction counts values, or distributions over classes", () => {
  assert.equal(errorsPerPrediction("mse", [4, 5, 3]), 60);
  assert.equal(errorsPerPrediction("cross-entropy", [4, 5, 3]), 20);
  assert.equal(errorsPerPrediction("cross-entropy", [4]), 1);
});
