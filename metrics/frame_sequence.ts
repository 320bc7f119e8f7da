/**
 * Predicted and true frames side by side. Every score looks at them frame by frame: the values come
 * as one flat array [frames, height, width, channels], of which the shape of a frame is known.
 */
import type { FrameShape } from "../datasets/dataset.ts";

/**
 * A prediction and the truth, both [frames, height, width, channels]. Where the truth was not observed it
 * is NaN, and no score looks there; a prediction that is NaN elsewhere has scores that are.
 */
export interface FramePair {
  readonly prediction: Float32Array;
  readonly truth: Float32Array;
  readonly frameShape: FrameShape;
}

/**
 * One number for each frame, from the frame's predicted and true values.
 * @throws {RangeError} where the two arrays are not the same whole number of frames
 */
export function perFrame(
  { prediction, truth, frameShape }: FramePair,
  score: (prediction: Float32Array, truth: Float32Array) => number,
): Float64Array {
  const frameSize = frameShape[0] * frameShape[1] * frameShape[2];
  if (prediction.length !== truth.length || prediction.length % frameSize !== 0) {
    throw new RangeError(
      `Cannot score frames of ${frameShape.join(" x ")}: the prediction has ${prediction.length} ` +
        `values and the truth ${truth.length}, both must be the same multiple of ${frameSize}`,
    );
  }
  return Float64Array.from({ length: prediction.length / frameSize }, (_, frame) => {
    const [begin, end] = [frame * frameSize, (frame + 1) * frameSize];
    return score(prediction.subarray(begin, end), truth.subarray(begin, end));
  });
}

/** Share of each frame's values whose truth was observed. */
export function observedShares(frames: FramePair): Float64Array {
  return perFrame(frames, (_, truth) => {
    let observed = 0;
    for (let i = 0; i < truth.length; i++) if (!Number.isNaN(truth[i])) observed++;
    return observed / truth.length;
  });
}
