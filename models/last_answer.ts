/** The targets of a model that answers once for a whole video. */
import type { Tensor } from "../engine/tf.ts";
import { frameSpan } from "./frame_span.ts";

/**
 * The answer to the last frame, [lanes, 1, ...targetShape].
 * @throws {TypeError} where the dataset has no answers
 */
export function lastAnswer(frames: Tensor, given?: Tensor): Tensor {
  return frameSpan(answers(given), frames.shape[1]! - 1, 1);
}

/** @throws {TypeError} where the dataset has no answers */
export function answers(given: Tensor | undefined): Tensor {
  if (given) return given;
  throw new TypeError(
    "Cannot make targets without the dataset's answers: choose a dataset with classes, such as " +
      "moving points, or a model that predicts frames",
  );
}
