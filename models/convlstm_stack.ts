/**
 * What the ConvLSTM models share: the names, shapes and first values of a stack of layers, and the
 * way frames go in and out of it.
 */
import type { FrameShape } from "../datasets/dataset.ts";
import { type Tensor, tf } from "../engine/tf.ts";
import { random } from "../net/random.ts";
import { glorotUniform, orthogonal } from "./initializers.ts";
import { convLstmLayer, type ConvLstmWeights } from "./convlstm_layer.ts";
import type { ParameterSpec, StateSpec } from "./model.ts";

export interface StackShape {
  /** Prefix of the parameters' names, e.g. "encoder/"; empty for the only stack of a model. */
  readonly prefix: string;
  /** Channels of the frames that go in; 0 for a stack whose bottom layer has no input. */
  readonly inputChannels: number;
  /** Filters of each layer, bottom first. */
  readonly filters: readonly number[];
  readonly kernelSize: number;
  /** Whether gradients flow into the state before the window, and out of the one after it. */
  readonly gradients: { readonly initialState: boolean; readonly finalState: boolean };
}

/** kernel, recurrentKernel and bias of each layer, bottom first. */
export function stackParameters(stack: StackShape): ParameterSpec[] {
  const size = stack.kernelSize;
  return stack.filters.flatMap((filters, layer) => {
    const channels = layer === 0 ? stack.inputChannels : stack.filters[layer - 1];
    const name = `${stack.prefix}layer${layer}`;
    return [
      ...(channels > 0
        ? [{ name: `${name}/kernel`, shape: [size, size, channels, 4 * filters] }]
        : []),
      { name: `${name}/recurrentKernel`, shape: [size, size, filters, 4 * filters] },
      { name: `${name}/bias`, shape: [4 * filters] },
    ];
  });
}

/** Hidden and cell state of each layer, bottom first, for one lane. */
export function stackState(stack: StackShape, [height, width]: FrameShape): StateSpec[] {
  return stack.filters.flatMap((filters, layer) =>
    ["hidden", "cell"].map((kind) => ({
      name: `${stack.prefix}layer${layer}/${kind}`,
      shape: [height, width, filters],
    }))
  );
}

/**
 * Keras' defaults for ConvLSTM2D: Glorot uniform kernels, orthogonal recurrent kernels, zero biases
 * but ones for the forget gate (Jozefowicz et al. 2015). Heads get Glorot kernels and zero biases.
 */
export function initializeParameters(
  parameters: readonly ParameterSpec[],
  seed: number,
): Float32Array[] {
  return parameters.map(({ name, shape }) => {
    const stream = random(seed, "parameters", name);
    if (name.endsWith("/recurrentKernel")) return orthogonal(shape, stream);
    if (name.endsWith("/kernel")) return glorotUniform(shape, stream);
    const bias = new Float32Array(shape[0]);
    if (!name.includes("head")) bias.fill(1, shape[0] / 4, shape[0] / 2);
    return bias;
  });
}

/** A stack's output: the hidden states of all frames, and the state after the last one. */
export interface StackOutput {
  /** For each layer, bottom first: [frames * lanes, height, width, filters], time-major. */
  readonly hiddenStates: Tensor[];
  /** In the order of `stackState`. */
  readonly state: Tensor[];
}

/**
 * Runs a stack over `frames` frames.
 * @param parameters in the order of `stackParameters`
 * @param state in the order of `stackState`
 * @param inputs [frames * lanes, height, width, channels] time-major, or undefined where
 *   `inputChannels` is 0
 */
export function runStack(
  stack: StackShape,
  parameters: readonly Tensor[],
  state: readonly Tensor[],
  inputs: Tensor | undefined,
  frames: number,
): StackOutput {
  const newState: Tensor[] = [];
  const hiddenStates: Tensor[] = [];
  let next = 0;
  let below = inputs;
  stack.filters.forEach((_, layer) => {
    const hasInput = layer > 0 || stack.inputChannels > 0;
    const weights: ConvLstmWeights = {
      kernel: hasInput ? parameters[next++] : undefined,
      recurrentKernel: parameters[next++],
      bias: parameters[next++],
    };
    const initial = { hidden: state[2 * layer], cell: state[2 * layer + 1] };
    const output = convLstmLayer(weights, initial, below, frames, {
      inputs: layer > 0,
      ...stack.gradients,
    });
    newState.push(output.state.hidden, output.state.cell);
    below = output.hiddenStates;
    hiddenStates.push(below);
  });
  return { hiddenStates, state: newState };
}

/** [lanes, frames, h, w, c], frames [start, start + count) to [count * lanes, h, w, c]. */
export function timeMajor(frames: Tensor, start: number, count: number): Tensor {
  const [lanes, , height, width, channels] = frames.shape;
  const span = tf.slice(frames, [0, start, 0, 0, 0], [lanes, count, height, width, channels]);
  return tf.reshape(
    lanes === 1 || count === 1 ? span : tf.transpose(span, [1, 0, 2, 3, 4]),
    [count * lanes, height, width, channels],
  );
}

/** [count * lanes, h, w, c] time-major to [lanes, count, h, w, c]. */
export function laneMajor(frames: Tensor, lanes: number): Tensor {
  const [rows, height, width, channels] = frames.shape;
  const count = rows / lanes;
  if (lanes === 1 || count === 1) {
    return tf.reshape(frames, [lanes, count, height, width, channels]);
  }
  const split = tf.reshape(frames, [count, lanes, height, width, channels]);
  return tf.transpose(split, [1, 0, 2, 3, 4]);
}
