/** What a model without noise is given in an evaluation. */
import type { Tensor } from "../../engine/tf.ts";
import type { ModelInputs } from "../../models/model.ts";

export function evaluationInputs(frames: Tensor): ModelInputs {
  return { frames, noise: [], training: false };
}
