/**
 * An optimizer is a value: a pure function of (parameters, slots, gradient), all flat vectors, since
 * every rule here works on each element by itself. Nothing is kept inside, so that the trainer owns
 * the slots and can save and restore them.
 */
import type { Tensor } from "../../engine/tf.ts";
import type { OptimizerName } from "../../net/run_configuration.ts";

/** What changes from step to step; tensors, so that a traced update does not freeze them. */
export interface UpdateScalars {
  /** A scalar. */
  readonly learningRate: Tensor;
  /** [2]: `Optimizer.biasCorrection` of the step. */
  readonly biasCorrection: Tensor;
}

export interface OptimizerUpdate {
  readonly parameters: Tensor;
  readonly slots: Tensor[];
}

export interface Optimizer {
  readonly name: OptimizerName;
  /** Names of the vectors kept from step to step, zero before the first, e.g. "adam/m". */
  readonly slots: readonly string[];
  /**
   * Divisors that undo the slots' start at zero, computed in double precision.
   * @param step counted from 1
   */
  biasCorrection(step: number): [first: number, second: number];
  /**
   * @param parameters [elements]
   * @param slots in the order of `slots`, each [elements]
   * @param gradient [elements]
   */
  update(
    parameters: Tensor,
    slots: readonly Tensor[],
    gradient: Tensor,
    scalars: UpdateScalars,
  ): OptimizerUpdate;
}

/** For rules that correct no bias. */
export function noBiasCorrection(): [number, number] {
  return [1, 1];
}
