import assert from "node:assert/strict";
import { tf } from "../../engine/tf.ts";
import { convAutoencoder } from "../../models/conv_autoencoder.ts";
import { testOnEachEngine } from "./each_engine.ts";
import { formulaTensor } from "./keras_fixture.ts";
import { parameterCount } from "./model_checks.ts";

const small = {
  frameShape: [8, 12, 1],
  filters: [3, 4],
  kernelSize: 3,
  latent: 2,
  outputActivation: "sigmoid",
} as const;

Deno.test("convAutoencoder squeezes a digit through a 7×7 'valid' convolution and back", () => {
  const model = convAutoencoder({ ...small, frameShape: [28, 28, 1], filters: [32, 64] });
  const shapes = Object.fromEntries(model.parameters.map(({ name, shape }) => [name, shape]));
  assert.deepEqual(shapes["encoder/conv2/kernel"], [7, 7, 64, 2]);
  assert.deepEqual(shapes["decoder/conv0/kernel"], [7, 7, 64, 2]);
  const encoder = 320 + 18_496 + 6_274;
  const decoder = 6_336 + 18_464 + 289;
  assert.equal(parameterCount(model), encoder + decoder);
});

testOnEachEngine(
  "convAutoencoder decodes its own latent points to its predictions",
  async (compile) => {
    const model = convAutoencoder(small);
    const run = compile("autoencoder", (tensors) => {
      const values = tensors.slice(1);
      const { predictions, latent } = model.apply(values, [], {
        frames: tensors[0],
        noise: [],
        training: false,
      });
      return [predictions, model.decode!(values, tf.reshape(latent!, [2, 2]))];
    });
    const inputs = [
      formulaTensor([2, 1, 8, 12, 1], 1, 1),
      ...model.parameters.map(({ shape }, index) => formulaTensor(shape, index + 2, 0.5)),
    ];
    const [predictions, decoded] = await run(inputs);
    assert.deepEqual(decoded.shape, [2, 8, 12, 1]);
    assert.deepEqual(decoded.dataSync(), predictions.dataSync());
    tf.dispose([inputs, predictions, decoded]);
    run.dispose();
  },
);

Deno.test("convAutoencoder refuses frames that it cannot halve twice", () => {
  assert.throws(
    () => convAutoencoder({ ...small, frameShape: [8, 10, 1] }),
    /8 × 10.*multiples of 4/,
  );
});
