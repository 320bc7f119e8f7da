/**
 * One ConvLSTM layer over the frames of a window (Shi et al. 2015, arXiv 1506.04214, eq. 3, without
 * peepholes; gate order i, f, c, o as Keras' ConvLSTM2D), with its back-propagation through time
 * written out.
 *
 * The gradient that a tape composes costs a third more time: it differentiates one gate at a time,
 * slices and pads, and takes gradients that nobody asked for. Written out, each frame costs two
 * convolutions forward or backward (one for a first layer's input) and about ten element-wise ops.
 */
import {
  addBias,
  biasGradient,
  convolutionInputGradient,
  convolutionKernelGradient,
  sigmoidGradient,
  sumOf,
  tanhGradient,
} from "../engine/gradient_ops.ts";
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

/** Gradients that are needed beside those of the weights. */
export interface ConvLstmGradients {
  /** At the inputs: for every layer that has another below it. */
  readonly inputs: boolean;
  /** At the state before the first frame: for a forecaster, which starts from its encoder's. */
  readonly initialState: boolean;
  /** From the cell state after the last frame: for an encoder, whose state is passed on. */
  readonly finalState: boolean;
}

export interface ConvLstmOutput {
  /** Hidden states of all frames, time-major, [frames * lanes, height, width, filters]. */
  readonly hiddenStates: Tensor;
  /** State after the last frame. */
  readonly state: ConvLstmState;
}

/** What the backward pass needs of a frame, in the order in which it is saved. */
const savedNames = ["joined", "input", "forget", "candidate", "output", "tanhCell", "before"];

/**
 * @param inputs time-major, [frames * lanes, height, width, channels], or undefined for a layer that
 *   runs on its state alone (the bottom of a forecaster)
 */
export function convLstmLayer(
  weights: ConvLstmWeights,
  initial: ConvLstmState,
  inputs: Tensor | undefined,
  frames: number,
  wanted: ConvLstmGradients,
): ConvLstmOutput {
  const { recurrentKernel, bias, kernel } = weights;
  const differentiated = [
    recurrentKernel,
    bias,
    ...(inputs ? [kernel!] : []),
    ...(inputs && wanted.inputs ? [inputs] : []),
    ...(wanted.initialState ? [initial.hidden, initial.cell] : []),
  ];
  let finalCell: Tensor | undefined;
  const run = tf.customGrad((...args) => {
    const save = args.pop() as unknown as (tensors: Tensor[]) => void;
    const forward = runForward(weights, initial, inputs, frames);
    save(forward.saved);
    const outputs = forward.hiddenStates;
    if (wanted.finalState) outputs.push(forward.cell);
    else finalCell = tf.keep(tf.clone(forward.cell));
    const value = outputs.length === 1 ? tf.clone(outputs[0]) : tf.concat(outputs, 0);
    const gradFunc = (dy: Tensor, saved: Tensor[]) =>
      runBackward({ weights, inputs, initial, frames, wanted }, dy, saved);
    return { value, gradFunc };
  });
  const value = run(...differentiated) as Tensor;
  const [lanes, height, width, filters] = initial.hidden.shape;
  const rows = (start: number, count: number) =>
    tf.slice(value, [start * lanes, 0, 0, 0], [count * lanes, height, width, filters]);
  const state = {
    hidden: rows(frames - 1, 1),
    cell: finalCell ? release(finalCell) : rows(frames, 1),
  };
  return { hiddenStates: wanted.finalState ? rows(0, frames) : value, state };
}

interface Forward {
  readonly hiddenStates: Tensor[];
  readonly cell: Tensor;
  readonly saved: Tensor[];
}

function runForward(
  { kernel, recurrentKernel, bias }: ConvLstmWeights,
  initial: ConvLstmState,
  inputs: Tensor | undefined,
  frames: number,
): Forward {
  // One convolution reads state and input together.
  const joinedKernel = inputs ? tf.concat([recurrentKernel, kernel!], 2) : recurrentKernel;
  const inputFrames = inputs && splitRows(inputs, frames);
  let { hidden, cell } = initial;
  const hiddenStates: Tensor[] = [];
  const saved: Tensor[] = [];
  for (let frame = 0; frame < frames; frame++) {
    const joined = inputFrames ? tf.concat([hidden, inputFrames[frame]], 3) : hidden;
    const gates = tf.split(addBias(convolve(joined, joinedKernel), bias), 4, 3);
    const [input, forget, output] = [gates[0], gates[1], gates[3]].map((gate) => tf.sigmoid(gate));
    const candidate = tf.tanh(gates[2]);
    const before = cell;
    cell = tf.add(tf.mul(forget, before), tf.mul(input, candidate));
    const tanhCell = tf.tanh(cell);
    hidden = tf.mul(output, tanhCell);
    hiddenStates.push(hidden);
    saved.push(joined, input, forget, candidate, output, tanhCell, before);
  }
  return { hiddenStates, cell, saved };
}

