/**
 * GRU (Cho et al. 2014) with convolutions in place of matrix products (Ballas et al. 2016; Shi et
 * al. 2017, arXiv 1706.03458, eq. 2), gate order z, r, h as Keras' GRU.
 */
import { type Tensor, tf } from "../../engine/tf.ts";
import type { RecurrentLayer, RecurrentOutput } from "./layer.ts";

export interface ConvGru2dOptions {
  readonly name: string;
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly filters: number;
  readonly kernelSize: number;
  /** @default {kernelSize} */
  readonly recurrentKernelSize?: number;
  /**
   * Whether the reset gate acts after the state's convolution (Shi et al. 2017, cuDNN), or on the
   * state before it (Cho et al. 2014, Ballas et al. 2016). @default {true}
   */
  readonly resetsAfter?: boolean;
}

/** Frames [frames * lanes, height, width, channels] to hidden states of each frame. */
export function convGru2d(options: ConvGru2dOptions): RecurrentLayer {
  const { name, height, width, channels, filters, kernelSize, resetsAfter = true } = options;
  const { recurrentKernelSize = kernelSize } = options;
  const gates = 3 * filters;
  return {
    parameters: [
      {
        name: `${name}/kernel`,
        shape: [kernelSize, kernelSize, channels, gates],
        initial: "glorot-uniform",
      },
      {
        name: `${name}/recurrentKernel`,
        shape: [recurrentKernelSize, recurrentKernelSize, filters, gates],
        initial: "orthogonal",
      },
      { name: `${name}/bias`, shape: resetsAfter ? [2, gates] : [gates], initial: "zeros" },
    ],
    state: [{ name: `${name}/hidden`, shape: [height, width, filters] }],
    apply([kernel, recurrentKernel, bias], [hidden], inputs, frames) {
      const gateInputs = tf.conv2d(inputs as tf.Tensor4D, kernel as tf.Tensor4D, 1, "same");
      return runGru(recurrentKernel, bias, hidden, gateInputs, frames);
    },
  };
}

/**
 * @param recurrentKernel [size, size, filters, 3 * filters]
 * @param bias [3 * filters] for a reset before the state's convolution; for one after it [2, 3 *
 *   filters], the inputs' and the state's
 * @param gateInputs [frames * lanes, height, width, 3 * filters], without bias
 */
export function runGru(
  recurrentKernel: Tensor,
  bias: Tensor,
  initialHidden: Tensor,
  gateInputs: Tensor,
  frames: number,
): RecurrentOutput {
  const filters = initialHidden.shape[3]!;
  const resetsAfter = bias.rank === 2;
  const [inputBias, stateBias] = resetsAfter ? tf.unstack(bias, 0) : [bias, undefined];
  const [gateKernel, candidateKernel] = tf.split(recurrentKernel, [2 * filters, filters], 3);
  const convolve = (state: Tensor, kernel: Tensor) =>
    tf.conv2d(state as tf.Tensor4D, kernel as tf.Tensor4D, 1, "same") as Tensor;
  const fromInputs = tf.split(tf.add(gateInputs, inputBias), frames, 0);
  let hidden = initialHidden;
  const outputs = fromInputs.map((fromInput) => {
    const [updateInput, resetInput, candidateInput] = tf.split(fromInput, 3, 3);
    let update: Tensor, reset: Tensor, candidate: Tensor;
    if (stateBias) {
      const fromState = tf.split(tf.add(convolve(hidden, recurrentKernel), stateBias), 3, 3);
      update = tf.sigmoid(tf.add(updateInput, fromState[0]));
      reset = tf.sigmoid(tf.add(resetInput, fromState[1]));
      candidate = tf.tanh(tf.add(candidateInput, tf.mul(reset, fromState[2])));
    } else {
      const fromState = tf.split(convolve(hidden, gateKernel), 2, 3);
      update = tf.sigmoid(tf.add(updateInput, fromState[0]));
      reset = tf.sigmoid(tf.add(resetInput, fromState[1]));
      const seen = convolve(tf.mul(reset, hidden), candidateKernel);
      candidate = tf.tanh(tf.add(candidateInput, seen));
    }
    hidden = tf.add(tf.mul(update, hidden), tf.mul(tf.sub(1, update), candidate));
    return hidden;
  });
  return { outputs: outputs.length === 1 ? outputs[0] : tf.concat(outputs, 0), state: [hidden] };
}
