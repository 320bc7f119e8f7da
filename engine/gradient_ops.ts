/**
 * Gradients that a model writes by hand, each one TensorFlow op where the engine has it and composed
 * of tfjs ops elsewhere. None of them is differentiable again: they are for the inside of
 * `tf.customGrad`.
 */
import { type Tensor, tf } from "./tf.ts";

/** The gradient at x of y = sigmoid(x), given y and dy. */
export function sigmoidGradient(y: Tensor, dy: Tensor): Tensor {
  return native("SigmoidGrad", { y, dy }) ?? tf.mul(dy, tf.mul(y, tf.sub(1, y)));
}

/** The gradient at x of y = tanh(x), given y and dy. */
export function tanhGradient(y: Tensor, dy: Tensor): Tensor {
  return native("TanhGrad", { y, dy }) ?? tf.mul(dy, tf.sub(1, tf.square(y)));
}

/** x + bias along the last axis: [n, height, width, channels] + [channels]. */
export function addBias(x: Tensor, bias: Tensor): Tensor {
  return native("BiasAdd", { value: x, bias }) ?? tf.add(x, bias);
}

/** The gradient of `addBias` at the bias: sums over all axes but the last. */
export function biasGradient(dy: Tensor): Tensor {
  return native("BiasAddGrad", { outBackprop: dy }) ??
    tf.sum(dy, dy.shape.map((_, axis) => axis).slice(0, -1));
}

/** The gradient of a 'same' convolution with stride 1 at its input. */
export function convolutionInputGradient(
  inputShape: readonly number[],
  kernel: Tensor,
  dy: Tensor,
): Tensor {
  return tf.engine().runKernel(
    tf.Conv2DBackpropInput,
    { dy, filter: kernel },
    { ...sameStride1, inputShape: [...inputShape] },
  ) as Tensor;
}

/** The gradient of a 'same' convolution with stride 1 at its kernel. */
export function convolutionKernelGradient(
  input: Tensor,
  kernelShape: readonly number[],
  dy: Tensor,
): Tensor {
  return tf.engine().runKernel(
    tf.Conv2DBackpropFilter,
    { x: input, dy },
    { ...sameStride1, filterShape: [...kernelShape] },
  ) as Tensor;
}

const sameStride1 = { strides: 1, pad: "same", dataFormat: "NHWC" };

/** Sum of tensors of one shape, in one op. */
export function sumOf(tensors: readonly Tensor[]): Tensor {
  return tensors.length === 1 ? tensors[0] : tf.addN([...tensors]);
}

function native(kernelName: string, inputs: Record<string, Tensor>): Tensor | undefined {
  if (tf.getKernel(kernelName, tf.getBackend()) === undefined) return undefined;
  return tf.engine().runKernel(kernelName, inputs) as Tensor;
}
