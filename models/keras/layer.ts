/**
 * What a layer of a saved network is here: shapes that are known before anything is computed, and a
 * pure function of (weights, state, inputs). Layers keep nothing inside, so that lanes have states of
 * their own and every worker computes the same; what wraps layers is a layer too.
 */
import type { Tensor } from "../../engine/tf.ts";
import type { StateSpec } from "../model.ts";

/** Without lanes. */
export type Shape = readonly number[];

/** An input or an output of a layer. */
export interface Port {
  readonly shape: Shape;
  /** A mask of its time steps comes with it. */
  readonly isMasked: boolean;
}

export interface Value {
  readonly tensor: Tensor;
  /** [lanes, time]: 1 where a step counts, 0 where it is masked. */
  readonly mask?: Tensor;
}

export interface WeightSpec {
  /** Names of the layers that it lies within, outermost first, without the whole network's. */
  readonly owner: readonly string[];
  readonly name: string;
  /** Another name that some versions give it. */
  readonly alias?: string;
  readonly shape: Shape;
  readonly isTrained: boolean;
  /** In training it follows what `LayerAnswer.statistics` says, keeping this share of itself. */
  readonly momentum?: number;
}

export interface LayerCall {
  /** In the order of `Layer.weights`. */
  readonly weights: readonly Tensor[];
  /** In the order of `Layer.state`, each [lanes, ...shape]. */
  readonly state: readonly Tensor[];
  /** Whether weights are being fitted. */
  readonly training: boolean;
  /**
   * In training, which rows of the input count, 0 or 1: [rows], or [rows, time] where steps of the
   * window do. All do where there is none.
   */
  readonly counts?: Tensor;
  /** In training, in the order of `Layer.noise`, each [rows, ...shape], uniform in [0, 1). */
  readonly noise?: readonly Tensor[];
}

export interface LayerAnswer {
  /** In the order of `Layer.outputs`. */
  readonly values: readonly Value[];
  /** In the order of `Layer.state`. */
  readonly state: readonly Tensor[];
  /** In training, of this batch, in the order of the weights that have a `momentum`. */
  readonly statistics?: readonly Tensor[];
}

export interface Layer {
  /** In Keras' order within the layer. */
  readonly weights: readonly WeightSpec[];
  /** What it carries from window to window. */
  readonly state: readonly StateSpec[];
  readonly outputs: readonly Port[];
  /** Shapes of the random numbers that it takes in training, of one row of its input. */
  readonly noise?: readonly Shape[];
  /** Its outputs are shares along the last axis. */
  readonly isSoftmax?: boolean;
  apply(inputs: readonly Value[], call: LayerCall): LayerAnswer;
}

/**
 * A layer whose configuration is known, and that waits for the shapes of what it reads.
 * @throws {ModelError} where it cannot read these
 */
export type LayerMaker = (inputs: readonly Port[]) => Layer;

/** A layer without weights and states, of one input and one output. */
export function plainLayer(
  output: Port,
  compute: (input: Tensor) => Tensor,
  isSoftmax = false,
): Layer {
  return {
    weights: [],
    state: [],
    outputs: [output],
    isSoftmax,
    apply: ([{ tensor, mask }]) => ({
      values: [{ tensor: compute(tensor), ...(output.isMasked ? { mask } : {}) }],
      state: [],
    }),
  };
}

/** The same, with weights. */
export function weightedLayer(
  weights: readonly WeightSpec[],
  output: Port,
  compute: (input: Tensor, weights: readonly Tensor[]) => Tensor,
  isSoftmax = false,
): Layer {
  return {
    weights,
    state: [],
    outputs: [output],
    isSoftmax,
    apply: ([{ tensor, mask }], call) => ({
      values: [{ tensor: compute(tensor, call.weights), ...(output.isMasked ? { mask } : {}) }],
      state: [],
    }),
  };
}

export function sizeOf(shape: Shape): number {
  return shape.reduce((product, side) => product * side, 1);
}
