/** GRU (Cho et al. 2014; gate order z, r, h as Keras' GRU): a ConvGRU of frames of one pixel. */
import { type Tensor, tf } from "../../engine/tf.ts";
import { runGru } from "./conv_gru2d.ts";
import type { RecurrentLayer } from "./layer.ts";

export interface GruOptions {
  readonly name: string;
  readonly inputs: number;
  readonly units: number;
  /** Keras' `reset_after`: the reset gate acts after the state's product. @default {true} */
  readonly resetsAfter?: boolean;
}

/** [frames * lanes, inputs] to [frames * lanes, units]. */
export function gru(
  { name, inputs: inputCount, units, resetsAfter = true }: GruOptions,
): RecurrentLayer {
  const gates = 3 * units;
  const asPixel = (tensor: Tensor) => tf.reshape(tensor, [-1, 1, 1, tensor.shape[1]!]);
  const asRow = (tensor: Tensor) => tf.reshape(tensor, [-1, units]);
  return {
    parameters: [
      { name: `${name}/kernel`, shape: [inputCount, gates], initial: "glorot-uniform" },
      { name: `${name}/recurrentKernel`, shape: [units, gates], initial: "orthogonal" },
      { name: `${name}/bias`, shape: resetsAfter ? [2, gates] : [gates], initial: "zeros" },
    ],
    state: [{ name: `${name}/hidden`, shape: [units] }],
    apply([kernel, recurrentKernel, bias], [hidden], inputs, frames) {
      const gateInputs = asPixel(tf.matMul(inputs as tf.Tensor2D, kernel as tf.Tensor2D));
      const pixelKernel = tf.reshape(recurrentKernel, [1, 1, units, gates]);
      const { outputs, state } = runGru(pixelKernel, bias, asPixel(hidden), gateInputs, frames);
      return { outputs: asRow(outputs), state: [asRow(state[0])] };
    },
  };
}
