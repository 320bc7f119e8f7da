/**
 * Recurrent layers, in one direction and both, and layers that are applied to each time step. A
 * stateful layer begins a window with the states that its last one left, which are the lanes'.
 */
import { type Tensor, tf } from "../../engine/tf.ts";
import { type CellKind, cellKinds, type CellMaker, convolutionalLstm, readCell } from "./cells.ts";
import type { Layer, Port, Value } from "./layer.ts";
import { isFields, type LayerConfig, type LayerKind, type MadeLayer } from "./layer_config.ts";

function recurrent(kind: CellKind): LayerKind {
  return (config) => unrolled(config, kind(config));
}

const rnn: LayerKind = (config) => {
  const description = config.take("cell");
  const isList = Array.isArray(description);
  const cell = config.innerConfig(
    isList ? { class_name: "StackedRNNCells", config: { cells: description } } : description,
  );
  // TensorFlow.js repeats a cell's fields beside it.
  for (const name of cell.fieldNames) config.take(name);
  if (cell.kind === "StackedRNNCells" && config.take("return_state") === true) {
    throw config.refusal(
      "returns the states of stacked cells",
      "save it with return_state=False, or as one recurrent layer for each cell",
    );
  }
  return unrolled(config, readCell(cell));
};

function unrolled(config: LayerConfig, makeCell: CellMaker): ReturnType<LayerKind> {
  const returnsSequences = config.flag("return_sequences");
  const returnsState = config.flag("return_state");
  const goesBackwards = config.flag("go_backwards");
  const isStateful = config.flag("stateful");
  const zeroesMasked = config.flag("zero_output_for_mask");
  config.only("time_major", false, "save it with time_major=False");
  // How it is computed, and not what.
  for (const name of ["unroll", "use_cudnn", "return_all_outputs"]) config.take(name);
  return (inputs): Layer => {
    const [{ shape, isMasked }, ...initial] = inputs;
    if (shape.length < 2) {
      throw config.refusal(`reads [lanes, ${shape}]`, "give it [lanes, time, features]");
    }
    const cell = makeCell(shape.slice(1));
    const isInitial = initial.length > 0;
    if (
      isInitial &&
      `${initial.map((port) => `[${port.shape}]`)}` !== `${cell.state.map((each) => `[${each}]`)}`
    ) {
      throw config.refusal(
        `is given states ${initial.map((port) => `[${port.shape}]`).join(", ")}`,
        `give it states ${cell.state.map((each) => `[${each}]`).join(", ")}`,
      );
    }
    if (isInitial && isStateful) {
      throw config.refusal(
        "carries its state from window to window and is given an initial state too",
        "save it with stateful=False, or without initial_state",
      );
    }
    const output: Port = {
      shape: returnsSequences ? [shape[0], ...cell.output] : cell.output,
      isMasked: isMasked && returnsSequences,
    };
    const states = cell.state.map((each): Port => ({ shape: each, isMasked: false }));
    return {
      weights: cell.weights,
      state: isStateful
        ? cell.state.map((each, index) => ({ name: `${config.path}/state${index}`, shape: each }))
        : [],
      outputs: returnsState ? [output, ...states] : [output],
      apply([{ tensor, mask }, ...given], call) {
        const [lanes] = tensor.shape;
        const before = isStateful
          ? call.state
          : isInitial
          ? given.map((value) => value.tensor)
          : cell.state.map((each) => tf.zeros([lanes, ...each]));
        let perStep = timeSteps(tensor);
        let masks = mask === undefined ? undefined : tf.unstack(mask, 1);
        if (goesBackwards) {
          // Not in place: the gradient of what they come from has them in their order.
          perStep = perStep.toReversed();
          masks = masks?.toReversed();
        }
        let state = before;
        let last: Tensor | undefined;
        const outputs: Tensor[] = [];
        for (const [index, x] of perStep.entries()) {
          const next = cell.step(x, state, call.weights);
          if (masks === undefined) {
            last = next.output;
            state = next.state;
          } else {
            const counts = tf.reshape(masks[index], [lanes, ...cell.output.map(() => 1)]);
            const not = tf.sub(1, counts);
            // A masked step repeats the output before it, which is 0 at first.
            const seen = tf.mul(next.output, counts);
            last = last === undefined || zeroesMasked ? seen : tf.add(seen, tf.mul(last, not));
            state = next.state.map((after, at) => {
              const [own, other] = cell.state[at].length === cell.output.length
                ? [counts, not]
                : [counts, not].map((each) =>
                  tf.reshape(each, [lanes, ...cell.state[at].map(() => 1)])
                );
              return tf.add(tf.mul(after, own), tf.mul(state[at], other));
            });
          }
          if (returnsSequences) outputs.push(last);
        }
        const answer: Value = returnsSequences
          ? { tensor: tf.stack(outputs, 1), ...(mask === undefined ? {} : { mask }) }
          : { tensor: last! };
        return {
          values: returnsState
            ? [answer, ...state.map((each): Value => ({ tensor: each }))]
            : [answer],
          state: isStateful ? state : [],
        };
      },
    };
  };
}

