/** Recurrent layers one above the other: each reads the hidden states of the one below. */
import { type Tensor, tf } from "../../engine/tf.ts";
import type { StateSpec } from "../model.ts";
import { divideParameters, type LayerParameter, type RecurrentLayer } from "./layer.ts";

export interface RecurrentStack {
  /** Of all layers, bottom first. */
  readonly parameters: readonly LayerParameter[];
  readonly state: readonly StateSpec[];
  /**
   * @param state in the order of `state`, each [lanes, ...shape]
   * @param inputs time-major, or undefined where the bottom layer has no input
   * @returns outputs of every layer, bottom first, and the state after the last frame
   */
  apply(
    parameters: readonly Tensor[],
    state: readonly Tensor[],
    inputs: Tensor | undefined,
    frames: number,
  ): { readonly outputs: Tensor[]; readonly state: Tensor[] };
}

export function recurrentStack(layers: readonly RecurrentLayer[]): RecurrentStack {
  return {
    parameters: layers.flatMap(({ parameters }) => parameters),
    state: layers.flatMap(({ state }) => state),
    apply(parameters, state, inputs, frames) {
      const values = divideParameters(parameters, layers);
      const outputs: Tensor[] = [];
      const newState: Tensor[] = [];
      let below = inputs;
      layers.forEach((layer, index) => {
        const own = state.slice(newState.length, newState.length + layer.state.length);
        const result = layer.apply(values[index], own, below, frames);
        below = result.outputs;
        outputs.push(below);
        newState.push(...result.state);
      });
      return { outputs, state: newState };
    },
  };
}

/** The state that a sequence begins with. */
export function zeroState(state: readonly StateSpec[], lanes: number): Tensor[] {
  return state.map(({ shape }) => tf.zeros([lanes, ...shape]));
}
