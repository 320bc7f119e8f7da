/** Dropout (Srivastava et al. 2014), inverted as in Keras: evaluation needs no scale. */
import { type Tensor, tf } from "../../engine/tf.ts";

/**
 * Values whose noise is below `rate` become 0, the others are divided by 1 - rate.
 * @param noise uniform in [0, 1), shaped as the input or to be broadcast to it
 * @param rate in [0, 1)
 * @param isTraining without it the input is given back as it is
 */
export function dropout(input: Tensor, noise: Tensor, rate: number, isTraining: boolean): Tensor {
  if (!isTraining || rate === 0) return input;
  const kept = tf.cast(tf.greaterEqual(noise, rate), "float32");
  return tf.mul(input, tf.mul(kept, 1 / (1 - rate)));
}
