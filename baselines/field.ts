/** Fields of numbers on a grid: how they are smoothed, halved, and read between grid points. */

export interface Field {
  readonly height: number;
  readonly width: number;
  /** Row by row. */
  readonly values: Float64Array;
}

export function field(height: number, width: number, values?: ArrayLike<number>): Field {
  return {
    height,
    width,
    values: values ? Float64Array.from(values) : new Float64Array(height * width),
  };
}

/** Linear interpolation; beyond the edge the value at the edge. */
export function valueAt({ height, width, values }: Field, row: number, column: number): number {
  const y = Math.min(Math.max(row, 0), height - 1);
  const x = Math.min(Math.max(column, 0), width - 1);
  const [top, left] = [Math.floor(y), Math.floor(x)];
  const [down, across] = [y - top, x - left];
  const at = top * width + left;
  // The neighbour may not be there, nor be finite, where it has no weight.
  const upper = across === 0 ? values[at] : values[at] * (1 - across) + values[at + 1] * across;
  if (down === 0) return upper;
  const below = at + width;
  const lower = across === 0
    ? values[below]
    : values[below] * (1 - across) + values[below + 1] * across;
  return upper * (1 - down) + lower * down;
}

/** From this deviation on, half the pixels carry all that smoothing leaves. */
const wideDeviation = 16;

/**
 * Gaussian smoothing, the field mirrored at its edges; `deviation` in pixels. A wide one is done with
 * half the rows and columns, again and again, which costs little and changes little.
 */
export function smooth(from: Field, deviation: number): Field {
  if (deviation < wideDeviation || Math.min(from.height, from.width) < wideDeviation) {
    return smoothed(from, deviation);
  }
  // Halving smooths, too: variances add up.
  const half = smooth(halved(from), Math.sqrt(deviation ** 2 - 1) / 2);
  return enlarged(half, from.height, from.width);
}

/** Twice as many rows and columns. */
export function enlarged(from: Field, height: number, width: number): Field {
  const into = field(height, width);
  for (let i = 0; i < into.values.length; i++) {
    into.values[i] = valueAt(from, Math.floor(i / width) / 2, (i % width) / 2);
  }
  return into;
}

function smoothed({ height, width, values }: Field, deviation: number): Field {
  const reach = Math.ceil(3 * deviation);
  const weights = Float64Array.from(
    { length: 2 * reach + 1 },
    (_, i) => Math.exp(-(((i - reach) / deviation) ** 2) / 2),
  );
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const along = (from: Float64Array, count: number, length: number, step: number, next: number) => {
    const into = new Float64Array(from.length);
    const padded = new Float64Array(length + 2 * reach);
    const places = Int32Array.from(padded, (_, i) => mirrored(i - reach, length) * step);
    for (let line = 0; line < count; line++) {
      const start = line * next;
      for (let i = 0; i < padded.length; i++) padded[i] = from[start + places[i]];
      let i = 0;
      // Four sums at a time, each in the order of its weights: one alone waits for its own additions.
      for (; i + 3 < length; i += 4) {
        let [one, two, three, four] = [0, 0, 0, 0];
        for (let k = 0; k < weights.length; k++) {
          const weight = weights[k];
          one += weight * padded[i + k];
          two += weight * padded[i + k + 1];
          three += weight * padded[i + k + 2];
          four += weight * padded[i + k + 3];
        }
        into[start + i * step] = one / total;
        into[start + (i + 1) * step] = two / total;
        into[start + (i + 2) * step] = three / total;
        into[start + (i + 3) * step] = four / total;
      }
      for (; i < length; i++) {
        let sum = 0;
        for (let k = 0; k < weights.length; k++) sum += weights[k] * padded[i + k];
        into[start + i * step] = sum / total;
      }
    }
    return into;
  };
  const across = along(values, height, width, 1, width);
  return { height, width, values: along(across, width, height, width, 1) };
}

/** Half as many rows and columns, smoothed first. */
export function halved(from: Field): Field {
  const { values } = smoothed(from, 1);
  const into = field(Math.ceil(from.height / 2), Math.ceil(from.width / 2));
  for (let row = 0; row < into.height; row++) {
    for (let column = 0; column < into.width; column++) {
      into.values[row * into.width + column] = values[2 * row * from.width + 2 * column];
    }
  }
  return into;
}

function mirrored(index: number, length: number): number {
  if (length === 1) return 0;
  const period = 2 * (length - 1);
  const folded = ((index % period) + period) % period;
  return folded < length ? folded : period - folded;
}
