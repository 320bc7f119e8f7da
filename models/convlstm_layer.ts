/**
 * One ConvLSTM layer over the frames of a window (Shi et al. 2015, arXiv 1506.04214, eq. 3, without
 * peepholes; gate order i, f, c, o as Keras' ConvLSTM2D).
 *
 * Frames are time-major, [frames * lanes, height, width, channels]: the input convolution then runs
 * once for all frames of the window, and each step's part of it is one contiguous slice.
 */
import { type Tensor, tf } from "../engine/tf.ts";

export interface ConvLstmWeights {
  /** [size, size, input channels, 4 * filters]; absent for a layer without input. */
  readonly kernel?: Tensor;
  /** [size, size, filters, 4 * filters] */
  readonly recurrentKernel: Tensor;
  /** [4 * filters] */
  readonly bias: Tensor;
}

/** Hidden and cell state, each [lanes, height, width, filters]. */
export interface ConvLstmState {
  readonly hidden: Tensor;
  readonly cell: Tensor;
}

export interface ConvLstmOutput {
  /** Hidden states of all frames, [frames * lanes, height, width, filters]. */
  readonly hiddenStates: Tensor;
  /** State after the last frame. */
  readonly state: ConvLstmState;
}

/**
 * @param inputs [frames * lanes, height, width, channels], or undefined for a layer that runs on
 *   its state alone (the bottom of a forecaster)
 */
export function convLstmLayer(
  weights: ConvLstmWeights,
  initial: ConvLstmState,
  inputs: Tensor | undefined,
  frames: number,
): ConvLstmOutput {
  const fromInputs = inputs && tf.split(
    tf.add(convolve(inputs, weights.kernel!), weights.bias),
    frames,
    0,
  );
  let { hidden, cell } = initial;
  const hiddenStates: Tensor[] = [];
  for (let frame = 0; frame < frames; frame++) {
    const gates = tf.add(
      convolve(hidden, weights.recurrentKernel),
      fromInputs ? fromInputs[frame] : weights.bias,
    );
    const [input, forget, candidate, output] = tf.split(gates, 4, 3);
    cell = tf.add(
      tf.mul(tf.sigmoid(forget), cell),
      tf.mul(tf.sigmoid(input), tf.tanh(candidate)),
    );
    hidden = tf.mul(tf.sigmoid(output), tf.tanh(cell));
    hiddenStates.push(hidden);
  }
  return { hiddenStates: tf.concat(hiddenStates, 0), state: { hidden, cell } };
}

/** 'same' convolution with stride 1: [n, height, width, in] to [n, height, width, out]. */
export function convolve(input: Tensor, kernel: Tensor): Tensor {
  return tf.conv2d(input as tf.Tensor4D, kernel as tf.Tensor4D, 1, "same");
}