/** [lanes, time, ...] as one tensor for each step. */
function timeSteps(x: Tensor): Tensor[] {
  const axes = [1, 0, ...x.shape.slice(2).map((_, index) => index + 2)];
  return tf.unstack(tf.transpose(x, axes));
}

const mergeModes = ["concat", "sum", "ave", "mul"] as const;

const bidirectional: LayerKind = (config) => {
  const isApart = config.take("merge_mode") === undefined;
  const mode = isApart ? undefined : config.choice("merge_mode", mergeModes, "concat");
  const description = config.take("layer");
  const given = config.take("backward_layer");
  const forward = directed(config, description, undefined, "forward_");
  const backward = given === undefined
    ? directed(config, description, true, "backward_")
    : directed(config, given, undefined, "");
  const fields = isFields(description) && isFields(description.config) ? description.config : {};
  const returnsSequences = fields.return_sequences === true;
  return (inputs): Layer => {
    const [sequence, ...initial] = inputs;
    const half = initial.length / 2;
    if (!Number.isInteger(half)) {
      throw config.refusal(
        `is given ${initial.length} states`,
        "give it as many for each direction",
      );
    }
    const layers = [
      forward.maker([sequence, ...initial.slice(0, half)]),
      backward.maker([sequence, ...initial.slice(half)]),
    ];
    const [{ outputs: [one, ...ones] }, { outputs: [other, ...others] }] = layers;
    if (mode !== "concat" && mode !== undefined && `${one.shape}` !== `${other.shape}`) {
      throw config.refusal(`merges [${one.shape}] and [${other.shape}]`, "save equal directions");
    }
    const shape = one.shape.with(-1, one.shape.at(-1)! + other.shape.at(-1)!);
    const merged = mode === undefined
      ? [one, other]
      : [mode === "concat" ? { ...one, shape } : one];
    const [weightCount, stateCount] = [layers[0].weights.length, layers[0].state.length];
    return {
      weights: layers.flatMap(({ weights }) => weights),
      state: layers.flatMap(({ state }) => state),
      outputs: [...merged, ...ones, ...others],
      apply([x, ...states], call) {
        const answers = layers.map((layer, index) => {
          const part = <Item>(items: readonly Item[], count: number) =>
            index === 0 ? items.slice(0, count) : items.slice(count);
          return layer.apply([x, ...part(states, half)], {
            weights: part(call.weights, weightCount),
            state: part(call.state, stateCount),
            training: call.training,
          });
        });
        const [[ahead, ...after], [back, ...before]] = answers.map(({ values }) => values);
        const turned = returnsSequences ? tf.reverse(back.tensor, 1) : back.tensor;
        const mask = ahead.mask === undefined ? {} : { mask: ahead.mask };
        const both = mode === undefined
          ? [ahead, { tensor: turned, ...mask }]
          : [{ tensor: mergedBy(mode, ahead.tensor, turned), ...mask }];
        return {
          values: [...both, ...after, ...before],
          state: answers.flatMap(({ state }) => state),
        };
      },
    };
  };
};

function mergedBy(mode: typeof mergeModes[number], one: Tensor, other: Tensor): Tensor {
  if (mode === "concat") return tf.concat([one, other], -1);
  if (mode === "sum") return tf.add(one, other);
  if (mode === "ave") return tf.mul(0.5, tf.add(one, other));
  return tf.mul(one, other);
}