interface Layer {
  readonly weights: ConvLstmWeights;
  readonly initial: ConvLstmState;
  readonly inputs: Tensor | undefined;
  readonly frames: number;
  readonly wanted: ConvLstmGradients;
}

/** Gradients in the order of the differentiated tensors. */
function runBackward(
  { weights, initial, inputs, frames, wanted }: Layer,
  dy: Tensor,
  saved: readonly Tensor[],
): Tensor[] {
  const { kernel, recurrentKernel } = weights;
  const stateShape = initial.hidden.shape;
  const filters = stateShape[3]!;
  const channels = inputs ? inputs.shape[3]! : 0;
  const joinedKernel = inputs ? tf.concat([recurrentKernel, kernel!], 2) : recurrentKernel;
  const dValues = splitRows(dy, frames + (wanted.finalState ? 1 : 0));
  const kernelGradients: Tensor[] = [];
  const biasGradients: Tensor[] = [];
  const inputGradients: Tensor[] = [];
  let dHiddenAfter: Tensor | undefined;
  let dCell: Tensor | undefined = wanted.finalState ? dValues[frames] : undefined;
  for (let frame = frames - 1; frame >= 0; frame--) {
    const start = frame * savedNames.length;
    const [joined, input, forget, candidate, output, tanhCell, before] = saved.slice(
      start,
      start + savedNames.length,
    );
    const dHidden = dHiddenAfter ? tf.add(dValues[frame], dHiddenAfter) : dValues[frame];
    const throughHidden = tanhGradient(tanhCell, tf.mul(dHidden, output));
    const dCellHere: Tensor = dCell ? tf.add(throughHidden, dCell) : throughHidden;
    const dGates = tf.concat([
      sigmoidGradient(input, tf.mul(dCellHere, candidate)),
      sigmoidGradient(forget, tf.mul(dCellHere, before)),
      tanhGradient(candidate, tf.mul(dCellHere, input)),
      sigmoidGradient(output, tf.mul(dHidden, tanhCell)),
    ], 3);
    dCell = tf.mul(dCellHere, forget);
    kernelGradients.push(convolutionKernelGradient(joined, joinedKernel.shape, dGates));
    biasGradients.push(biasGradient(dGates));
    const needsHidden = frame > 0 || wanted.initialState;
    if (needsHidden && wanted.inputs && inputs) {
      const dJoined = convolutionInputGradient(joined.shape, joinedKernel, dGates);
      const [dHiddenPart, dInputPart] = tf.split(dJoined, [filters, channels], 3);
      dHiddenAfter = dHiddenPart;
      inputGradients.unshift(dInputPart);
    } else if (needsHidden) {
      dHiddenAfter = convolutionInputGradient(stateShape, recurrentKernel, dGates);
    } else if (wanted.inputs && inputs) {
      const inputShape = [...stateShape.slice(0, 3), channels];
      inputGradients.unshift(convolutionInputGradient(inputShape, kernel!, dGates));
    }
  }
  const kernelGradient = sumOf(kernelGradients);
  const [dRecurrentKernel, dKernel] = inputs
    ? tf.split(kernelGradient, [filters, channels], 2)
    : [kernelGradient];
  return [
    dRecurrentKernel,
    sumOf(biasGradients),
    ...(inputs ? [dKernel] : []),
    ...(inputs && wanted.inputs ? [tf.concat(inputGradients, 0)] : []),
    ...(wanted.initialState ? [dHiddenAfter!, dCell!] : []),
  ];
}

function splitRows(tensor: Tensor, count: number): Tensor[] {
  return count === 1 ? [tensor] : tf.split(tensor, count, 0);
}

/** A kept tensor as one that the current scope owns. */
function release(kept: Tensor): Tensor {
  const released = tf.clone(kept);
  kept.dispose();
  return released;
}

/** 'same' convolution with stride 1: [n, height, width, in] to [n, height, width, out]. */
export function convolve(input: Tensor, kernel: Tensor): Tensor {
  return tf.conv2d(input as tf.Tensor4D, kernel as tf.Tensor4D, 1, "same");
}
