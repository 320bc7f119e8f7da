/**
 * Which layer reads what, as files of Keras 2 and 3 write it, and the order in which Keras computes:
 * by depth, which matters where a stateful layer is used several times.
 */
import { isFields, type LayerConfig } from "./layer_config.ts";

/** An output of a use of a layer. */
export interface Reference {
  /** Its index in the file. */
  readonly layer: number;
  /** Which of its uses. */
  readonly node: number;
  readonly output: number;
}

/** A use of a layer. */
export interface Node {
  readonly layer: number;
  readonly node: number;
  readonly inputs: readonly Reference[];
}

/** @throws {ModelError} naming the layer whose inputs are written in no known way */
export function readNodes(
  config: LayerConfig,
  descriptions: readonly unknown[],
  names: readonly string[],
): Node[] {
  return descriptions.flatMap((description, layer) => {
    const { inbound_nodes, inboundNodes } = isFields(description)
      ? description
      : {} as Readonly<Record<string, unknown>>;
    const uses = inbound_nodes ?? inboundNodes;
    if (!Array.isArray(uses)) return [];
    return uses.map((use, node) => ({
      layer,
      node,
      inputs: isFields(use)
        ? inputsOfKeras3(config, use, names, names[layer])
        : inputsOfKeras2(config, use, names, names[layer]),
    }));
  });
}

/**
 * Keras 2 counts the uses of a network within a network from 1, because its own making was the first:
 * where a use is named that is one above the last, and the first is not.
 */
export function countedFromZero(
  nodes: readonly Node[],
  outputs: readonly Reference[],
): { nodes: Node[]; outputs: Reference[] } {
  const all = [...nodes.flatMap(({ inputs }) => inputs), ...outputs];
  const fromOne = new Set(
    nodes.map(({ layer }) => layer).filter((layer) => {
      const count = nodes.filter((each) => each.layer === layer).length;
      const named = all.filter((each) => each.layer === layer).map(({ node }) => node);
      return named.includes(count) && !named.includes(0);
    }),
  );
  const counted = (each: Reference) =>
    fromOne.has(each.layer) ? { ...each, node: each.node - 1 } : each;
  return {
    nodes: nodes.map((node) => ({ ...node, inputs: node.inputs.map(counted) })),
    outputs: outputs.map(counted),
  };
}

/** [["conv", 0, 0], …], or ["conv", 0, 0] where there is one. */
export function readReferences(
  config: LayerConfig,
  value: unknown,
  names: readonly string[],
): Reference[] {
  if (!Array.isArray(value)) {
    throw config.refusal(
      "names its inputs or outputs otherwise than in a list",
      "save it with a tensor or a list of tensors, not with a dictionary",
    );
  }
  const all = typeof value[0] === "string" ? [value] : value;
  return all.map((each) => reference(config, each, names));
}

function reference(config: LayerConfig, value: unknown, names: readonly string[]): Reference {
  const [name, node, output] = Array.isArray(value) ? value : [];
  const layer = names.indexOf(name);
  if (layer >= 0 && Number.isSafeInteger(node) && Number.isSafeInteger(output)) {
    return { layer, node, output };
  }
  throw config.refusal(
    `reads ${JSON.stringify(value)?.slice(0, 80)}, which is none of its layers' outputs`,
    "save the network again",
  );
}

/** [["conv", 0, 0, {…}], …] */
function inputsOfKeras2(
  config: LayerConfig,
  use: unknown,
  names: readonly string[],
  name: string,
): Reference[] {
  const all = Array.isArray(use) ? (typeof use[0] === "string" ? [use] : use) : [];
  const initial: Reference[] = [];
  const inputs = all.map((each) => {
    const [from, node, output, words = {}] = Array.isArray(each) ? each : [];
    for (const [word, value] of Object.entries(words ?? {})) {
      if (word === "initial_state" && Array.isArray(value)) {
        initial.push(...readReferences(config, value, names));
      } else refuseWord(config, name, word, value);
    }
    return reference(config, [from, node, output], names);
  });
  return [...inputs, ...initial];
}

/** {"args": […], "kwargs": {…}} with tensors named by the layers that they come from. */
function inputsOfKeras3(
  config: LayerConfig,
  use: Readonly<Record<string, unknown>>,
  names: readonly string[],
  name: string,
): Reference[] {
  const found: Reference[] = [];
  const collect = (value: unknown) => {
    if (Array.isArray(value)) return value.forEach(collect);
    const tensor = tensorOf(value);
    if (tensor !== undefined) found.push(reference(config, tensor, names));
    else if ((value ?? null) !== null) refuseWord(config, name, "an argument", value);
  };
  collect(use.args);
  const words = isFields(use.kwargs) ? use.kwargs : {};
  for (const [word, value] of Object.entries(words)) {
    if (word === "initial_state" || word === "inputs") collect(value);
    else refuseWord(config, name, word, value);
  }
  return found;
}

/** What a layer is called with beside tensors. */
function refuseWord(config: LayerConfig, name: string, word: string, value: unknown): void {
  if ((value ?? null) === null || value === false) return;
  throw config.refusal(
    `calls its layer "${name}" with ${word} ${JSON.stringify(value).slice(0, 80)}`,
    "save it with a call that has tensors alone",
  );
}

function tensorOf(value: unknown): unknown {
  if (!isFields(value) || value.class_name !== "__keras_tensor__") return undefined;
  return isFields(value.config) ? value.config.keras_history : undefined;
}

/**
 * As Keras orders them: the deepest first, and those of one depth in the order in which its walk back
 * from the outputs meets them. Uses that no output needs are left out.
 */
export function inDepthOrder(nodes: readonly Node[], outputs: readonly Reference[]): Node[] {
  const find = ({ layer, node }: Reference) =>
    nodes.find((each) => each.layer === layer && each.node === node);
  const finished = new Set<Node>();
  const visit = ({ layer, node }: Reference) => {
    const found = find({ layer, node, output: 0 });
    if (found === undefined || finished.has(found)) return;
    for (const input of found.inputs) visit(input);
    finished.add(found);
  };
  for (const output of outputs) visit(output);
  const depths = new Map<Node, number>();
  const layerDepths = new Map<number, number>();
  for (const node of [...finished].reverse()) {
    const depth = Math.max(depths.get(node) ?? 0, layerDepths.get(node.layer) ?? 0);
    layerDepths.set(node.layer, depth);
    depths.set(node, depth);
    for (const input of node.inputs) {
      const before = find(input);
      if (before) depths.set(before, Math.max(depth + 1, depths.get(before) ?? 0));
    }
  }
  // Sorting keeps the order of equals.
  return [...depths].sort(([, one], [, other]) => other - one).map(([node]) => node);
}
