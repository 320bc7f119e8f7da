import { type Tensor, tf } from "../../../engine/tf.ts";
import {
  conv3d,
  conv3dTranspose,
  transposedConvolution3d,
} from "../../../models/layers/convolution3d.ts";
import { assertClose } from "../close_to.ts";
import { testOnEachEngine } from "../each_engine.ts";
import { formulaTensor } from "../keras_fixture.ts";
import { feedForward, testLayer } from "./layer_fixture.ts";

testLayer(
  "conv3d",
  feedForward((options, [[, , , channels, filters]]) =>
    conv3d({ name: "conv", channels, filters, ...options })
  ),
);

testLayer(
  "conv3dTranspose",
  feedForward((options, [[, , , filters, channels]]) =>
    conv3dTranspose({ name: "conv", channels, filters, ...options })
  ),
);

testOnEachEngine(
  "transposedConvolution3d has the gradients that differences have",
  async (compile) => {
    const stride = [1, 2, 2] as const;
    const value = (input: Tensor, kernel: Tensor) => {
      const output = transposedConvolution3d(input, kernel, stride, "same");
      return tf.sum(tf.mul(output, formulaTensor(output.shape, 3, 1))) as tf.Scalar;
    };
    const tensors = [
      formulaTensor([1, 2, 2, 3, 2], 1, 1),
      formulaTensor([2, 3, 3, 1, 2], 2, 1),
    ];
    const gradients = compile("gradients", (inputs) => tf.grads(value)(inputs));
    const difference = compile("difference", ([input, kernel, dInput, dKernel]) => [
      tf.sub(
        value(tf.add(input, dInput), tf.add(kernel, dKernel)),
        value(tf.sub(input, dInput), tf.sub(kernel, dKernel)),
      ),
    ]);
    const found = await gradients(tensors);
    // The value is linear in the input and in the kernel: a step of any length will do.
    for (const [index, tensor] of tensors.entries()) {
      const slopes: number[] = [];
      for (let element = 0; element < tensor.size; element++) {
        const steps = tensors.map((other, i) => {
          const step = new Float32Array(other.size);
          if (i === index) step[element] = 0.5;
          return tf.tensor(step, other.shape);
        });
        const results = await difference([...tensors, ...steps]);
        slopes.push(results[0].dataSync()[0]);
        tf.dispose([steps, results]);
      }
      assertClose(found[index].dataSync(), slopes, `gradient ${index}`, {
        relative: 1e-4,
        floor: 1e-5,
      });
    }
    tf.dispose([tensors, found]);
    gradients.dispose();
    difference.dispose();
  },
);
