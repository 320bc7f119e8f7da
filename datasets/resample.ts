/**
 * Resizing of images by separable linear interpolation whose kernel grows with the reduction, so
 * that every pixel of the original counts: the triangle filter that Pillow calls BILINEAR.
 */
export type ImageSize = readonly [rows: number, columns: number];

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
  const [rows, columns] = from;
  const narrowed = columns === to[1]
    ? image
    : alongAxis(image, { before: rows, extent: columns, after: channels }, to[1]);
  return rows === to[0]
    ? narrowed
    : alongAxis(narrowed, { before: 1, extent: rows, after: to[1] * channels }, to[0]);
}

interface Axis {
  /** Product of the extents before and after the axis. */
  readonly before: number;
  readonly extent: number;
  readonly after: number;
}

function alongAxis(
  values: Float32Array,
  { before, extent, after }: Axis,
  target: number,
): Float32Array<ArrayBuffer> {
  const scale = extent / target;
  const reach = Math.max(1, scale);
  const result = new Float32Array(before * target * after);
  for (let to = 0; to < target; to++) {
    const center = (to + 0.5) * scale;
    const first = Math.max(0, Math.trunc(center - reach + 0.5));
    const end = Math.min(extent, Math.trunc(center + reach + 0.5));
    const weights = Array.from(
      { length: end - first },
      (_, i) => Math.max(0, 1 - Math.abs((first + i - center + 0.5) / reach)),
    );
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    for (let block = 0; block < before; block++) {
      for (let rest = 0; rest < after; rest++) {
        let sum = 0;
        for (let i = 0; i < weights.length; i++) {
          sum += weights[i] * values[(block * extent + first + i) * after + rest];
        }
        result[(block * target + to) * after + rest] = sum / total;
      }
    }
  }
  return result;
}
