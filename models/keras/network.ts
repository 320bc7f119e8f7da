/**
 * Layers one after the other (Sequential) or as a graph (Functional), as files of Keras 2 and 3 have
 * them. A network is a layer itself. A layer that is used several times has one set of weights and
 * one state, which its uses pass on in Keras' order.
 */
import { type Tensor, tf } from "../../engine/tf.ts";
import type { Layer, LayerAnswer, Port, Value } from "./layer.ts";
import {
  type Fields,
  isFields,
  type LayerConfig,
  type LayerKind,
  type MadeLayer,
} from "./layer_config.ts";
import {
  countedFromZero,
  inDepthOrder,
  type Node,
  readNodes,
  readReferences,
  type Reference,
} from "./layer_graph.ts";

/** The whole network: its layers' names begin their paths. */
export function readNetwork(config: LayerConfig) {
  return graphOf(config, (description) => config.ofNetwork(description));
}

export const network: LayerKind = (config) =>
  graphOf(config, (description) => config.inner(description)).maker;

interface Graph {
  readonly maker: ReturnType<LayerKind>;
  /** As saved, without lanes; null where any size will do. */
  readonly inputShapes: readonly (readonly (number | null)[] | undefined)[];
  /** Names of the layers that answer. */
  readonly outputNames: readonly string[];
}

function graphOf(config: LayerConfig, make: (description: unknown) => MadeLayer): Graph {
  const descriptions = config.take("layers");
  const built = config.take("build_input_shape");
  if (!Array.isArray(descriptions) || descriptions.length === 0) {
    throw config.refusal("has no layers", "save it with some");
  }
  const isSequential = config.kind === "Sequential";
  const isInput = (description: unknown) =>
    isFields(description) && (description.class_name ?? description.className) === "InputLayer";
  const names = descriptions.map(nameOf);
  const made = descriptions.map((each) => isInput(each) ? checkInput(config, each) : make(each));
  const read = isSequential ? chain(descriptions, isInput) : {
    inputs: readReferences(config, config.take("input_layers"), names),
    ...countedFromZero(
      readNodes(config, descriptions, names),
      readReferences(config, config.take("output_layers"), names),
    ),
  };
  const { nodes, inputs, outputs } = read;
  const order = inDepthOrder(nodes, outputs);
  const shapeOf = (layer: number) =>
    savedShape(descriptions[layer]) ??
      (isSequential && Array.isArray(built) ? built.slice(1) : undefined);
  return {
    inputShapes: inputs.map(({ layer }) => shapeOf(layer)),
    outputNames: outputs.map(({ layer }) => names[layer]),
    maker: (ports) => {
      if (ports.length !== inputs.length) {
        throw config.refusal(`reads ${ports.length} tensors`, `give it ${inputs.length}`);
      }
      return wired(config, { made, order, inputs, outputs }, ports);
    },
  };
}

/** What is read is neither cast nor sparse here. */
function checkInput(config: LayerConfig, description: unknown): undefined {
  const input = config.innerConfig(description);
  input.take("batch_size");
  input.finish();
}

function nameOf(description: unknown): string {
  const { config, name, class_name } = isFields(description) ? description : {} as Fields;
  return `${name ?? (isFields(config) ? config.name : undefined) ?? class_name}`;
}

/** What a layer says that it reads, without lanes. */
function savedShape(description: unknown): readonly (number | null)[] | undefined {
  const { config } = isFields(description) ? description : {} as Fields;
  if (!isFields(config)) return undefined;
  const shape = config.batch_shape ?? config.batch_input_shape ?? config.batchInputShape;
  if (Array.isArray(shape)) return shape.slice(1);
  // A network within a network begins with a layer that says it.
  return Array.isArray(config.layers) ? savedShape(config.layers[0]) : undefined;
}

/** A Sequential's layers as a graph. Its first may be an InputLayer or say its shape itself. */
function chain(descriptions: readonly unknown[], isInput: (description: unknown) => boolean) {
  const start: Reference = { layer: isInput(descriptions[0]) ? 0 : -1, node: 0, output: 0 };
  const nodes: Node[] = [];
  let last = start;
  descriptions.forEach((description, layer) => {
    if (isInput(description)) return;
    nodes.push({ layer, node: 0, inputs: [last] });
    last = { layer, node: 0, output: 0 };
  });
  return { nodes, inputs: [{ ...start, layer: Math.max(start.layer, 0) }], outputs: [last], start };
}

interface Wiring {
  /** Undefined for what is read. */
  readonly made: readonly (MadeLayer | undefined)[];
  readonly order: readonly Node[];
  readonly inputs: readonly Reference[];
  readonly outputs: readonly Reference[];
}

const keyOf = ({ layer, node, output }: Reference) => `${layer}/${node}/${output}`;

