import { type Tensor, tf } from "../../engine/tf.ts";
import {
  type ConvLstmGradients,
  convLstmLayer,
  type ConvLstmOutput,
  type ConvLstmState,
  type ConvLstmWeights,
  convolve,
} from "../../models/convlstm_layer.ts";
import { laneMajor, timeMajor } from "../../models/convlstm_stack.ts";
import { assertClose } from "./close_to.ts";
import { testOnEachEngine } from "./each_engine.ts";
import { formulaStack, formulaState, formulaTensor, layers, numbers } from "./keras_fixture.ts";

interface Shape {
  readonly lanes: number;
  readonly frames: number;
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly filters: number;
  readonly kernelSize: number;
}

/** What a layer is computed from, in the order in which the tests pass and differentiate it. */
function layerInputs(shape: Shape): Tensor[] {
  const { lanes, frames, height, width, channels, filters, kernelSize } = shape;
  return [
    ...formulaStack(1, kernelSize, channels, [filters]),
    ...(channels > 0 ? [formulaTensor([lanes, frames, height, width, channels], 10, 1)] : []),
    ...formulaState(20, lanes, height, width, [filters]),
  ];
}

function split(tensors: readonly Tensor[], hasInput: boolean) {
  const [recurrentKernel, bias] = hasInput ? tensors.slice(1) : tensors;
  const [inputs, hidden, cell] = tensors.slice(-3);
  return {
    weights: { kernel: hasInput ? tensors[0] : undefined, recurrentKernel, bias },
    inputs: hasInput ? inputs : undefined,
    initial: { hidden, cell },
  };
}

type Layer = (
  weights: ConvLstmWeights,
  initial: ConvLstmState,
  inputs: Tensor | undefined,
  frames: number,
  wanted: ConvLstmGradients,
) => ConvLstmOutput;

/** The equations as they are in the paper, one gate at a time, for the tape to differentiate. */
const plainLayer: Layer = ({ kernel, recurrentKernel, bias }, initial, inputs, frames) => {
  const filters = initial.hidden.shape[3]!;
  const gateOf = (tensor: Tensor, gate: number) => {
    const begin = tensor.shape.map((_, axis) => axis === tensor.rank - 1 ? gate * filters : 0);
    return tf.slice(tensor, begin, [...tensor.shape.slice(0, -1), filters]);
  };
  let { hidden, cell } = initial;
  const lanes = hidden.shape[0];
  const states: Tensor[] = [];
  for (let frame = 0; frame < frames; frame++) {
    const input = inputs &&
      tf.slice(inputs, [frame * lanes, 0, 0, 0], [lanes, ...inputs.shape.slice(1)]);
    const gate = (index: number) => {
      const recurrent = tf.add(
        convolve(hidden, gateOf(recurrentKernel, index)),
        gateOf(bias!, index),
      );
      return input ? tf.add(recurrent, convolve(input, gateOf(kernel!, index))) : recurrent;
    };
    const [i, f, g, o] = [0, 1, 2, 3].map(gate);
    cell = tf.add(tf.mul(tf.sigmoid(f), cell), tf.mul(tf.sigmoid(i), tf.tanh(g)));
    hidden = tf.mul(tf.sigmoid(o), tf.tanh(cell));
    states.push(hidden);
  }
  return { hiddenStates: tf.concat(states, 0), state: { hidden, cell } };
};

/**
 * A function of a layer's inputs that gives its hidden states [lanes, frames, ...], its last state,
 * then the gradients of a scalar of all three at those inputs that are wanted.
 */
function differentiated(layer: Layer, shape: Shape, wanted: ConvLstmGradients) {
  const { lanes, frames, channels } = shape;
  const hasInput = channels > 0;
  const forward = (tensors: readonly Tensor[]) => {
    const { weights, inputs, initial } = split(tensors, hasInput);
    const rows = inputs && timeMajor(inputs, 0, frames);
    const { hiddenStates, state } = layer(weights, initial, rows, frames, wanted);
    return [laneMajor(hiddenStates, lanes), state.hidden, state.cell];
  };
  return (tensors: Tensor[]): Tensor[] => {
    const count = tensors.length;
    // kernel?, recurrent kernel, bias, inputs?, hidden, cell
    const isWanted = tensors.map((_, index) =>
      index >= count - 2
        ? wanted.initialState
        : hasInput && index === count - 3
        ? wanted.inputs
        : true
    );
    const chosen = tensors.filter((_, index) => isWanted[index]);
    const scalar = (...values: Tensor[]) => {
      let next = 0;
      const all = tensors.map((tensor, index) => isWanted[index] ? values[next++] : tensor);
      const terms = forward(all).map((term, index) =>
        // A cell state that is not passed on has no way back.
        index === 2 && !wanted.finalState
          ? undefined
          : tf.sum(tf.mul(term, formulaTensor(term.shape, 30 + index, 1)))
      );
      return tf.addN(terms.filter((term) => term !== undefined)) as tf.Scalar;
    };
    return [...forward(tensors), ...tf.grads(scalar)(chosen)];
  };
}

