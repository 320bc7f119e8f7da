/**
 * Structural similarity (Wang et al., 2004, IEEE Transactions on Image Processing 13(4)) as
 * scikit-image computes it by default: a uniform window of 7 x 7 pixels, sample covariance (divided by
 * 48), K1 = 0.01, K2 = 0.03, the mean over all windows that lie wholly inside of the image, and over
 * the channels. Windows with a pixel that was not observed are left out.
 *
 * The range of the data enters the constants. Published video scores (OpenSTL with scikit-image up to
 * 0.19.3) come from float images in [0, 1] for which the package assumed -1 to 1, a range of 2: those
 * lie above the scores at the true range of 1.
 */
import { type FramePair, perFrame } from "./frame_sequence.ts";

const windowSize = 7;
const windowPixels = windowSize * windowSize;
const sampleCorrection = windowPixels / (windowPixels - 1);
const [k1, k2] = [0.01, 0.03];

/**
 * Between -1 and 1 for each frame; NaN where no window is wholly observed.
 * @param dataRange largest minus smallest possible value; 2 to compare with published video scores
 * @throws {RangeError} where a frame is smaller than the window of 7 x 7 pixels
 */
export function structuralSimilarity(frames: FramePair, dataRange: number): Float64Array {
  const [height, width, channels] = frames.frameShape;
  if (height < windowSize || width < windowSize) {
    throw new RangeError(
      `Cannot compute the structural similarity of ${height} x ${width} pixels: ` +
        `frames must have at least ${windowSize} x ${windowSize}`,
    );
  }
  return perFrame(frames, (prediction, truth) => {
    let sum = 0;
    for (let channel = 0; channel < channels; channel++) {
      const x = channelOf(prediction, channel, channels);
      const y = channelOf(truth, channel, channels);
      sum += meanSimilarity(x, y, [height, width], dataRange);
    }
    return sum / channels;
  });
}

function channelOf(frame: Float32Array, channel: number, channels: number): Float64Array {
  const values = new Float64Array(frame.length / channels);
  for (let i = 0; i < values.length; i++) values[i] = frame[i * channels + channel];
  return values;
}

type Size = readonly [height: number, width: number];

function meanSimilarity(x: Float64Array, y: Float64Array, size: Size, dataRange: number): number {
  const missing = missingShares(x, y, size);
  const [meanX, meanY] = [windowMeans(x, size), windowMeans(y, size)];
  const meanXX = windowMeans(products(x, x), size);
  const meanYY = windowMeans(products(y, y), size);
  const meanXY = windowMeans(products(x, y), size);
  const [c1, c2] = [(k1 * dataRange) ** 2, (k2 * dataRange) ** 2];
  let [sum, count] = [0, 0];
  for (let i = 0; i < meanX.length; i++) {
    if (missing && missing[i] > 0) continue;
    count++;
    const [ux, uy] = [meanX[i], meanY[i]];
    const variances = sampleCorrection * (meanXX[i] - ux * ux + meanYY[i] - uy * uy);
    const covariance = sampleCorrection * (meanXY[i] - ux * uy);
    sum += ((2 * ux * uy + c1) * (2 * covariance + c2)) /
      ((ux * ux + uy * uy + c1) * (variances + c2));
  }
  return sum / count;
}

/**
 * Share of each window whose truth is missing, which becomes 0 on both sides, because one NaN would
 * spread through a table of sums; undefined where all is observed.
 */
function missingShares(x: Float64Array, y: Float64Array, size: Size): Float64Array | undefined {
  const missing = y.map((value) => Number.isNaN(value) ? 1 : 0);
  if (!missing.includes(1)) return undefined;
  missing.forEach((isMissing, i) => {
    if (isMissing) x[i] = y[i] = 0;
  });
  return windowMeans(missing, size);
}

function products(a: Float64Array, b: Float64Array): Float64Array {
  const values = new Float64Array(a.length);
  for (let i = 0; i < values.length; i++) values[i] = a[i] * b[i];
  return values;
}

/** Mean of every window inside of the image, from a table of sums over all rows and columns so far. */
function windowMeans(image: Float64Array, [height, width]: Size): Float64Array {
  const stride = width + 1;
  const sums = new Float64Array((height + 1) * stride);
  for (let row = 0; row < height; row++) {
    let rowSum = 0;
    for (let column = 0; column < width; column++) {
      rowSum += image[row * width + column];
      const at = (row + 1) * stride + column + 1;
      sums[at] = sums[at - stride] + rowSum;
    }
  }
  const [rows, columns] = [height - windowSize + 1, width - windowSize + 1];
  const means = new Float64Array(rows * columns);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const first = row * stride + column;
      const last = first + windowSize * stride;
      const sum = sums[last + windowSize] - sums[last] - sums[first + windowSize] + sums[first];
      means[row * columns + column] = sum / windowPixels;
    }
  }
  return means;
}
