/**
 * Resizing of images that miss values: each pixel of the result is the mean of what was observed within
 * its reach, with the weights of `resample`, and missing where nothing was.
 */
import { type ImageSize, resample } from "./resample.ts";

/** Less than this apart, a sum of weights is whole. */
const roundingMax = 1e-5;

/**
 * @param image [rows, columns, channels] of `from`, NaN where missing
 * @returns [rows, columns, channels] of `to`; the same array where the sizes are equal
 */
export function resampleMissing(
  image: Float32Array<ArrayBuffer>,
  channels: number,
  from: ImageSize,
  to: ImageSize,
): Float32Array<ArrayBuffer> {
  if (!image.some(Number.isNaN) || `${from}` === `${to}`) {
    return resample(image, channels, from, to);
  }
  const sums = resample(image.map((value) => Number.isNaN(value) ? 0 : value), channels, from, to);
  const weights = resample(
    image.map((value) => Number.isNaN(value) ? 0 : 1),
    channels,
    from,
    to,
  );
  return sums.map((sum, i) => {
    if (weights[i] > 1 - roundingMax) return sum;
    return weights[i] > roundingMax ? sum / weights[i] : NaN;
  });
}
