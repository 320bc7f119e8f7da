/**
 * The one file that names TensorFlow.js. Everything that computes with tensors imports `tf` from
 * here, so that the kernels, the gradient tape and the models share a single library instance.
 */
import * as tf from "@tensorflow/tfjs-core";

export { tf };
export type Tensor = tf.Tensor;
export type Tensor4D = tf.Tensor4D;
export type TensorShape = readonly number[];
