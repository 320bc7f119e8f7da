/** Classes as targets: which there are, and the one answer to a whole video. */
import type { Dataset } from "../datasets/dataset.ts";
import type { Tensor } from "../engine/tf.ts";
import { frameSpan } from "./frame_span.ts";
import type { Model } from "./model.ts";

/** Whether what a model says are the classes that a dataset answers with. */
export function tellsClasses(
  { outputShape }: Pick<Model, "outputShape">,
  { targetShape, classes }: Pick<Dataset, "targetShape" | "classes">,
): boolean {
  return classes !== undefined && `${outputShape}` === `${targetShape}`;
}

/**
 * The answer to the last frame, [lanes, 1, ...targetShape].
 * @throws {TypeError} where the dataset has no answers
 */
export function lastAnswer(frames: Tensor, given?: Tensor): Tensor {
  return frameSpan(answers(given), frames.shape[1]! - 1, 1);
}

/** Why there are none, and where there are, for sentences. */
export const answersMissing = "this one has none; such are --dataset moving-points, moving-mnist " +
  "with --dataset-options segmentation=true, frames with classes=true, and npy with targets=FILE.npy";

/** @throws {TypeError} where the dataset has no answers */
export function answers(given: Tensor | undefined): Tensor {
  if (given) return given;
  throw new TypeError(
    `Cannot make targets without the dataset's answers: ${answersMissing}; or choose a model that ` +
      "predicts frames",
  );
}

/**
 * How many classes a dataset has whose answers are one-hot.
 * @throws {RangeError} for a dataset without classes
 */
export function classCount(model: string, targetShape: readonly number[] | undefined): number {
  if (targetShape?.length === 1) return targetShape[0];
  const found = targetShape ? `answers of shape ${JSON.stringify(targetShape)}` : "no answers";
  throw new RangeError(
    `Cannot build ${model} for a dataset with ${found}: it tells classes; choose a dataset that ` +
      "has them, such as --dataset moving-points",
  );
}
