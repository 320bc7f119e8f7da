/**
 * ST-LSTM, the cell of PredRNN (Wang et al. 2017, "PredRNN: Recurrent Neural Networks for Predictive
 * Learning using Spatiotemporal LSTMs", eq. 4): beside its own cell state, which passes from frame to
 * frame, it writes a memory that passes from layer to layer.
 */
import { type Tensor, tf } from "../../engine/tf.ts";
import type { LayerParameter } from "./layer.ts";

export interface StLstm2dOptions {
  readonly name: string;
  readonly channels: number;
  readonly filters: number;
  readonly kernelSize: number;
  /** The paper's equations have biases; its authors' program has none. @default {false} */
  readonly hasBias?: boolean;
  /** Added inside both forget gates, as in the authors' program. @default {1} */
  readonly forgetBias?: number;
}

export interface StLstmState {
  /** H, of this layer at the frame before. */
  readonly hidden: Tensor;
  /** C, of this layer at the frame before. */
  readonly cell: Tensor;
  /** M, of the layer below at this frame; for the bottom of the top layer at the frame before. */
  readonly memory: Tensor;
}

export interface StLstm2d {
  readonly parameters: readonly LayerParameter[];
  /** One frame: [lanes, height, width, channels], all of the state with `filters` channels. */
  apply(parameters: readonly Tensor[], state: StLstmState, input: Tensor): StLstmState;
}

export function stLstm2d(options: StLstm2dOptions): StLstm2d {
  const { name, channels, filters, kernelSize: size, hasBias = false, forgetBias = 1 } = options;
  const kernel = (role: string, sides: readonly number[]): LayerParameter => ({
    name: `${name}/${role}`,
    shape: sides,
    initial: "glorot-uniform",
  });
  return {
    parameters: [
      // Gates i, f, g of the cell state, i, f, g of the memory, o.
      kernel("inputKernel", [size, size, channels, 7 * filters]),
      // i, f, g of the cell state, o.
      kernel("hiddenKernel", [size, size, filters, 4 * filters]),
      // i, f, g of the memory.
      kernel("memoryKernel", [size, size, filters, 3 * filters]),
      // Cell state and memory to o.
      kernel("outputKernel", [size, size, 2 * filters, filters]),
      // Cell state and memory to what the output gate lets through.
      kernel("mixKernel", [1, 1, 2 * filters, filters]),
      ...(hasBias
        ? [{ name: `${name}/bias`, shape: [7 * filters], initial: "zeros" as const }]
        : []),
    ],
    apply(
      [inputKernel, hiddenKernel, memoryKernel, outputKernel, mixKernel, bias],
      state,
      input,
    ) {
      const convolved = convolve(input, inputKernel);
      const fromInput = tf.split(bias ? tf.add(convolved, bias) : convolved, 7, 3);
      const fromHidden = tf.split(convolve(state.hidden, hiddenKernel), 4, 3);
      const fromMemory = tf.split(convolve(state.memory, memoryKernel), 3, 3);
      const written = (before: Tensor, gates: readonly Tensor[], others: readonly Tensor[]) => {
        const write = tf.sigmoid(tf.add(gates[0], others[0]));
        const forget = tf.sigmoid(tf.add(tf.add(gates[1], others[1]), forgetBias));
        const candidate = tf.tanh(tf.add(gates[2], others[2]));
        return tf.add(tf.mul(forget, before), tf.mul(write, candidate)) as Tensor;
      };
      const cell = written(state.cell, fromInput.slice(0, 3), fromHidden);
      const memory = written(state.memory, fromInput.slice(3, 6), fromMemory);
      const both = tf.concat([cell, memory], 3);
      const output = tf.sigmoid(
        tf.addN([fromInput[6], fromHidden[3], convolve(both, outputKernel)]),
      );
      const hidden = tf.mul(output, tf.tanh(convolve(both, mixKernel))) as Tensor;
      return { hidden, cell, memory };
    },
  };
}

function convolve(input: Tensor, kernel: Tensor): Tensor {
  return tf.conv2d(input as tf.Tensor4D, kernel as tf.Tensor4D, 1, "same");
}
