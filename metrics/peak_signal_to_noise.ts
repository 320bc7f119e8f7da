/**
 * Peak signal-to-noise ratio in dB, of values clipped to [0, 1], whose peak is 1 (OpenSTL,
 * core/metrics.py): 20 log10(1 / sqrt(mean squared error of the frame)).
 */
import { clippedToUnit } from "./clipping.ts";
import { type FramePair, observedShares } from "./frame_sequence.ts";
import { squaredErrors } from "./pixel_errors.ts";

/** dB for each frame; Infinity for a frame that is predicted exactly, NaN for one not observed. */
export function peakSignalToNoise(frames: FramePair): Float64Array {
  const [height, width, channels] = frames.frameShape;
  const pixels = height * width * channels;
  const shares = observedShares(frames);
  return squaredErrors(clippedToUnit(frames))
    .map((sum, frame) => -10 * Math.log10(sum / (pixels * shares[frame])));
}
