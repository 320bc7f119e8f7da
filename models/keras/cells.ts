/**
 * What recurrent layers compute in one time step. The ops and their order are those of TensorFlow.js'
 * layers, so that networks train to the same bits as when these computed them.
 */
import { type Tensor, tf } from "../../engine/tf.ts";
import {
  channelsFirst,
  channelsLast,
  convolvedSize,
  convolvePlain,
  dilated,
  ordered,
  spans,
} from "./convolution_geometry.ts";
import { addBias, product } from "./core_layers.ts";
import type { Shape, WeightSpec } from "./layer.ts";
import type { LayerConfig } from "./layer_config.ts";

export interface Cell {
  readonly weights: readonly WeightSpec[];
  /** Shapes of one lane's state. */
  readonly state: readonly Shape[];
  readonly output: Shape;
  step(x: Tensor, state: readonly Tensor[], weights: readonly Tensor[]): CellAnswer;
}

export interface CellAnswer {
  readonly output: Tensor;
  readonly state: Tensor[];
}

/** @param input of one lane at one step */
export type CellMaker = (input: Shape) => Cell;
export type CellKind = (config: LayerConfig) => CellMaker;

/** What cells of units have in common. */
function readUnits(config: LayerConfig) {
  config.withoutDropout("dropout", "recurrent_dropout");
  config.take("implementation");
  return {
    units: config.count("units"),
    activation: config.activation("activation", "tanh"),
    useBias: config.flag("use_bias", true),
  };
}

function unitWeights(
  config: LayerConfig,
  input: Shape,
  units: number,
  gates: number,
  bias: Shape | undefined,
): readonly WeightSpec[] {
  if (input.length !== 1) {
    throw config.refusal(`reads [lanes, time, ${input}]`, "give it [lanes, time, features]");
  }
  return [
    config.weight("kernel", [input[0], gates * units]),
    config.weight("recurrent_kernel", [units, gates * units]),
    ...(bias === undefined ? [] : [config.weight("bias", bias)]),
  ];
}

const simple: CellKind = (config) => {
  const { units, activation, useBias } = readUnits(config);
  return (input) => ({
    weights: unitWeights(config, input, units, 1, useBias ? [units] : undefined),
    state: [[units]],
    output: [units],
    step(x, [before], [kernel, recurrentKernel, bias]) {
      const h = product(x, kernel);
      const biased = useBias ? addBias(h, bias) : h;
      const output = activation.apply(tf.add(biased, product(before, recurrentKernel)));
      return { output, state: [output] };
    },
  });
};

const lstm: CellKind = (config) => {
  const { units, activation, useBias } = readUnits(config);
  const gate = config.activation("recurrent_activation", "sigmoid");
  config.flag("unit_forget_bias", true);
  return (input) => ({
    weights: unitWeights(config, input, units, 4, useBias ? [4 * units] : undefined),
    state: [[units], [units]],
    output: [units],
    step(x, [h, c], [kernel, recurrentKernel, bias]) {
      const z = tf.add(product(x, kernel), product(h, recurrentKernel));
      const [z0, z1, z2, z3] = tf.split(useBias ? addBias(z, bias) : z, 4, 1);
      const [i, f] = [gate.apply(z0), gate.apply(z1)];
      const carry = tf.add(tf.mul(f, c), tf.mul(i, activation.apply(z2)));
      const output = tf.mul(gate.apply(z3), activation.apply(carry));
      return { output, state: [output, carry] };
    },
  });
};

const gru: CellKind = (config) => {
  const { units, activation, useBias } = readUnits(config);
  const gate = config.activation("recurrent_activation", "sigmoid");
  // Files of before it was an option have none.
  const resetAfter = config.flag("reset_after", false);
  return (input) => {
    const bias = resetAfter ? [2, 3 * units] : [3 * units];
    return {
      weights: unitWeights(config, input, units, 3, useBias ? bias : undefined),
      state: [[units]],
      output: [units],
      step(x, [h], [kernel, recurrentKernel, both]) {
        const [own, recurrent] = useBias && resetAfter ? tf.unstack(both) : [both, undefined];
        const raw = product(x, kernel);
        const [xz, xr, xh] = tf.split(useBias ? addBias(raw, own) : raw, 3, 1);
        const mix = (z: Tensor, candidate: Tensor) => {
          const output = tf.add(tf.mul(z, h), tf.mul(tf.add(1, tf.neg(z)), candidate));
          return { output, state: [output] };
        };
        if (resetAfter) {
          const inner = product(h, recurrentKernel);
          const biased = recurrent === undefined ? inner : addBias(inner, recurrent);
          const [hz, hr, hh] = tf.split(biased, 3, 1);
          const [z, r] = [gate.apply(tf.add(xz, hz)), gate.apply(tf.add(xr, hr))];
          return mix(z, activation.apply(tf.add(xh, tf.mul(r, hh))));
        }
        const [gates, candidate] = tf.split(recurrentKernel, [2 * units, units], 1);
        const [hz, hr] = tf.split(product(h, gates), 2, 1);
        const [z, r] = [gate.apply(tf.add(xz, hz)), gate.apply(tf.add(xr, hr))];
        const hh = product(tf.mul(r, h), candidate);
        return mix(z, activation.apply(tf.add(xh, hh)));
      },
    };
  };
};

