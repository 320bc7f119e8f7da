/** Clipping by global norm (Pascanu, Mikolov and Bengio 2013): a cure for exploding gradients. */
import { type Tensor, tf } from "../engine/tf.ts";

/**
 * The gradient, scaled down to norm `normMax` where its Euclidean norm is larger; else itself, bit
 * for bit.
 * @param gradient all of it in one vector
 */
export function clipByGlobalNorm(gradient: Tensor, normMax: number): Tensor {
  const norm = tf.sqrt(tf.sum(tf.square(gradient)));
  return tf.mul(gradient, tf.div(normMax, tf.maximum(norm, normMax)));
}
