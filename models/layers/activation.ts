/** Activation functions by the names and definitions of Keras 3. */
import { type Tensor, tf } from "../../engine/tf.ts";

export const activationNames = [
  "linear",
  "relu",
  "elu",
  "leaky-relu",
  "sigmoid",
  "hard-sigmoid",
  "tanh",
  "softmax",
] as const;
export type ActivationName = typeof activationNames[number];

/** Slope below zero of `keras.activations.leaky_relu`. */
const LEAKY_SLOPE = 0.2;

const activations: { readonly [name in ActivationName]: (x: Tensor) => Tensor } = {
  linear: (x) => x,
  relu: (x) => tf.relu(x),
  elu: (x) => tf.elu(x),
  "leaky-relu": (x) => tf.leakyRelu(x, LEAKY_SLOPE),
  sigmoid: (x) => tf.sigmoid(x),
  "hard-sigmoid": (x) => hardSigmoid(x),
  tanh: (x) => tf.tanh(x),
  softmax,
};

export function activate(name: ActivationName, x: Tensor): Tensor {
  return activations[name](x);
}

/**
 * `slope` * x + 0.5, held within [0, 1]: slope 1/6 in Keras 3 and PyTorch, 0.2 in Keras 1 and 2 and
 * in Theano, whose users' published networks need it.
 */
export function hardSigmoid(x: Tensor, slope = 1 / 6): Tensor {
  return tf.clipByValue(tf.add(tf.mul(x, slope), 0.5), 0, 1);
}

/**
 * Softmax over the last axis, composed: TensorFlow's own kernel gives other last bits in a traced
 * function than op by op.
 */
export function softmax(x: Tensor): Tensor {
  const run = tf.customGrad((logits, save) => {
    const shifted = tf.sub(logits as Tensor, tf.max(logits as Tensor, -1, true));
    const exponentials = tf.exp(shifted);
    const value = tf.div(exponentials, tf.sum(exponentials, -1, true));
    (save as tf.GradSaveFunc)([value]);
    const gradFunc = (dy: Tensor, [y]: Tensor[]) =>
      tf.mul(y, tf.sub(dy, tf.sum(tf.mul(dy, y), -1, true)));
    return { value, gradFunc };
  });
  return run(x);
}
