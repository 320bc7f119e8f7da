/**
 * Convolutions of short videos, and their transposes; as Keras' Conv3D and Conv3DTranspose.
 *
 * TensorFlow.js computes a transposed 3D convolution, but has no gradient for it. It is the gradient
 * of a convolution at its input; so its own gradient at the input is that convolution of dy, and at
 * the kernel that convolution's filter gradient with input and dy in each other's place.
 */
import { type Tensor, tf } from "../../engine/tf.ts";
import { activate, type ActivationName } from "./activation.ts";
import { kernelAndBias, type Padding, transposedSide } from "./convolution2d.ts";
import type { Layer } from "./layer.ts";

type Sides = readonly [number, number, number];

export interface Convolution3dOptions {
  readonly name: string;
  readonly channels: number;
  readonly filters: number;
  /** Frames, height and width of the kernel. */
  readonly kernelSize: Sides;
  /** @default {[1, 1, 1]} */
  readonly stride?: Sides;
  /** @default {"same"} */
  readonly padding?: Padding;
  /** @default {"linear"} */
  readonly activation?: ActivationName;
  /** @default {true} */
  readonly hasBias?: boolean;
  /** What the bias of each filter begins with. @default zeros */
  readonly firstBias?: readonly number[];
}

/** [n, frames, height, width, channels] to [n, frames', height', width', filters]. */
export function conv3d(options: Convolution3dOptions): Layer {
  const { channels, filters, stride = [1, 1, 1], padding = "same" } = options;
  return {
    parameters: kernelAndBias(options, [...options.kernelSize, channels, filters]),
    apply([kernel, bias], input) {
      const sums = tf.conv3d(input as tf.Tensor5D, kernel as tf.Tensor5D, [...stride], padding);
      return activate(options.activation ?? "linear", bias ? tf.add(sums, bias) : sums);
    },
  };
}

/** Each side times its stride where 'same'; where 'valid', max(kernel - stride, 0) more. */
export function conv3dTranspose(options: Convolution3dOptions): Layer {
  const { channels, filters, stride = [1, 1, 1], padding = "same" } = options;
  return {
    parameters: kernelAndBias(options, [...options.kernelSize, filters, channels]),
    apply([kernel, bias], input) {
      const sums = transposedConvolution3d(input, kernel, stride, padding);
      return activate(options.activation ?? "linear", bias ? tf.add(sums, bias) : sums);
    },
  };
}

/**
 * @param input [n, frames, height, width, channels]
 * @param kernel [frames, height, width, filters, channels]
 */
export function transposedConvolution3d(
  input: Tensor,
  kernel: Tensor,
  stride: Sides,
  padding: Padding,
): Tensor {
  const [count, ...sides] = input.shape.slice(0, 4);
  const outputShape = [
    count,
    ...sides.map((side, axis) => transposedSide(side, kernel.shape[axis], stride[axis], padding)),
    kernel.shape[3]!,
  ];
  const attributes = { strides: [...stride], pad: padding };
  const run = tf.customGrad((x, filter, save) => {
    (save as unknown as tf.GradSaveFunc)([x as Tensor, filter as Tensor]);
    const value = tf.engine().runKernel(
      tf.Conv3DBackpropInputV2,
      { dy: x as Tensor, filter: filter as Tensor },
      { ...attributes, inputShape: outputShape },
    ) as Tensor;
    const gradFunc = (dy: Tensor, [savedX, savedFilter]: Tensor[]) => [
      tf.conv3d(dy as tf.Tensor5D, savedFilter as tf.Tensor5D, [...stride], padding),
      tf.engine().runKernel(
        tf.Conv3DBackpropFilterV2,
        { x: dy, dy: savedX },
        { ...attributes, filterShape: [...savedFilter.shape] },
      ) as Tensor,
    ];
    return { value, gradFunc };
  });
  return run(input, kernel);
}
