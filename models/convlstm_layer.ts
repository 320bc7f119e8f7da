/**
 * One ConvLSTM layer over the frames of a window (Shi et al. 2015, arXiv 1506.04214, eq. 3, with
 * peepholes or without; gate order i, f, c, o as Keras' ConvLSTM2D), with its back-propagation
 * through time written out.
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
  /**
   * [size, size, input channels, 4 * filters]; absent for a layer without input, or whose inputs
   * have been convolved already.
   */
  readonly kernel?: Tensor;
  /** [size, size, filters, 4 * filters] */
  readonly recurrentKernel: Tensor;
  /** [4 * filters] */
  readonly bias?: Tensor;
  /**
   * How gates i and f see the cell state before, and o the one after: [3, filters], or
   * [3, height, width, filters] for weights of each pixel.
   */
  readonly peephole?: Tensor;
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
const BEFORE = savedNames.indexOf("before");

/**
 * @param inputs time-major, [frames * lanes, height, width, channels], or undefined for a layer that
 *   runs on its state alone (the bottom of a forecaster). Where `weights` have no kernel: what the
 *   gates get from the inputs, [frames * lanes, height, width, 4 * filters]
 */
export function convLstmLayer(
  weights: ConvLstmWeights,
  initial: ConvLstmState,
  inputs: Tensor | undefined,
  frames: number,
  wanted: ConvLstmGradients,
): ConvLstmOutput {
  const { recurrentKernel, bias, kernel, peephole } = weights;
  const differentiated = [
    recurrentKernel,
    ...(bias ? [bias] : []),
    ...(kernel ? [kernel] : []),
    ...(peephole ? [peephole] : []),
    ...(inputs && wanted.inputs ? [inputs] : []),
    ...(wanted.initialState ? [initial.hidden, initial.cell] : []),
  ];
  let finalCell: Tensor | undefined;
  const run = tf.customGrad((...args) => {
    const save = args.pop() as unknown as (tensors: Tensor[]) => void;
    const forward = runForward(weights, initial, inputs, frames);
    // The weights too: they may be made of others, within a scope that has ended by then.
    const used = [recurrentKernel, kernel, peephole].filter((tensor) => tensor !== undefined);
    save([...forward.saved, ...used]);
    const outputs = forward.hiddenStates;
    if (wanted.finalState) outputs.push(forward.cell);
    else finalCell = tf.keep(tf.clone(forward.cell));
    const value = outputs.length === 1 ? tf.clone(outputs[0]) : tf.concat(outputs, 0);
    const gradFunc = (dy: Tensor, saved: Tensor[]) => {
      const [keptRecurrent, ...others] = saved.slice(forward.saved.length);
      const kept = {
        recurrentKernel: keptRecurrent,
        bias,
        kernel: kernel && others.shift(),
        peephole: peephole && others.shift(),
      };
      const layer = { weights: kept, inputs, initial, frames, wanted };
      return runBackward(layer, dy, saved.slice(0, forward.saved.length));
    };
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
  { kernel, recurrentKernel, bias, peephole }: ConvLstmWeights,
  initial: ConvLstmState,
  inputs: Tensor | undefined,
  frames: number,
): Forward {
  // One convolution reads state and input together.
  const joinedKernel = kernel ? tf.concat([recurrentKernel, kernel], 2) : recurrentKernel;
  const inputFrames = inputs && splitRows(inputs, frames);
  const peepholes = peephole && splitPeephole(peephole);
  let { hidden, cell } = initial;
  const hiddenStates: Tensor[] = [];
  const saved: Tensor[] = [];
  for (let frame = 0; frame < frames; frame++) {
    const joined = kernel ? tf.concat([hidden, inputFrames![frame]], 3) : hidden;
    let sums = convolve(joined, joinedKernel);
    if (inputFrames && !kernel) sums = tf.add(sums, inputFrames[frame]);
    const gates = tf.split(bias ? addBias(sums, bias) : sums, 4, 3);
    const before = cell;
    const seen = (gate: Tensor, index: number, state: Tensor) =>
      peepholes ? tf.add(gate, tf.mul(peepholes[index], state)) : gate;
    const input = tf.sigmoid(seen(gates[0], 0, before));
    const forget = tf.sigmoid(seen(gates[1], 1, before));
    const candidate = tf.tanh(gates[2]);
    cell = tf.add(tf.mul(forget, before), tf.mul(input, candidate));
    const output = tf.sigmoid(seen(gates[3], 2, cell));
    const tanhCell = tf.tanh(cell);
    hidden = tf.mul(output, tanhCell);
    hiddenStates.push(hidden);
    saved.push(joined, input, forget, candidate, output, tanhCell, before);
  }
  if (peephole) saved.push(cell);
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
  const { kernel, recurrentKernel, bias, peephole } = weights;
  const stateShape = initial.hidden.shape;
  const filters = stateShape[3]!;
  const channels = inputs ? inputs.shape[3]! : 0;
  const joinedKernel = kernel ? tf.concat([recurrentKernel, kernel], 2) : recurrentKernel;
  const peepholes = peephole && splitPeephole(peephole);
  const dValues = splitRows(dy, frames + (wanted.finalState ? 1 : 0));
  const kernelGradients: Tensor[] = [];
  const biasGradients: Tensor[] = [];
  const inputGradients: Tensor[] = [];
  const peepholeGradients: Tensor[] = [];
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
    const dOutput = sigmoidGradient(output, tf.mul(dHidden, tanhCell));
    let dCellHere: Tensor = dCell ? tf.add(throughHidden, dCell) : throughHidden;
    if (peepholes) dCellHere = tf.add(dCellHere, tf.mul(dOutput, peepholes[2]));
    const dInput = sigmoidGradient(input, tf.mul(dCellHere, candidate));
    const dForget = sigmoidGradient(forget, tf.mul(dCellHere, before));
    const dCandidate = tanhGradient(candidate, tf.mul(dCellHere, input));
    const dGates = tf.concat([dInput, dForget, dCandidate, dOutput], 3);
    dCell = tf.mul(dCellHere, forget);
    if (peepholes) {
      dCell = tf.addN([dCell, tf.mul(dInput, peepholes[0]), tf.mul(dForget, peepholes[1])]);
      const after = saved[Math.min(start + savedNames.length + BEFORE, saved.length - 1)];
      peepholeGradients.push(
        peepholeGradient(peephole!.shape, [dInput, dForget, dOutput], [before, before, after]),
      );
    }
    kernelGradients.push(convolutionKernelGradient(joined, joinedKernel.shape, dGates));
    if (bias) biasGradients.push(biasGradient(dGates));
    if (inputs && !kernel && wanted.inputs) inputGradients.unshift(dGates);
    const needsHidden = frame > 0 || wanted.initialState;
    if (needsHidden && wanted.inputs && kernel) {
      const dJoined = convolutionInputGradient(joined.shape, joinedKernel, dGates);
      const [dHiddenPart, dInputPart] = tf.split(dJoined, [filters, channels], 3);
      dHiddenAfter = dHiddenPart;
      inputGradients.unshift(dInputPart);
    } else if (needsHidden) {
      dHiddenAfter = convolutionInputGradient(stateShape, recurrentKernel, dGates);
    } else if (wanted.inputs && kernel) {
      const inputShape = [...stateShape.slice(0, 3), channels];
      inputGradients.unshift(convolutionInputGradient(inputShape, kernel, dGates));
    }
  }
  const kernelGradient = sumOf(kernelGradients);
  const [dRecurrentKernel, dKernel] = kernel
    ? tf.split(kernelGradient, [filters, channels], 2)
    : [kernelGradient];
  return [
    dRecurrentKernel,
    ...(bias ? [sumOf(biasGradients)] : []),
    ...(kernel ? [dKernel] : []),
    ...(peephole ? [sumOf(peepholeGradients)] : []),
    ...(inputs && wanted.inputs ? [tf.concat(inputGradients, 0)] : []),
    ...(wanted.initialState ? [dHiddenAfter!, dCell!] : []),
  ];
}

/** Weights of gates i, f and o, each [filters] or [height, width, filters]. */
function splitPeephole(peephole: Tensor): Tensor[] {
  const shape = peephole.shape.slice(1);
  return tf.split(peephole, 3, 0).map((weights) => tf.reshape(weights, shape));
}

/** Of one frame: for each gate the sum of gate gradient × cell state over whoever shares a weight. */
function peepholeGradient(
  shape: readonly number[],
  dGates: readonly Tensor[],
  cells: readonly Tensor[],
): Tensor {
  const axes = shape.length === 2 ? [0, 1, 2] : [0];
  return tf.stack(dGates.map((dGate, index) => tf.sum(tf.mul(dGate, cells[index]), axes)), 0);
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
