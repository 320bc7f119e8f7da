/**
 * A layer is a value, as a model is: its parameters, and a pure function of (parameters, input). It
 * keeps nothing and draws nothing, so that it can be traced, tested against others' numbers and put
 * together freely.
 */
import type { Tensor } from "../../engine/tf.ts";
import type { ParameterSpec, StateSpec } from "../model.ts";

/** How a parameter begins; `forget-gate-ones` is zeros but ones in the second quarter. */
export type InitialValues =
  | "glorot-uniform"
  | "orthogonal"
  | "zeros"
  | "ones"
  | "forget-gate-ones"
  | { readonly values: readonly number[] };

export interface LayerParameter extends ParameterSpec {
  readonly initial: InitialValues;
}

export interface Layer {
  readonly parameters: readonly LayerParameter[];
  /** @param parameters in the order of `parameters` */
  apply(parameters: readonly Tensor[], input: Tensor): Tensor;
}

/** What a recurrent layer gives for the frames of a window. */
export interface RecurrentOutput {
  /** Time-major, [frames * lanes, ...]. */
  readonly outputs: Tensor;
  /** In the order of the layer's `state`, after the last frame. */
  readonly state: Tensor[];
}

export interface RecurrentLayer {
  readonly parameters: readonly LayerParameter[];
  readonly state: readonly StateSpec[];
  /**
   * @param parameters in the order of `parameters`
   * @param state in the order of `state`, each [lanes, ...shape]
   * @param inputs time-major, [frames * lanes, ...]; undefined for a layer built without channels
   */
  apply(
    parameters: readonly Tensor[],
    state: readonly Tensor[],
    inputs: Tensor | undefined,
    frames: number,
  ): RecurrentOutput;
}

/** Layers one after the other, their parameters in that order. */
export function sequential(...layers: readonly Layer[]): Layer {
  return {
    parameters: layers.flatMap(({ parameters }) => parameters),
    apply(parameters, input) {
      const own = divideParameters(parameters, layers);
      return layers.reduce((value, layer, index) => layer.apply(own[index], value), input);
    },
  };
}

/** The values of each layer's parameters, where all lie in the order of the layers. */
export function divideParameters(
  values: readonly Tensor[],
  layers: readonly { readonly parameters: readonly ParameterSpec[] }[],
): Tensor[][] {
  let next = 0;
  return layers.map(({ parameters }) => {
    const start = next;
    next += parameters.length;
    return values.slice(start, next);
  });
}

/** A function without parameters as a layer. */
export function stateless(apply: (input: Tensor) => Tensor): Layer {
  return { parameters: [], apply: (_, input) => apply(input) };
}