/** One direction's layer. In both, Keras has masked steps answer 0. */
function directed(
  config: LayerConfig,
  description: unknown,
  turn: true | undefined,
  prefix: string,
): MadeLayer {
  const { kind } = config.innerConfig(description);
  if (!Object.hasOwn(recurrentKinds, kind)) {
    throw config.refusal(
      `wraps a layer of class ${kind}`,
      `save it with one of ${Object.keys(recurrentKinds).join(", ")}`,
    );
  }
  const outer = description as { config: Record<string, unknown> };
  const { name, go_backwards, return_sequences } = outer.config;
  return config.inner({
    ...outer,
    config: {
      ...outer.config,
      name: `${name}`.startsWith(prefix) ? name : `${prefix}${`${name}`.replace(/^forward_/, "")}`,
      go_backwards: turn ? go_backwards !== true : go_backwards,
      zero_output_for_mask: return_sequences === true,
    },
  });
}

/** What would read the mask of its steps as one of its own. */
const readsMasks = /^(?:Sequential|Functional|Model|Masking|Softmax|Bidirectional)$|RNN|LSTM|GRU/;

const timeDistributed: LayerKind = (config) => {
  const { config: own, maker } = config.inner(config.take("layer"));
  return (inputs): Layer => {
    const [{ shape, isMasked }] = inputs;
    if (inputs.length !== 1 || shape.length < 2) {
      throw config.refusal(`reads [lanes, ${shape}]`, "give it one tensor [lanes, time, ...]");
    }
    if (isMasked && readsMasks.test(own.kind)) {
      throw config.refusal(
        `applies a layer of class ${own.kind} to masked time steps`,
        "leave out the Masking layer, or apply it without TimeDistributed",
      );
    }
    const layer = maker([{ shape: shape.slice(1), isMasked: false }]);
    if (layer.state.length > 0) {
      throw config.refusal(
        `applies the stateful layer "${own.name}" to each time step`,
        "save it with stateful=False",
      );
    }
    if (layer.weights.some(({ momentum }) => momentum !== undefined)) {
      throw config.refusal(
        `applies a layer that keeps moving averages ("${own.name}") to each time step`,
        "save it without TimeDistributed, which computes the same, or with trainable=False",
      );
    }
    if (layer.outputs.length !== 1 || layer.outputs[0].isMasked) {
      throw config.refusal(
        `applies a layer with ${layer.outputs.length} outputs`,
        "save it with a layer that has one, without a mask",
      );
    }
    return {
      // Files name the weights of a layer within by this one alone, or by both.
      weights: layer.weights.map((weight) =>
        `${weight.owner}` === `${own.owner}` ? { ...weight, owner: config.owner } : weight
      ),
      state: [],
      outputs: [{ shape: [shape[0], ...layer.outputs[0].shape], isMasked }],
      isSoftmax: layer.isSoftmax,
      noise: layer.noise?.map((each) => [shape[0], ...each]),
      apply([{ tensor, mask }], call) {
        const noise = call.noise?.map((each) => tf.unstack(each, 1));
        const steps = timeSteps(tensor).map((x, step) =>
          layer.apply([{ tensor: x }], { ...call, noise: noise?.map((each) => each[step]) })
        );
        const answers = steps.map(({ values: [value] }) => value.tensor);
        return {
          values: [{ tensor: tf.stack(answers, 1), ...(mask === undefined ? {} : { mask }) }],
          state: [],
        };
      },
    };
  };
};

const recurrentKinds: Readonly<Record<string, LayerKind>> = {
  SimpleRNN: recurrent(cellKinds.SimpleRNNCell),
  LSTM: recurrent(cellKinds.LSTMCell),
  GRU: recurrent(cellKinds.GRUCell),
  RNN: rnn,
  ConvLSTM1D: recurrent(convolutionalLstm(1)),
  ConvLSTM2D: recurrent(convolutionalLstm(2)),
  ConvLSTM3D: recurrent(convolutionalLstm(3)),
};

export const recurrentLayers: Readonly<Record<string, LayerKind>> = {
  ...recurrentKinds,
  Bidirectional: bidirectional,
  TimeDistributed: timeDistributed,
};
