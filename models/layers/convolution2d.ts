/** Convolutions of images, and their transposes, which enlarge; as Keras' Conv2D and Conv2DTranspose. */
import { tf } from "../../engine/tf.ts";
import { activate, type ActivationName } from "./activation.ts";
import type { Layer, LayerParameter } from "./layer.ts";

export type Padding = "same" | "valid";

export interface Convolution2dOptions {
  readonly name: string;
  /** Channels that go in. */
  readonly channels: number;
  readonly filters: number;
  /** Height and width of the kernel. */
  readonly kernelSize: number | readonly [number, number];
  /** @default {1} */
  readonly stride?: number | readonly [number, number];
  /** @default {"same"} */
  readonly padding?: Padding;
  /** @default {"linear"} */
  readonly activation?: ActivationName;
  /** @default {true} */
  readonly hasBias?: boolean;
  /** What the bias of each filter begins with. @default zeros */
  readonly firstBias?: readonly number[];
}

/** [n, height, width, channels] to [n, height / stride, width / stride, filters] where 'same'. */
export function conv2d(options: Convolution2dOptions): Layer {
  const { channels, filters, stride = 1, padding = "same", activation = "linear" } = options;
  const [rows, columns] = pair(options.kernelSize);
  return {
    parameters: kernelAndBias(options, [rows, columns, channels, filters]),
    apply([kernel, bias], input) {
      const strides: [number, number] = [...pair(stride)];
      const sums = tf.conv2d(input as tf.Tensor4D, kernel as tf.Tensor4D, strides, padding);
      return activate(activation, bias ? tf.add(sums, bias) : sums);
    },
  };
}

/**
 * [n, height, width, channels] to [n, height * stride, width * stride, filters] where 'same'; where
 * 'valid' each side has max(kernel - stride, 0) more.
 */
export function conv2dTranspose(options: Convolution2dOptions): Layer {
  const { channels, filters, stride = 1, padding = "same", activation = "linear" } = options;
  const kernelSize = pair(options.kernelSize);
  const strides: [number, number] = [...pair(stride)];
  return {
    parameters: kernelAndBias(options, [...kernelSize, filters, channels]),
    apply([kernel, bias], input) {
      const [count, height, width] = input.shape;
      const sides = [height, width].map((side, axis) =>
        transposedSide(side, kernelSize[axis], strides[axis], padding)
      );
      const sums = tf.conv2dTranspose(
        input as tf.Tensor4D,
        kernel as tf.Tensor4D,
        [count, sides[0], sides[1], filters],
        strides,
        padding,
      );
      return activate(activation, bias ? tf.add(sums, bias) : sums);
    },
  };
}

/** The length of a side after a transposed convolution. */
export function transposedSide(
  side: number,
  kernelSize: number,
  stride: number,
  padding: Padding,
): number {
  return side * stride + (padding === "same" ? 0 : Math.max(kernelSize - stride, 0));
}

export function kernelAndBias(
  { name, filters, hasBias = true, firstBias }: Pick<
    Convolution2dOptions,
    "name" | "filters" | "hasBias" | "firstBias"
  >,
  kernelShape: readonly number[],
): LayerParameter[] {
  const kernel = { name: `${name}/kernel`, shape: kernelShape, initial: "glorot-uniform" } as const;
  const bias = {
    name: `${name}/bias`,
    shape: [filters],
    initial: firstBias ? { values: firstBias } : "zeros",
  } as const;
  return hasBias ? [kernel, bias] : [kernel];
}

function pair(sides: number | readonly [number, number]): readonly [number, number] {
  return typeof sides === "number" ? [sides, sides] : sides;
}
