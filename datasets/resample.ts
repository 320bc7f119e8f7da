/**
 * Resizing of images by separable linear interpolation whose kernel grows with the reduction, so
 * that every pixel of the original counts: the triangle filter that Pillow calls BILINEAR.
 */
export type ImageSize = readonly [rows: number, columns: number];

/** An image that is not held as a whole: of a camera's picture the floats are four times its bytes. */
export interface ImageRows {
  readonly size: ImageSize;
  readonly channels: number;
  /** Writes the row's [columns, channels] into `into`. */
  read(row: number, into: Float32Array): void;
}

/**
 * @param image [rows, columns, channels] of `from`
 * @returns [rows, columns, channels] of `to`; the same array where the sizes are equal
 */
export function resample(
  image: Float32Array<ArrayBuffer>,
  channels: number,
  from: ImageSize,
  to: ImageSize,
): Float32Array<ArrayBuffer> {
  if (`${from}` === `${to}`) return image;
  const length = from[1] * channels;
  const read = (row: number, into: Float32Array) =>
    into.set(image.subarray(row * length, (row + 1) * length));
  return resampleRows({ size: from, channels, read }, to);
}

/** @returns [rows, columns, channels] of `to` */
export function resampleRows(
  { size: [rows, columns], channels, read }: ImageRows,
  to: ImageSize,
): Float32Array<ArrayBuffer> {
  const length = to[1] * channels;
  const narrowed = new Float32Array(rows * length);
  if (columns === to[1]) {
    for (let row = 0; row < rows; row++) {
      read(row, narrowed.subarray(row * length, (row + 1) * length));
    }
  } else {
    const kernels = kernelsOf(columns, to[1]);
    const group = Array.from({ length: groupRows }, () => new Float32Array(columns * channels));
    const narrow = new Float32Array(groupRows * length);
    for (let first = 0; first < rows; first += groupRows) {
      const count = Math.min(groupRows, rows - first);
      for (let i = 0; i < count; i++) read(first + i, group[i]);
      narrowRows(group, channels, kernels, narrow);
      narrowed.set(narrow.subarray(0, count * length), first * length);
    }
  }
  return rows === to[0] ? narrowed : alongColumns(narrowed, length, kernelsOf(rows, to[0]));
}

/** Summed side by side, because a sum waits for each of its additions. */
const groupRows = 4;

/** What a pixel of the result is made of. */
interface Kernel {
  readonly first: number;
  readonly weights: Float64Array;
  readonly total: number;
}

function kernelsOf(extent: number, target: number): Kernel[] {
  const scale = extent / target;
  const reach = Math.max(1, scale);
  return Array.from({ length: target }, (_, to) => {
    const center = (to + 0.5) * scale;
    const first = Math.max(0, Math.trunc(center - reach + 0.5));
    const end = Math.min(extent, Math.trunc(center + reach + 0.5));
    const weights = Float64Array.from(
      { length: end - first },
      (_, i) => Math.max(0, 1 - Math.abs((first + i - center + 0.5) / reach)),
    );
    return { first, weights, total: weights.reduce((sum, weight) => sum + weight, 0) };
  });
}

function narrowRows(
  [row0, row1, row2, row3]: readonly Float32Array[],
  channels: number,
  kernels: readonly Kernel[],
  into: Float32Array,
): void {
  const length = kernels.length * channels;
  for (let to = 0; to < kernels.length; to++) {
    const { first, weights, total } = kernels[to];
    for (let channel = 0; channel < channels; channel++) {
      let [sum0, sum1, sum2, sum3] = [0, 0, 0, 0];
      for (let i = 0, at = first * channels + channel; i < weights.length; i++, at += channels) {
        const weight = weights[i];
        sum0 += weight * row0[at];
        sum1 += weight * row1[at];
        sum2 += weight * row2[at];
        sum3 += weight * row3[at];
      }
      const at = to * channels + channel;
      into[at] = sum0 / total;
      into[at + length] = sum1 / total;
      into[at + 2 * length] = sum2 / total;
      into[at + 3 * length] = sum3 / total;
    }
  }
}

/** Rows of `length` values; one row of the result after the other, so that memory is read in turn. */
function alongColumns(
  values: Float32Array,
  length: number,
  kernels: readonly Kernel[],
): Float32Array<ArrayBuffer> {
  const result = new Float32Array(kernels.length * length);
  const sums = new Float64Array(length);
  for (const [to, { first, weights, total }] of kernels.entries()) {
    sums.fill(0);
    for (let i = 0; i < weights.length; i++) {
      const from = (first + i) * length;
      for (let at = 0; at < length; at++) sums[at] += weights[i] * values[from + at];
    }
    for (let at = 0; at < length; at++) result[to * length + at] = sums[at] / total;
  }
  return result;
}
