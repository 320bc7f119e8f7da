/**
 * The scores by which video predictions are published, frame by frame and as means. Scores of parts
 * (batches, workers) are joined frame by frame before the mean, never averaged.
 */
import { clippedToUnit } from "./clipping.ts";
import { type FramePair, observedShares, perFrame } from "./frame_sequence.ts";
import { peakSignalToNoise } from "./peak_signal_to_noise.ts";
import { absoluteErrors, squaredErrors } from "./pixel_errors.ts";
import { structuralSimilarity } from "./structural_similarity.ts";

/** One value for each frame; NaN where too little of it is observed for the score. */
export interface FrameScores {
  /** Share of the values whose truth is observed: 1 where none is missing. */
  readonly observed: Float64Array;
  /** Squared error summed over pixels and channels. */
  readonly squaredError: Float64Array;
  /** Absolute error summed over pixels and channels. */
  readonly absoluteError: Float64Array;
  /** dB, of clipped values. */
  readonly psnr: Float64Array;
  /** Structural similarity of clipped values, at their true range of 1. */
  readonly ssim: Float64Array;
  /** Structural similarity at a range of 2, as OpenSTL's published figures have it. */
  readonly ssimRange2: Float64Array;
}

/**
 * Means over frames; `rmse` is the root of `mse`. Where values are missing, errors are means over those
 * that are observed, times the values of a frame, and the other scores means over frames that have one.
 */
export interface VideoScores {
  readonly frames: number;
  readonly mse: number;
  readonly mae: number;
  readonly rmse: number;
  /** Infinity where any frame is exact. */
  readonly psnr: number;
  readonly ssim: number;
  readonly ssimRange2: number;
}

/**
 * @param similarity whether to compute the structural similarity, else it is NaN
 * @throws {RangeError} where the arrays do not hold the same whole number of frames, or a frame is
 * smaller than 7 x 7 pixels and its structural similarity is asked for
 */
export function frameScores(frames: FramePair, { similarity = true } = {}): FrameScores {
  const clipped = clippedToUnit(frames);
  const ssim = (range: number) =>
    similarity ? structuralSimilarity(clipped, range) : perFrame(frames, () => NaN);
  return {
    observed: observedShares(frames),
    squaredError: squaredErrors(frames),
    absoluteError: absoluteErrors(frames),
    psnr: peakSignalToNoise(frames),
    ssim: ssim(1),
    ssimRange2: ssim(2),
  };
}

/**
 * Means over all frames of all parts.
 * @throws {RangeError} where there is no frame
 */
export function videoScores(parts: readonly FrameScores[]): VideoScores {
  const frames = parts.reduce((count, part) => count + part.squaredError.length, 0);
  if (frames === 0) throw new RangeError("Cannot average video scores: there is no frame");
  const sum = (score: keyof FrameScores) =>
    parts.map((part) => part[score].reduce((sum, value) => sum + value, 0))
      .reduce((sum, value) => sum + value, 0);
  const observed = sum("observed");
  const mean = (score: "psnr" | "ssim" | "ssimRange2") => {
    if (observed === frames) return sum(score) / frames;
    const values = parts.flatMap((part) =>
      [...part[score]].filter((value) => !Number.isNaN(value))
    );
    return values.reduce((sum, value) => sum + value, 0) / values.length;
  };
  const mse = sum("squaredError") / observed;
  return {
    frames,
    mse,
    mae: sum("absoluteError") / observed,
    rmse: Math.sqrt(mse),
    psnr: mean("psnr"),
    ssim: mean("ssim"),
    ssimRange2: mean("ssimRange2"),
  };
}
