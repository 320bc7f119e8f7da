/**
 * Errors summed over the pixels and channels of a frame, as OpenSTL reports them (core/metrics.py:
 * mean over batch and time, sum over the rest). Values are not clipped; unobserved ones add nothing.
 */
import { type FramePair, perFrame } from "./frame_sequence.ts";

/** Sum of squared errors of each frame. */
export function squaredErrors(frames: FramePair): Float64Array {
  return perFrame(frames, (prediction, truth) => {
    let sum = 0;
    for (let i = 0; i < truth.length; i++) {
      if (!Number.isNaN(truth[i])) sum += (prediction[i] - truth[i]) ** 2;
    }
    return sum;
  });
}

/** Sum of absolute errors of each frame. */
export function absoluteErrors(frames: FramePair): Float64Array {
  return perFrame(frames, (prediction, truth) => {
    let sum = 0;
    for (let i = 0; i < truth.length; i++) {
      if (!Number.isNaN(truth[i])) sum += Math.abs(prediction[i] - truth[i]);
    }
    return sum;
  });
}
