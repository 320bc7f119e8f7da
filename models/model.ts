/**
 * A model is a value: named parameters in one fixed order, a state for each lane, and a pure
 * function of (parameters, state, frames). Nothing is kept inside, so that the trainer owns the
 * recurrent state of every lane and can carry, reset, save and move it.
 */
import type { Tensor } from "../engine/tf.ts";
import type { FrameShape } from "../datasets/dataset.ts";
import type { WindowShape } from "../datasets/window_shape.ts";

export interface ParameterSpec {
  readonly name: string;
  readonly shape: readonly number[];
}

/** A state's shape for one lane; batched it is [lanes, ...shape]. */
export interface StateSpec {
  readonly name: string;
  readonly shape: readonly number[];
}

export interface ModelOutput {
  /** [lanes, predictions, height, width, channels] */
  readonly predictions: Tensor;
  /** In the order of `Model.state`, each [lanes, ...shape]. */
  readonly state: Tensor[];
}

export interface Model {
  readonly name: string;
  readonly frameShape: FrameShape;
  /** In the order of checkpoints, the flat gradient and the SHA-256. */
  readonly parameters: readonly ParameterSpec[];
  readonly state: readonly StateSpec[];
  readonly window: WindowShape;
  /** One array for each parameter, the same on every machine for the same seed. */
  initialize(seed: number): Float32Array[];
  /**
   * @param parameters in the order of `parameters`
   * @param state in the order of `state`, each [lanes, ...shape], already reset where asked
   * @param frames [lanes, window.frames, height, width, channels]
   */
  apply(parameters: readonly Tensor[], state: readonly Tensor[], frames: Tensor): ModelOutput;
  /** The forecast to beat, repeating the last frame seen: shaped as the predictions. */
  persistence(frames: Tensor): Tensor;
  /** The frames to predict: [lanes, predictions, height, width, channels], cut from `frames`. */
  targets(frames: Tensor): Tensor;
}
