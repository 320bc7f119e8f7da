/** Scores of pictures look at values in [0, 1]; a network's outputs may exceed them. */
import type { FramePair } from "./frame_sequence.ts";

/** The same frames with every value in [0, 1]. */
export function clippedToUnit({ prediction, truth, frameShape }: FramePair): FramePair {
  return { prediction: clipped(prediction), truth: clipped(truth), frameShape };
}

function clipped(values: Float32Array): Float32Array {
  return values.map((value) => Math.min(Math.max(value, 0), 1));
}
