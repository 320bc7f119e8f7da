/**
 * Keras' activations by their names. Those that TensorFlow.js computes in one op with a product or a
 * convolution are told, so that these layers' op by op results stay what they were.
 */
import { type Tensor, tf } from "../../engine/tf.ts";

export interface Activation {
  readonly name: string;
  /** What `tf.fused` calls it. */
  readonly fused?: "linear" | "relu" | "elu";
  apply(x: Tensor): Tensor;
}

const rootHalf = Math.SQRT1_2;

/** Fitted by nobody: functions of their input alone. */
const functions: Readonly<Record<string, (x: Tensor) => Tensor>> = {
  linear: (x) => x,
  relu: (x) => tf.relu(x),
  relu6: (x) => tf.clipByValue(x, 0, 6),
  elu: (x) => tf.elu(x),
  selu: (x) => tf.selu(x),
  sigmoid: (x) => tf.sigmoid(x),
  tanh: (x) => tf.tanh(x),
  softplus: (x) => tf.softplus(x),
  softsign: (x) => tf.div(x, tf.add(tf.abs(x), 1)),
  exponential: (x) => tf.exp(x),
  softmax: (x) => tf.softmax(x, -1),
  log_softmax: (x) => tf.logSoftmax(x, -1),
  swish: (x) => tf.mul(tf.sigmoid(x), x),
  gelu: (x) => tf.mul(tf.mul(0.5, x), tf.add(1, tf.erf(tf.mul(x, rootHalf)))),
  mish: (x) => tf.mul(x, tf.tanh(tf.softplus(x))),
  leaky_relu: (x) => tf.leakyRelu(x, 0.2),
};

const sameAs: Readonly<Record<string, string>> = { silu: "swish" };

/**
 * @param value a name, or how Keras 3 writes a function
 * @returns undefined for one that is not computed here
 */
export function findActivation(value: unknown, isKeras3: boolean): Activation | undefined {
  const { class_name, config } = (value ?? {}) as { class_name?: unknown; config?: unknown };
  const given = class_name === "function" ? config : value;
  if (typeof given !== "string") return undefined;
  const name = Object.hasOwn(sameAs, given) ? sameAs[given] : given;
  if (name === "hard_sigmoid") return { name, apply: hardSigmoid(isKeras3) };
  if (!Object.hasOwn(functions, name)) return undefined;
  const fused = name === "linear" || name === "relu" || name === "elu" ? name : undefined;
  return { name, fused, apply: functions[name] };
}

/** For the table of what is computed. */
export const activationNames: readonly string[] = [
  ...Object.keys(functions),
  "hard_sigmoid",
  ...Object.keys(sameAs),
];

/** Another slope in Keras 3. */
function hardSigmoid(isKeras3: boolean): (x: Tensor) => Tensor {
  const slope = isKeras3 ? 1 / 6 : 0.2;
  return (x) => tf.clipByValue(tf.add(0.5, tf.mul(slope, x)), 0, 1);
}

export function elu(x: Tensor, alpha: number): Tensor {
  if (alpha === 1) return tf.elu(x);
  return tf.add(tf.relu(x), tf.mul(alpha, tf.sub(tf.exp(tf.minimum(x, 0)), 1)));
}
