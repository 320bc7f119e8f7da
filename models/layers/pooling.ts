/** The greatest or the mean of each patch of an image; as Keras' MaxPooling2D and AveragePooling2D. */
import { tf } from "../../engine/tf.ts";
import type { Padding } from "./convolution2d.ts";
import { type Layer, stateless } from "./layer.ts";

export interface Pooling2dOptions {
  readonly size: number | readonly [number, number];
  /** @default {size} */
  readonly stride?: number | readonly [number, number];
  /** @default {"valid"}: what is left over at the right and below is dropped. */
  readonly padding?: Padding;
}

export function maxPooling2d(options: Pooling2dOptions): Layer {
  const { size, stride, padding } = pooling(options);
  return stateless((input) => tf.maxPool(input as tf.Tensor4D, size, stride, padding));
}

export function averagePooling2d(options: Pooling2dOptions): Layer {
  const { size, stride, padding } = pooling(options);
  return stateless((input) => tf.avgPool(input as tf.Tensor4D, size, stride, padding));
}

function pooling({ size, stride = size, padding = "valid" }: Pooling2dOptions) {
  const pair = (sides: number | readonly [number, number]): [number, number] =>
    typeof sides === "number" ? [sides, sides] : [...sides];
  return { size: pair(size), stride: pair(stride), padding };
}
