/** A fully connected layer: every output reads every input. */
import { type Tensor, tf } from "../../engine/tf.ts";
import { activate, type ActivationName } from "./activation.ts";
import { type Layer, stateless } from "./layer.ts";

export interface DenseOptions {
  readonly name: string;
  readonly inputs: number;
  readonly units: number;
  /** @default {"linear"} */
  readonly activation?: ActivationName;
  /** What the bias of each unit begins with. @default zeros */
  readonly firstBias?: readonly number[];
}

/** [..., inputs] to [..., units]. */
export function dense(options: DenseOptions): Layer {
  const { name, inputs, units, activation = "linear", firstBias } = options;
  return {
    parameters: [
      { name: `${name}/kernel`, shape: [inputs, units], initial: "glorot-uniform" },
      {
        name: `${name}/bias`,
        shape: [units],
        initial: firstBias ? { values: firstBias } : "zeros",
      },
    ],
    apply([kernel, bias], input) {
      const rows = tf.reshape(input, [-1, inputs]) as tf.Tensor2D;
      const sums = tf.add(tf.matMul(rows, kernel as tf.Tensor2D), bias);
      return tf.reshape(activate(activation, sums), [...input.shape.slice(0, -1), units]);
    },
  };
}

/** [n, ...] to [n, product of the rest]. */
export function flatten(): Layer {
  return stateless((input: Tensor) => {
    const [count, ...sides] = input.shape;
    return tf.reshape(input, [count, sides.reduce((size, side) => size * side, 1)]);
  });
}
