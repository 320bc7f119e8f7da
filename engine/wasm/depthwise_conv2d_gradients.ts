/**
 * Gradients of a depthwise 2-D convolution, which the WebAssembly backend lacks. Each channel has a
 * kernel of its own, so that there is no matrix product in it: both gradients are sums over the
 * kernel's taps of element-wise products of shifted images.
 */
import { tf } from "../tf.ts";
import { imageWindow } from "./image_window.ts";
import type { ConvolutionAxis, ConvolutionGeometry } from "./convolution_geometry.ts";

/**
 * @param input [batch, inHeight, inWidth, inChannels]
 * @param outputGradient [batch, outHeight, outWidth, inChannels * multiplier]
 * @return [kernelHeight, kernelWidth, inChannels, multiplier]
 */
export function depthwiseFilterGradient(
  input: tf.Tensor4D,
  outputGradient: tf.Tensor4D,
  geometry: ConvolutionGeometry,
): tf.Tensor4D {
  const { inChannels, outChannels, rows, columns } = geometry;
  const multiplier = outChannels / inChannels;
  return tf.tidy(() => {
    const dy = byMultiplier(outputGradient, inChannels);
    const taps = forEachTap(geometry, (i, j) =>
      tf.tidy(() => {
        const seen = tf.stridedSlice(
          imageWindow(input, { rows: tapSpan(rows, i), columns: tapSpan(columns, j) }),
          [0, 0, 0, 0],
          [input.shape[0], rows.output * rows.stride, columns.output * columns.stride, inChannels],
          [1, rows.stride, columns.stride, 1],
        );
        return tf.sum(tf.mul(tf.expandDims(seen, 4), dy), [0, 1, 2]);
      }));
    return tf.reshape(tf.stack(taps), [rows.kernel, columns.kernel, inChannels, multiplier]);
  });
}

/**
 * @param outputGradient [batch, outHeight, outWidth, inChannels * multiplier]
 * @param kernel [kernelHeight, kernelWidth, inChannels, multiplier]
 * @return [batch, inHeight, inWidth, inChannels]
 */
export function depthwiseInputGradient(
  outputGradient: tf.Tensor4D,
  kernel: tf.Tensor4D,
  geometry: ConvolutionGeometry,
): tf.Tensor4D {
  const { inChannels, outChannels, rows, columns } = geometry;
  const multiplier = outChannels / inChannels;
  return tf.tidy(() => {
    const dy = byMultiplier(outputGradient, inChannels);
    const parts = forEachTap(geometry, (i, j) =>
      tf.tidy(() => {
        const tap = tf.reshape(tf.slice(kernel, [i, j, 0, 0], [1, 1, -1, -1]), [
          inChannels,
          multiplier,
        ]);
        const spread = spreadByStride(tf.sum(tf.mul(dy, tap), 4) as tf.Tensor4D, rows, columns);
        const [top, left] = [rows.padding - i, columns.padding - j];
        return imageWindow(spread, {
          rows: { begin: top, end: top + rows.input },
          columns: { begin: left, end: left + columns.input },
        });
      }));
    return tf.addN(parts);
  });
}

/** [batch, height, width, inChannels, multiplier] */
function byMultiplier(dy: tf.Tensor4D, inChannels: number): tf.Tensor {
  const [batch, height, width, channels] = dy.shape;
  return tf.reshape(dy, [batch, height, width, inChannels, channels / inChannels]);
}

function forEachTap<T>({ rows, columns }: ConvolutionGeometry, fn: (i: number, j: number) => T) {
  return Array.from(
    { length: rows.kernel * columns.kernel },
    (_, tap) => fn(Math.floor(tap / columns.kernel), tap % columns.kernel),
  );
}

/** The input rows that a tap sees, from its first on, in steps of the stride. */
function tapSpan({ output, stride, padding }: ConvolutionAxis, tap: number) {
  return { begin: tap - padding, end: tap - padding + output * stride };
}

/** Puts `stride - 1` zeros after every row and column. */
function spreadByStride(image: tf.Tensor4D, rows: ConvolutionAxis, columns: ConvolutionAxis) {
  const [batch, height, width, channels] = image.shape;
  const cells = tf.reshape(image, [batch * height, 1, width, channels]);
  const spread = tf.pad(cells, [[0, 0], [0, rows.stride - 1], [0, 0], [
    0,
    (columns.stride - 1) * channels,
  ]]);
  return tf.reshape<tf.Rank.R4>(spread, [
    batch,
    height * rows.stride,
    width * columns.stride,
    channels,
  ]);
}
