/**
 * LSTM (Hochreiter and Schmidhuber 1997; gate order i, f, c, o as Keras' LSTM): a ConvLSTM of frames
 * of one pixel, so that both share one back-propagation through time.
 */
import { type Tensor, tf } from "../../engine/tf.ts";
import { type ConvLstmGradients, convLstmLayer } from "../convlstm_layer.ts";
import type { RecurrentLayer } from "./layer.ts";

export interface LstmOptions {
  readonly name: string;
  /** Numbers of each frame; 0 for a layer that runs on its state alone. */
  readonly inputs: number;
  readonly units: number;
  /** Gates that see the cell state, by a weight for each unit (Graves 2013). @default {false} */
  readonly hasPeephole?: boolean;
  /** What need not be differentiated beside the weights. @default all is */
  readonly gradients?: Omit<ConvLstmGradients, "inputs">;
}

/** [frames * lanes, inputs] to [frames * lanes, units]. */
export function lstm(options: LstmOptions): RecurrentLayer {
  const { name, inputs: inputCount, units, hasPeephole = false } = options;
  const { gradients = { initialState: true, finalState: true } } = options;
  const gates = 4 * units;
  const asPixel = (tensor: Tensor) => tf.reshape(tensor, [-1, 1, 1, tensor.shape[1]!]);
  const asRow = (tensor: Tensor) => tf.reshape(tensor, [-1, units]);
  return {
    parameters: [
      ...(inputCount > 0
        ? [{
          name: `${name}/kernel`,
          shape: [inputCount, gates],
          initial: "glorot-uniform" as const,
        }]
        : []),
      { name: `${name}/recurrentKernel`, shape: [units, gates], initial: "orthogonal" },
      { name: `${name}/bias`, shape: [gates], initial: "forget-gate-ones" },
      ...(hasPeephole
        ? [{ name: `${name}/peephole`, shape: [3, units], initial: "zeros" as const }]
        : []),
    ],
    state: ["hidden", "cell"].map((kind) => ({ name: `${name}/${kind}`, shape: [units] })),
    apply(values, [hidden, cell], inputs, frames) {
      const rest = [...values];
      const kernel = inputCount > 0 ? rest.shift() : undefined;
      const recurrentKernel = tf.reshape(rest.shift()!, [1, 1, units, gates]);
      const weights = { recurrentKernel, bias: rest.shift(), peephole: rest.shift() };
      // All frames' products with the kernel at once.
      const gateInputs = kernel && asPixel(tf.matMul(inputs as tf.Tensor2D, kernel as tf.Tensor2D));
      const initial = { hidden: asPixel(hidden), cell: asPixel(cell) };
      const { hiddenStates, state } = convLstmLayer(weights, initial, gateInputs, frames, {
        ...gradients,
        inputs: true,
      });
      return { outputs: asRow(hiddenStates), state: [asRow(state.hidden), asRow(state.cell)] };
    },
  };
}
