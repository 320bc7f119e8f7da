/**
 * Cross-entropy of pictures as X. Shi et al. 2015 (arXiv 1506.04214, section 4.1) report it for
 * Moving MNIST: -sum(T log P + (1 - T) log(1 - P)) over all pixels, in nats. Their figure for a
 * sequence is the sum over its predicted frames.
 */
import { type FramePair, perFrame } from "./frame_sequence.ts";

/** Predictions are kept this far from 0 and 1, where one wrong pixel would be worth infinity. */
const probabilityLeast = 1e-7;

/** Summed over the pixels and channels of each frame, as far as they are observed. */
export function crossEntropies(frames: FramePair): Float64Array {
  return perFrame(frames, (prediction, truth) => {
    let sum = 0;
    for (let i = 0; i < truth.length; i++) {
      if (Number.isNaN(truth[i])) continue;
      const probability = Math.min(Math.max(prediction[i], probabilityLeast), 1 - probabilityLeast);
      sum -= truth[i] * Math.log(probability) + (1 - truth[i]) * Math.log(1 - probability);
    }
    return sum;
  });
}
