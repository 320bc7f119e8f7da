/**
 * Fractions skill score (N. M. Roberts, H. W. Lean, Monthly Weather Review 136, 2008): how far the
 * share of pixels with an event agrees in neighbourhoods of a given size, so that a shower one pixel
 * off is not a miss and a false alarm. Computed as pysteps does: events are values at or above the
 * threshold, pixels outside of the field and unobserved ones hold none, and the sums of many fields
 * are added before they are divided.
 */

export interface FractionsSums {
  /** Sums over pixels of squared fractions and of their products. */
  readonly predictionSquares: number;
  readonly truthSquares: number;
  readonly products: number;
}

export const noFractions: FractionsSums = { predictionSquares: 0, truthSquares: 0, products: 0 };

type Field = Float32Array | Float64Array;
type Size = readonly [height: number, width: number];

/**
 * @param scale side of the neighbourhood in pixels
 * @throws {RangeError} where an array is not of this size
 */
export function fractionsSums(
  prediction: Field,
  truth: Field,
  size: Size,
  threshold: number,
  scale: number,
): FractionsSums {
  const [height, width] = size;
  if (prediction.length !== height * width || truth.length !== height * width) {
    throw new RangeError(
      `Cannot compare fractions of ${height} x ${width} pixels: received ${prediction.length} ` +
        `predicted and ${truth.length} true values`,
    );
  }
  const predicted = eventCounts(prediction, size, threshold, scale);
  const observed = eventCounts(truth, size, threshold, scale);
  let [predictionSquares, truthSquares, products] = [0, 0, 0];
  for (let i = 0; i < predicted.length; i++) {
    predictionSquares += predicted[i] ** 2;
    truthSquares += observed[i] ** 2;
    products += predicted[i] * observed[i];
  }
  // Counts are whole numbers, so the sums are exact up to here.
  const area = scale ** 4;
  return {
    predictionSquares: predictionSquares / area,
    truthSquares: truthSquares / area,
    products: products / area,
  };
}

export function addFractions(one: FractionsSums, two: FractionsSums): FractionsSums {
  return {
    predictionSquares: one.predictionSquares + two.predictionSquares,
    truthSquares: one.truthSquares + two.truthSquares,
    products: one.products + two.products,
  };
}

/** From 0 (no agreement) to 1; null where neither side has an event. */
export function fractionsSkill({ predictionSquares, truthSquares, products }: FractionsSums):
  | number
  | null {
  const whole = predictionSquares + truthSquares;
  return whole === 0 ? null : 2 * products / whole;
}

/** Events in the neighbourhood of each pixel, from a table of sums over all rows and columns so far. */
function eventCounts(field: Field, [height, width]: Size, threshold: number, scale: number) {
  const stride = width + 1;
  const sums = new Int32Array((height + 1) * stride);
  for (let row = 0; row < height; row++) {
    let rowSum = 0;
    for (let column = 0; column < width; column++) {
      if (field[row * width + column] >= threshold) rowSum++;
      const at = (row + 1) * stride + column + 1;
      sums[at] = sums[at - stride] + rowSum;
    }
  }
  // An even neighbourhood reaches one pixel further up and left, as in scipy.ndimage.
  const before = Math.floor(scale / 2);
  const after = scale - before;
  const counts = new Int32Array(height * width);
  for (let row = 0; row < height; row++) {
    const top = Math.max(row - before, 0) * stride;
    const bottom = Math.min(row + after, height) * stride;
    for (let column = 0; column < width; column++) {
      const left = Math.max(column - before, 0);
      const right = Math.min(column + after, width);
      counts[row * width + column] = sums[bottom + right] - sums[bottom + left] -
        sums[top + right] + sums[top + left];
    }
  }
  return counts;
}
