/**
 * The units of PredNet (Lotter, Kreiman and Cox 2017, arXiv 1605.08104, eq. 1-4), each for one frame
 * of one layer. Gate order i, f, c, o.
 */
import { type Tensor, tf } from "../../engine/tf.ts";
import { hardSigmoid } from "./activation.ts";

/** Keras 1, in which the published network was written. */
const HARD_SIGMOID_SLOPE = 0.2;

/** What is too bright in the prediction, then what is too dark: twice the target's channels. */
export function predictionErrors(target: Tensor, prediction: Tensor): Tensor {
  return tf.concat(
    [tf.relu(tf.sub(prediction, target)), tf.relu(tf.sub(target, prediction))],
    target.rank - 1,
  );
}

export interface RepresentationState {
  readonly hidden: Tensor;
  readonly cell: Tensor;
}

/**
 * The representation unit: a ConvLSTM with hard sigmoid gates, one kernel over everything it reads.
 * @param kernel [size, size, sum of all channels read, 4 * filters]
 * @param read hidden state, errors, and the enlarged representation from above where there is one
 */
export function updateRepresentation(
  kernel: Tensor,
  bias: Tensor,
  cell: Tensor,
  read: readonly Tensor[],
): RepresentationState {
  const joined = tf.concat([...read], 3) as tf.Tensor4D;
  const sums = tf.add(tf.conv2d(joined, kernel as tf.Tensor4D, 1, "same"), bias);
  const [input, forget, candidate, output] = tf.split(sums, 4, 3);
  const gate = (values: Tensor) => hardSigmoid(values, HARD_SIGMOID_SLOPE);
  const after = tf.add(tf.mul(gate(forget), cell), tf.mul(gate(input), tf.tanh(candidate)));
  return { hidden: tf.mul(gate(output), tf.tanh(after)), cell: after };
}
