/**
 * Errors of rain fields. Rainfall-MSE (X. Shi et al. 2015) is the mean squared error in mm/h. B-MSE
 * and B-MAE (HKO-7: X. Shi et al., "Deep Learning for Precipitation Nowcasting", 2017, section 3.3)
 * weigh each pixel by how hard it truly rains, so that cloudbursts count; they are sums over a frame
 * of values in [0, 1], and means over frames. Pixels that are not observed are left out.
 */

/** Of a pixel with less than 0.5 mm/h, and from each of `hkoThresholds` on. */
const hkoWeights = [1, 1, 2, 5, 10, 30];
/** mm/h */
export const hkoThresholds: readonly number[] = [0.5, 2, 5, 10, 30];

export interface RainErrorSums {
  /** In which any pixel is observed. */
  readonly frames: number;
  /** Pixels that both sides observe. */
  readonly pixels: number;
  /** Of rain rates, (mm/h)^2 and mm/h. */
  readonly squared: number;
  readonly absolute: number;
  /** Of values in [0, 1], weighted. */
  readonly balancedSquared: number;
  readonly balancedAbsolute: number;
}

export const noRainErrors: RainErrorSums = {
  frames: 0,
  pixels: 0,
  squared: 0,
  absolute: 0,
  balancedSquared: 0,
  balancedAbsolute: 0,
};

/** One side of a frame: its values in [0, 1] and the rain rates in mm/h that they stand for. */
export interface RainField {
  readonly values: Float32Array;
  readonly rates: Float32Array | Float64Array;
}

/** Sums over one frame. */
export function rainErrorSums(prediction: RainField, truth: RainField): RainErrorSums {
  let pixels = 0;
  let [squared, absolute, balancedSquared, balancedAbsolute] = [0, 0, 0, 0];
  for (let i = 0; i < truth.rates.length; i++) {
    const rateError = Math.abs(prediction.rates[i] - truth.rates[i]);
    if (Number.isNaN(rateError)) continue;
    pixels++;
    squared += rateError ** 2;
    absolute += rateError;
    const weight = hkoWeight(truth.rates[i]);
    const error = Math.abs(prediction.values[i] - truth.values[i]);
    balancedSquared += weight * error ** 2;
    balancedAbsolute += weight * error;
  }
  const frames = pixels > 0 ? 1 : 0;
  return { frames, pixels, squared, absolute, balancedSquared, balancedAbsolute };
}

export function addRainErrors(one: RainErrorSums, two: RainErrorSums): RainErrorSums {
  return {
    frames: one.frames + two.frames,
    pixels: one.pixels + two.pixels,
    squared: one.squared + two.squared,
    absolute: one.absolute + two.absolute,
    balancedSquared: one.balancedSquared + two.balancedSquared,
    balancedAbsolute: one.balancedAbsolute + two.balancedAbsolute,
  };
}

export interface RainErrors {
  /** Mean over pixels, (mm/h)^2 and mm/h. */
  readonly rainfallMse: number | null;
  readonly rainfallMae: number | null;
  /** HKO-7's B-MSE and B-MAE: means over frames of weighted sums over observed pixels. */
  readonly balancedMse: number | null;
  readonly balancedMae: number | null;
}

export function rainErrors(sums: RainErrorSums): RainErrors {
  const mean = (sum: number, count: number) => count === 0 ? null : sum / count;
  return {
    rainfallMse: mean(sums.squared, sums.pixels),
    rainfallMae: mean(sums.absolute, sums.pixels),
    balancedMse: mean(sums.balancedSquared, sums.frames),
    balancedMae: mean(sums.balancedAbsolute, sums.frames),
  };
}

function hkoWeight(rate: number): number {
  let reached = 0;
  while (reached < hkoThresholds.length && rate >= hkoThresholds[reached]) reached++;
  return hkoWeights[reached];
}
