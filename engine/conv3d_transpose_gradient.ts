/**
 * The gradient of `tf.conv3dTranspose`, which TensorFlow.js lacks: the op is itself the gradient of a
 * convolution at its input, so its own gradients are that convolution and its gradient at the kernel.
 */
import { type Tensor, tf } from "./tf.ts";

let isDone = false;

/** Once; it serves every engine opened later. */
export function registerConv3dTransposeGradient(): void {
  if (isDone) return;
  isDone = true;
  tf.registerGradient({
    kernelName: tf.Conv3DBackpropInputV2,
    inputsToSave: ["dy", "filter"],
    gradFunc: (gradient, [dy, filter], attributes) => {
      const { strides, pad } = attributes as unknown as tf.Conv3DBackpropInputV2Attrs;
      const x = gradient as tf.Tensor5D;
      return {
        dy: () => tf.conv3d(x, filter as tf.Tensor5D, strides, pad as "same" | "valid"),
        filter: () =>
          tf.engine().runKernel(
            tf.Conv3DBackpropFilterV2,
            { x, dy },
            { strides, pad, filterShape: filter.shape },
          ) as Tensor,
      };
    },
  });
}