const stacked: CellKind = (config) => {
  const descriptions = config.take("cells");
  config.only("reverse_state_order", false, "save it without reverse_state_order");
  if (!Array.isArray(descriptions) || descriptions.length === 0) {
    throw config.refusal("has no cells", "save it with one or more");
  }
  const makers = descriptions.map((description) => readCell(config.innerConfig(description)));
  return (input) => {
    const cells: Cell[] = [];
    for (const maker of makers) cells.push(maker(cells.at(-1)?.output ?? input));
    return {
      weights: cells.flatMap(({ weights }) => weights),
      state: cells.flatMap(({ state }) => state),
      output: cells.at(-1)!.output,
      step(x, state, weights) {
        const after: Tensor[] = [];
        let [output, atState, atWeight] = [x, 0, 0];
        for (const cell of cells) {
          const answer = cell.step(
            output,
            state.slice(atState, atState += cell.state.length),
            weights.slice(atWeight, atWeight += cell.weights.length),
          );
          output = answer.output;
          after.push(...answer.state);
        }
        return { output, state: after };
      },
    };
  };
};

/** @param rank of a frame's place */
export function convolutionalLstm(rank: 1 | 2 | 3): CellKind {
  return (config) => {
    config.withoutDropout("dropout", "recurrent_dropout");
    const filters = config.count("filters");
    const kernelSize = config.counts("kernel_size", rank);
    const strides = config.counts("strides", rank, 1);
    const dilation = config.counts("dilation_rate", rank, 1);
    const padding = config.choice("padding", ["same", "valid"], "valid");
    const format = config.choice(
      "data_format",
      ["channels_last", "channels_first"],
      "channels_last",
    );
    const activation = config.activation("activation", "tanh");
    const gate = config.activation("recurrent_activation", "hard_sigmoid");
    const useBias = config.flag("use_bias", true);
    config.flag("unit_forget_bias", true);
    const isChannelsFirst = format === "channels_first";
    const ones = kernelSize.map(() => 1);
    return (input) => {
      if (input.length !== rank + 1) {
        const sides = ["columns", "rows, columns", "depth, rows, columns"][rank - 1];
        throw config.refusal(
          `reads [lanes, time, ${input}]`,
          `give it [lanes, time, ${isChannelsFirst ? `channels, ${sides}` : `${sides}, channels`}]`,
        );
      }
      const channels = isChannelsFirst ? input[0] : input[rank];
      const place = isChannelsFirst ? input.slice(1) : input.slice(0, -1);
      const sizes = spans(kernelSize, dilation);
      const answer = place.map((side, axis) =>
        convolvedSize(config, side, sizes[axis], strides[axis], padding)
      );
      const output = ordered([...answer, filters], isChannelsFirst);
      const last = isChannelsFirst ? channelsLast : (x: Tensor) => x;
      const first = isChannelsFirst ? channelsFirst : (x: Tensor) => x;
      return {
        weights: [
          config.weight("kernel", [...kernelSize, channels, 4 * filters]),
          config.weight("recurrent_kernel", [...kernelSize, filters, 4 * filters]),
          ...(useBias ? [config.weight("bias", [4 * filters])] : []),
        ],
        state: [output, output],
        output,
        step(given, [h0, c0], [kernel, recurrentKernel, bias]) {
          const [x, h, c] = [last(given), last(h0), last(c0)];
          const kernels = tf.split(kernel, 4, rank + 1);
          const biases = useBias ? tf.split(bias, 4) : [];
          const recurrent = tf.split(recurrentKernel, 4, rank + 1);
          const inputs = kernels.map((each, index) => {
            const y = convolvePlain(x, dilated(each, dilation), strides, padding);
            return useBias ? addBias(y, biases[index]) : y;
          });
          const states = recurrent.map((each) => convolvePlain(h, each, ones, "same"));
          const [i, f] = [0, 1].map((at) => gate.apply(tf.add(inputs[at], states[at])));
          const candidate = activation.apply(tf.add(inputs[2], states[2]));
          const carry = tf.add(tf.mul(f, c), tf.mul(i, candidate));
          const o = gate.apply(tf.add(inputs[3], states[3]));
          const output = tf.mul(o, activation.apply(carry));
          return { output: first(output), state: [first(output), first(carry)] };
        },
      };
    };
  };
}

/** Cells that may stand in an RNN layer. */
export const cellKinds: Readonly<Record<string, CellKind>> = {
  SimpleRNNCell: simple,
  LSTMCell: lstm,
  GRUCell: gru,
  StackedRNNCells: stacked,
};

/** @throws {ModelError} for a cell that is not computed here */
export function readCell(config: LayerConfig): CellMaker {
  if (!Object.hasOwn(cellKinds, config.kind)) {
    throw config.refusal(
      "is no cell that is computed here",
      `save it with one of ${Object.keys(cellKinds).join(", ")}`,
    );
  }
  const maker = cellKinds[config.kind](config);
  config.finish();
  return maker;
}
