/**
 * The gradients of `tf.unstack` and `tf.split` where there is one part. TensorFlow.js's tape hands a
 * gradient its tensor bare where an op has one output, and the stock gradients of these two read a
 * list: a recurrent layer whose sequence is one step long, which unstacks its time, failed.
 */
import { tf } from "./tf.ts";

let isDone = false;

/** Once, after the stock gradients are registered; it serves every engine opened later. */
export function mendOnePartGradients(): void {
  if (isDone) return;
  isDone = true;
  for (const kernelName of [tf.Unpack, tf.SplitV]) {
    const stock = tf.getGradient(kernelName);
    // Registering over a gradient warns on standard error.
    tf.unregisterGradient(kernelName);
    tf.registerGradient({
      ...stock,
      kernelName,
      gradFunc: (dy, saved, attributes) =>
        stock.gradFunc(Array.isArray(dy) ? dy : [dy], saved, attributes),
    });
  }
}
