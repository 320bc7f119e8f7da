/**
 * Where convolutions and pools look, and how frames lie: sizes of answers, kernels with gaps, and the
 * place of the channels.
 */
import { type Tensor, tf } from "../../engine/tf.ts";
import type { Port, Shape } from "./layer.ts";
import type { LayerConfig } from "./layer_config.ts";

export type Padding = "same" | "valid";

/** [lanes, ...place, channels] of one to three axes, with neither bias nor activation. */
export function convolvePlain(
  x: Tensor,
  kernel: Tensor,
  strides: readonly number[],
  padding: Padding,
): Tensor {
  if (x.rank === 3) {
    return tf.conv1d(x as tf.Tensor3D, kernel as tf.Tensor3D, strides[0], padding);
  }
  if (x.rank === 4) {
    const [rows, columns] = strides;
    return tf.conv2d(x as tf.Tensor4D, kernel as tf.Tensor4D, [rows, columns], padding);
  }
  const each = [...strides] as [number, number, number];
  return tf.conv3d(x as tf.Tensor5D, kernel as tf.Tensor5D, each, padding);
}

/** A kernel [...sizes, in, out] with zeros between its numbers. */
export function dilated(kernel: Tensor, rates: readonly number[]): Tensor {
  if (rates.every((rate) => rate === 1)) return kernel;
  const sizes = kernel.shape.slice(0, rates.length);
  let spread = kernel;
  for (const [axis, rate] of rates.entries()) {
    if (rate === 1) continue;
    const parts = tf.unstack(spread, axis);
    const gap = tf.zerosLike(parts[0]);
    const spaced = parts.flatMap((part, index) =>
      index === 0 ? [part] : [...Array<Tensor>(rate - 1).fill(gap), part]
    );
    spread = tf.stack(spaced, axis);
  }
  const shape = [...spans(sizes, rates), ...kernel.shape.slice(rates.length)];
  return tf.reshape(spread, shape);
}

/** What a kernel covers with its zeros. */
export function spans(sizes: readonly number[], rates: readonly number[]): number[] {
  return sizes.map((size, axis) => (size - 1) * rates[axis] + 1);
}

export function convolvedSize(
  config: LayerConfig,
  side: number,
  size: number,
  stride: number,
  padding: Padding,
): number {
  if (padding === "same") return Math.ceil(side / stride);
  if (side >= size) return Math.floor((side - size) / stride) + 1;
  throw config.refusal(
    `covers ${size} places where ${side} are`,
    'save it with padding="same", a smaller kernel or pool, or choose larger frames',
  );
}

/** The sides and the channels of what is read. */
export function placeOf(
  config: LayerConfig,
  inputs: readonly Port[],
  rank: number,
  isChannelsFirst: boolean,
): { place: Shape; channels: number } {
  const sides = ["time", "rows, columns", "time, rows, columns"][rank - 1];
  const meaning = isChannelsFirst ? `channels, ${sides}` : `${sides}, channels`;
  const shape = config.checkRank(inputs, rank + 1, meaning);
  return isChannelsFirst
    ? { place: shape.slice(1), channels: shape[0] }
    : { place: shape.slice(0, -1), channels: shape[rank] };
}

/** [...place, channels] in the order that the layer has. */
export function ordered(shape: Shape, isChannelsFirst: boolean): Shape {
  return isChannelsFirst ? [shape.at(-1)!, ...shape.slice(0, -1)] : shape;
}

export function channelsLast(x: Tensor): Tensor {
  return tf.transpose(x, [0, ...x.shape.slice(2).map((_, index) => index + 2), 1]);
}

export function channelsFirst(x: Tensor): Tensor {
  return tf.transpose(x, [0, x.rank - 1, ...x.shape.slice(2).map((_, index) => index + 1)]);
}
