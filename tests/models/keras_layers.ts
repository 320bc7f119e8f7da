/** Reads `fixtures/layers_model/layers.json.gz`, and makes the numbers that Keras was given for it. */
import { type Tensor, tf } from "../../engine/tf.ts";
import type { Layer } from "../../models/keras/layer.ts";
import { assignWeights } from "../../models/keras/assign_weights.ts";
import { openTopology } from "../../models/keras/saved_network.ts";

export interface LayersCase {
  readonly name: string;
  readonly columns: readonly ("state" | "mask")[];
  readonly topology: {
    readonly keras_version: string;
    readonly model_config: Readonly<Record<string, unknown>>;
  };
  readonly weights: readonly { readonly name: string; readonly shape: readonly number[] }[];
  readonly input: readonly number[];
  readonly output: readonly number[];
  readonly outputs: string;
  readonly trained: readonly string[];
  readonly gradient: string;
}

const file = new URL("../fixtures/layers_model/layers.json.gz", import.meta.url);
const unpacked = (await Deno.open(file)).readable.pipeThrough(new DecompressionStream("gzip"));
export const fixture: { readonly libraries: string[]; readonly cases: readonly LayersCase[] } =
  await new Response(unpacked).json();

export const caseLanes = 2;

/** By the formula of `make_layers.py`. */
export function wave(count: number, seed: number): Float32Array {
  return Float32Array.from({ length: count }, (_, i) => Math.sin(0.37 * i * i + seed));
}

const sizeOf = (shape: readonly number[]) => shape.reduce((product, side) => product * side, 1);

/** Both windows, with the steps that are masked. */
export function caseWindows({ columns, input }: LayersCase): Float32Array[] {
  const size = caseLanes * sizeOf(input);
  const all = wave(2 * size, 0.5);
  const step = sizeOf(input.slice(1));
  const clear = (window: number, lane: number, from: number, to: number) => {
    const start = window * size + lane * input[0] * step;
    all.fill(0, start + from * step, start + to * step);
  };
  if (columns.includes("mask")) {
    clear(0, 0, 1, input[0]);
    clear(1, 1, 0, 2);
    clear(1, 0, 1, 2);
  }
  return [all.slice(0, size), all.slice(size)];
}

export function floats(text: string): Float32Array {
  return new Float32Array(Uint8Array.from(atob(text), (char) => char.charCodeAt(0)).buffer);
}

/** Classes of all layers in a topology, with their configurations. */
export function classesIn(part: unknown): { kind: string; stateful: boolean }[] {
  if (typeof part !== "object" || part === null) return [];
  if (Array.isArray(part)) return part.flatMap(classesIn);
  const { class_name, config } = part as { class_name?: unknown; config?: unknown };
  const within = Object.values(part).flatMap(classesIn);
  if (typeof class_name !== "string") return within;
  const { stateful } = (config ?? {}) as { stateful?: unknown };
  return [{ kind: class_name, stateful: stateful === true }, ...within];
}

export interface OpenedCase {
  readonly layer: Layer;
  /** In the order of the layer's weights. */
  readonly values: readonly Float32Array[];
  /** Names in the file, in the same order. */
  readonly names: readonly string[];
}

export function openCase({ name, topology, weights, input }: LayersCase): OpenedCase {
  const saved = weights.map(({ name, shape }, seed) => {
    const values = wave(sizeOf(shape), 1 + seed).map((value) =>
      0.6 * (name.includes("moving_variance") ? 1.25 + 0.75 * value : value)
    );
    return { name, shape, values };
  });
  const network = openTopology(name, { modelTopology: topology, weightsManifest: [] });
  const layer = network.make([{ shape: input, isMasked: false }]);
  const assigned = assignWeights(name, layer.weights, saved);
  return {
    layer,
    values: assigned.map(({ values }) => values),
    names: assigned.map((each) => each.name),
  };
}

/** Tensors of these values, of the shapes that the layer asks for. */
export function weightTensors({ layer, values }: OpenedCase): Tensor[] {
  return values.map((each, index) => tf.tensor(each, [...layer.weights[index].shape]));
}
