/**
 * `tf`, as everything that computes with tensors imports it: TensorFlow.js, except that its random
 * ops draw anew at every call of a traced function (`random_ops.ts`).
 */
import * as tf from "./tf_namespace.ts";

export { tf };
export type Tensor = tf.Tensor;
export type TensorShape = readonly number[];
