/**
 * Values that nobody observed, NaN in a window's frames or answers. A network reads 0 in their place
 * beside a mask, and what follows from them counts nowhere.
 */
import { type Tensor, tf } from "../engine/tf.ts";
import type { Model, ModelInputs } from "./model.ts";

/** What predictions are compared with, and where: `observed` is 1 where a value counts, else 0. */
export interface ObservedTargets {
  /** Finite everywhere. */
  readonly values: Tensor;
  /** A mask in the shape of `values`; left out where all of them count. */
  readonly observed?: Tensor;
}

/** What a network reads of frames that may miss some. */
export function observedFrames(frames: Tensor): Pick<ModelInputs, "frames" | "observed"> {
  return { frames: filled(frames, 0), observed: tf.sub(1, tf.cast(tf.isNaN(frames), "float32")) };
}

/**
 * A model's targets where frames or answers may be missing. Models mostly choose among frames, but one
 * of somebody's own may compute with them. So a target counts only where it is a number, and the same
 * number whatever stands in the place of what is missing.
 */
export function observedTargets(
  { targets }: Pick<Model, "targets">,
  frames: Tensor,
  given?: Tensor,
): ObservedTargets {
  const [zeros, ones] = [0, 1].map((value) =>
    targets(filled(frames, value), given && filled(given, value))
  );
  const isKnown = tf.logicalAnd(
    tf.equal(zeros, ones),
    tf.logicalNot(tf.isNaN(targets(frames, given))),
  );
  return { values: zeros, observed: tf.cast(isKnown, "float32") };
}

/** The targets with NaN again where they do not count, as scores take them. */
export function withMissing({ values, observed }: ObservedTargets): Tensor {
  return observed
    ? tf.where(tf.cast(observed, "bool"), values, tf.fill(values.shape, NaN))
    : values;
}

/** The same values, with this one in place of what is missing. */
export function filled(values: Tensor, value: number): Tensor {
  return tf.where(tf.isNaN(values), tf.fill(values.shape, value), values);
}
