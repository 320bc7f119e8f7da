/**
 * Losses as sums: a step's loss is sum(weight × error) over all lanes of all shards, and its divisor
 * is known from the plan. So a shard needs no knowledge of the others, and padded frames (weight 0)
 * bias nothing.
 */
import { type Tensor, tf } from "../engine/tf.ts";
import type { LossName } from "../net/run_configuration.ts";

/** How far binary cross-entropy keeps predictions from 0 and 1, as Keras. */
const CLIP_EPSILON = 1e-7;

/**
 * The sum over all frames of weight × error, where a frame's error is summed over its height, width
 * and channels: squared difference (`mse`), absolute difference (`mae`) or binary cross-entropy in
 * nats with predictions clipped to [1e-7, 1 - 1e-7] (`bce`), as in Keras 3.
 * @param predictions [lanes, predictions, height, width, channels]
 * @param targets of the same shape
 * @param weights [lanes, predictions]
 * @returns a scalar
 */
export function lossSum(
  loss: LossName,
  predictions: Tensor,
  targets: Tensor,
  weights: Tensor,
): Tensor {
  const frameErrors = tf.sum(errors[loss](predictions, targets), [2, 3, 4]);
  return tf.sum(tf.mul(frameErrors, weights));
}

const errors: { readonly [loss in LossName]: (predictions: Tensor, targets: Tensor) => Tensor } = {
  mse: (predictions, targets) => tf.squaredDifference(predictions, targets),
  mae: (predictions, targets) => absolute(tf.sub(predictions, targets)),
  bce: binaryCrossEntropy,
};

/** TensorFlow.js says that |x| falls with slope -1 at 0; PyTorch and TensorFlow take slope 0. */
const absolute = tf.customGrad((x, save) => {
  (save as tf.GradSaveFunc)([x as Tensor]);
  return {
    value: tf.abs(x as Tensor),
    gradFunc: (dy: Tensor, [saved]: Tensor[]) => tf.mul(dy, tf.sign(saved)),
  };
});

function binaryCrossEntropy(predictions: Tensor, targets: Tensor): Tensor {
  const clipped = tf.clipByValue(predictions, CLIP_EPSILON, 1 - CLIP_EPSILON);
  const ones = tf.mul(targets, tf.log(clipped));
  const zeros = tf.mul(tf.sub(1, targets), tf.log(tf.sub(1, clipped)));
  return tf.neg(tf.add(ones, zeros));
}