testOnEachEngine(
  "convLstmLayer and its gradients are those of Keras",
  async (compile, tolerance) => {
    for (const { shape, outputs, hidden, cell, gradients } of layers) {
      const what = JSON.stringify(shape);
      const wanted = { inputs: shape.channels > 0, initialState: true, finalState: true };
      const layer = compile("layer", differentiated(convLstmLayer, shape, wanted));
      const inputs = layerInputs(shape);
      const results = await layer(inputs);
      [outputs, hidden, cell, ...gradients].forEach((expected, index) =>
        assertClose(results[index].dataSync(), numbers(expected), `${what}, ${index}`, tolerance)
      );
      tf.dispose([inputs, results]);
      layer.dispose();
    }
  },
);

testOnEachEngine(
  "convLstmLayer has the tape's gradients, whichever are wanted",
  async (compile, tolerance) => {
    const shapes: Shape[] = [
      { lanes: 2, frames: 3, height: 3, width: 4, channels: 2, filters: 3, kernelSize: 3 },
      { lanes: 2, frames: 1, height: 3, width: 4, channels: 1, filters: 2, kernelSize: 3 },
      { lanes: 2, frames: 3, height: 3, width: 4, channels: 0, filters: 2, kernelSize: 3 },
      { lanes: 1, frames: 1, height: 4, width: 3, channels: 0, filters: 2, kernelSize: 5 },
    ];
    for (const shape of shapes) {
      for (let choice = 0; choice < 8; choice++) {
        const wanted = {
          inputs: (choice & 1) > 0,
          initialState: (choice & 2) > 0,
          finalState: (choice & 4) > 0,
        };
        const what = `${JSON.stringify(shape)}, ${JSON.stringify(wanted)}`;
        const [own, plain] = [convLstmLayer, plainLayer].map((layer, index) =>
          compile(`layer ${index}`, differentiated(layer, shape, wanted))
        );
        const inputs = layerInputs(shape);
        const [found, expected] = [await own(inputs), await plain(inputs)];
        assertClose([found.length], [expected.length], what, { relative: 0, floor: 0 });
        found.forEach((tensor, index) =>
          assertClose(tensor.dataSync(), expected[index].dataSync(), `${what}, ${index}`, tolerance)
        );
        tf.dispose([inputs, found, expected]);
        own.dispose();
        plain.dispose();
      }
    }
  },
);

testOnEachEngine(
  "convLstmLayer window by window, its state carried, is the whole sequence at once",
  async (compile) => {
    const shape = { lanes: 2, frames: 6, height: 4, width: 3, channels: 1, filters: 2 };
    const wanted = { inputs: false, initialState: false, finalState: false };
    const run = (frames: number) =>
      compile(`${frames} frames`, (tensors) => {
        const { weights, inputs, initial } = split(tensors, true);
        const rows = timeMajor(inputs!, 0, frames);
        const { hiddenStates, state } = convLstmLayer(weights, initial, rows, frames, wanted);
        return [laneMajor(hiddenStates, shape.lanes), state.hidden, state.cell];
      });
    const tensors = layerInputs({ ...shape, kernelSize: 3 });
    const [weights, inputs, initial] = [tensors.slice(0, 3), tensors[3], tensors.slice(4)];
    const whole = run(6);
    const expected = await whole([...weights, inputs, ...initial]);
    for (const length of [1, 2, 3]) {
      const part = run(length);
      let state = initial.map((tensor) => tf.clone(tensor));
      const parts: Tensor[] = [];
      for (let start = 0; start < 6; start += length) {
        const size = [shape.lanes, length, shape.height, shape.width, shape.channels];
        const window = tf.slice(inputs, [0, start, 0, 0, 0], size);
        const [outputs, ...after] = await part([...weights, window, ...state]);
        tf.dispose([window, state]);
        parts.push(outputs);
        state = after;
      }
      const found = [tf.concat(parts, 1), ...state];
      // The same operations on the same numbers: the same bits.
      found.forEach((tensor, index) =>
        assertClose(tensor.dataSync(), expected[index].dataSync(), `windows of ${length}`, {
          relative: 0,
          floor: 0,
        })
      );
      tf.dispose([parts, found]);
      part.dispose();
    }
    tf.dispose([tensors, expected]);
    whole.dispose();
  },
);