function wired(config: LayerConfig, wiring: Wiring, ports: readonly Port[]): Layer {
  const { made, order, inputs, outputs } = wiring;
  const isSequential = config.kind === "Sequential";
  // A Sequential without an InputLayer begins with one that is not in the file.
  const inputKeys = inputs.map((each, index) =>
    isSequential ? keyOf({ ...order[0].inputs[0], output: index }) : keyOf(each)
  );
  const known = new Map(inputKeys.map((key, index) => [key, ports[index]]));
  const uses = order.map((node) => {
    const { maker } = made[node.layer]!;
    const layer = maker(node.inputs.map((input) => found(config, known, input)));
    layer.outputs.forEach((port, output) => known.set(keyOf({ ...node, output }), port));
    return { node, layer };
  });
  const firstUse = new Map<number, Layer>();
  const shared = new Set<number>();
  for (const { node, layer } of uses) {
    const first = firstUse.get(node.layer);
    if (first === undefined) {
      firstUse.set(node.layer, layer);
    } else {
      shared.add(node.layer);
      checkSame(made[node.layer]!.config, first, layer);
    }
    if (first !== undefined && hasAverages(layer)) {
      throw made[node.layer]!.config.refusal(
        "keeps moving averages and is used several times",
        "save it with a layer for each use",
      );
    }
  }
  const layers = [...firstUse.entries()].sort(([one], [other]) => one - other);
  const weightsFrom = offsets(layers, ({ weights }) => weights.length);
  const stateFrom = offsets(layers, ({ state }) => state.length);
  const last = uses.find(({ node }) =>
    node.layer === outputs[0].layer && node.node === outputs[0].node
  );
  return {
    weights: layers.flatMap(([, { weights }]) => weights),
    state: layers.flatMap(([, { state }]) => state),
    outputs: outputs.map((output) => found(config, known, output)),
    // Each use of a layer draws anew.
    noise: uses.flatMap(({ layer }) => layer.noise ?? []),
    isSoftmax: last?.layer.isSoftmax,
    apply(given, call): LayerAnswer {
      const values = new Map<string, Value>(inputKeys.map((key, index) => [key, given[index]]));
      const states = new Map(layers.map(([layer, { state }]) => {
        const from = stateFrom.get(layer)!;
        return [layer, call.state.slice(from, from + state.length)] as const;
      }));
      const statistics = new Map<number, readonly Tensor[]>();
      let nextNoise = 0;
      for (const { node, layer } of uses) {
        const from = weightsFrom.get(node.layer)!;
        const answer = layer.apply(node.inputs.map((input) => values.get(keyOf(input))!), {
          weights: call.weights.slice(from, from + layer.weights.length),
          state: states.get(node.layer)!,
          training: call.training,
          counts: call.counts,
          noise: call.noise?.slice(nextNoise, nextNoise += layer.noise?.length ?? 0),
        });
        if (answer.statistics) statistics.set(node.layer, answer.statistics);
        const isUsedAgain = shared.has(node.layer);
        states.set(node.layer, isUsedAgain ? answer.state.map(detached) : [...answer.state]);
        answer.values.forEach((value, output) => values.set(keyOf({ ...node, output }), value));
      }
      return {
        values: outputs.map((output) => values.get(keyOf(output))!),
        state: layers.flatMap(([layer]) => states.get(layer)!),
        statistics: layers.flatMap(([layer]) => statistics.get(layer) ?? []),
      };
    },
  };
}

function found(config: LayerConfig, known: ReadonlyMap<string, Port>, input: Reference): Port {
  const port = known.get(keyOf(input));
  if (port !== undefined) return port;
  throw config.refusal(
    `reads output ${input.output} of its layer ${input.layer}, which has none`,
    "save the network again",
  );
}

/** From a use to the next, as from window to window, a state has no gradient. */
function detached(state: Tensor): Tensor {
  return tf.customGrad((x) => ({
    value: (x as Tensor).clone(),
    gradFunc: () => tf.zeros([...state.shape]),
  }))(state);
}

/** Whether something in it follows the statistics of batches. */
function hasAverages({ weights }: Layer): boolean {
  return weights.some(({ momentum }) => momentum !== undefined);
}

/** A layer that is used again has the weights and states that it had. */
function checkSame(config: LayerConfig, first: Layer, again: Layer): void {
  const shapes = ({ weights, state }: Layer) => JSON.stringify([weights, state]);
  if (shapes(first) === shapes(again)) return;
  throw config.refusal(
    "is used for inputs of several shapes, for which its weights or states differ",
    "save it with a layer for each",
  );
}

function offsets(
  layers: readonly (readonly [number, Layer])[],
  count: (layer: Layer) => number,
): ReadonlyMap<number, number> {
  let at = 0;
  return new Map(layers.map(([index, layer]) => {
    const from = at;
    at += count(layer);
    return [index, from];
  }));
}
