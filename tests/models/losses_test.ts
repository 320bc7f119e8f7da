import { type Tensor, tf } from "../../engine/tf.ts";
import { lossSum } from "../../models/losses.ts";
import { lossNames } from "../../net/run_configuration.ts";
import keras from "../fixtures/optimizers/keras.json" with { type: "json" };
import { assertClose } from "./close_to.ts";
import { testOnEachEngine } from "./each_engine.ts";

const { shape, predictions, targets, weights } = keras.losses;

testOnEachEngine("lossSum and its gradient are those of Keras", async (compile) => {
  for (const loss of lossNames) {
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
    const [sum, gradient] = await compiled(inputs);
    assertClose(sum.dataSync(), [keras.losses[loss].sum], loss, { relative: 1e-6 });
    assertClose(gradient.dataSync(), keras.losses[loss].gradient, `gradient of ${loss}`, {
      relative: 1e-6,
    });
    tf.dispose([sum, gradient, ...inputs]);
    compiled.dispose();
  }
});
