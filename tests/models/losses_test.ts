import assert from "node:assert/strict";
import { hkoRelation, rainRateOfValue, valueOfRainRate } from "../../datasets/radar_scale.ts";
import { type Tensor, tf } from "../../engine/tf.ts";
import { correctSum, errorsPerPrediction, lossSum } from "../../models/losses.ts";
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
