/**
 * The weights beside a `model.json`: read as its manifest says, checked for their size and for what
 * is no number, and given to the layers that they belong to.
 */
import { ModelError } from "../check_model.ts";
import { type Shape, sizeOf, type WeightSpec } from "./layer.ts";

export interface SavedWeight {
  readonly name: string;
  readonly shape: Shape;
  readonly values: Float32Array;
}

interface Entry {
  readonly name: string;
  readonly shape: Shape;
  readonly dtype: string;
  readonly quantization?: {
    readonly dtype: string;
    readonly min?: number;
    readonly scale?: number;
  };
}

/** Bytes of one number. */
const widths: Readonly<Record<string, number>> = {
  float32: 4,
  float16: 2,
  uint8: 1,
  uint16: 2,
  int32: 4,
};

/**
 * @param manifest `weightsManifest` of a `model.json`
 * @param files of all groups, in their order
 * @throws {ModelError} where the files are shorter or longer, or hold what is no finite number
 */
export function readWeights(
  path: string,
  manifest: readonly { readonly paths: readonly string[]; readonly weights: readonly unknown[] }[],
  files: readonly Uint8Array[],
): SavedWeight[] {
  let next = 0;
  return manifest.flatMap(({ paths, weights }) => {
    const bytes = joined(files.slice(next, next += paths.length));
    const view = new DataView(bytes.buffer);
    const entries = weights.map((each) => checkedEntry(path, each));
    const ends: number[] = [];
    for (const entry of entries) ends.push((ends.at(-1) ?? 0) + bytesOf(entry));
    const expected = ends.at(-1) ?? 0;
    if (bytes.length !== expected) {
      const missing = entries[ends.findIndex((end) => end > bytes.length)];
      throw new ModelError(
        `Cannot use --model ${path}: its weights ${paths.join(", ")} have ${bytes.length} bytes, ` +
          `model.json names ${expected}` +
          (missing ? ` (they end within "${missing.name}")` : "") +
          "; copy or convert both again",
      );
    }
    return entries.map((entry, index): SavedWeight => {
      const values = decoded(entry, view, ends[index] - bytesOf(entry));
      const wrong = values.findIndex((value) => !Number.isFinite(value));
      if (wrong >= 0) {
        throw new ModelError(
          `Cannot use --model ${path}: weight "${entry.name}" holds ${values[wrong]} at number ` +
            `${wrong}; save the network from before it diverged`,
        );
      }
      return { name: entry.name, shape: entry.shape, values };
    });
  });
}

function checkedEntry(path: string, value: unknown): Entry {
  const { name, shape, dtype, quantization } = (value ?? {}) as Partial<Entry>;
  const isShape = Array.isArray(shape) &&
    shape.every((side) => Number.isSafeInteger(side) && side >= 0);
  const stored = quantization?.dtype ?? dtype;
  if (typeof name === "string" && isShape && widths[stored ?? ""] !== undefined) {
    return value as Entry;
  }
  throw new ModelError(
    `Cannot use --model ${path}: its weightsManifest has ${
      JSON.stringify(value)?.slice(0, 120)
    }, ` +
      `expected a name, a shape and a dtype of ${Object.keys(widths).join(", ")}; convert it again`,
  );
}

function bytesOf({ shape, dtype, quantization }: Entry): number {
  return sizeOf(shape) * widths[quantization?.dtype ?? dtype];
}

function decoded(entry: Entry, view: DataView, from: number): Float32Array {
  const { shape, dtype, quantization } = entry;
  const stored = quantization?.dtype ?? dtype;
  const width = widths[stored];
  const { min = 0, scale = 1 } = quantization ?? {};
  const isScaled = stored === "uint8" || stored === "uint16";
  return Float32Array.from({ length: sizeOf(shape) }, (_, index) => {
    const raw = numberAt(view, from + index * width, stored);
    return isScaled && quantization ? raw * scale + min : raw;
  });
}

function numberAt(view: DataView, at: number, dtype: string): number {
  if (dtype === "float32") return view.getFloat32(at, true);
  if (dtype === "float16") return halfFloat(view.getUint16(at, true));
  if (dtype === "uint8") return view.getUint8(at);
  if (dtype === "uint16") return view.getUint16(at, true);
  return view.getInt32(at, true);
}

function halfFloat(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const [exponent, fraction] = [bits >> 10 & 0x1f, bits & 0x3ff];
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let offset = 0;
  for (const part of parts) {
    all.set(part, offset);
    offset += part.length;
  }
  return all;
}

/** Weights of one layer or cell, as the network or the file has them. */
interface Group<Item> {
  readonly names: readonly string[];
  readonly items: readonly Item[];
}

/**
 * The saved weight of each of the network's. By name; where names differ, as those of a network do
 * that was built again in one session, where there is one way alone that shapes and order allow.
 * @throws {ModelError} naming the layers and the weights for which there is none
 */
export function assignWeights(
  path: string,
  specs: readonly WeightSpec[],
  saved: readonly SavedWeight[],
): SavedWeight[] {
  const own = grouped(specs, ({ owner }) => owner);
  const given = grouped(
    saved.filter(({ name }) => !/(?:^|\/)seed_generator/.test(name)),
    ({ name }) => name.split("/").slice(0, -1),
  );
  const pairs = new Map<Group<WeightSpec>, Group<SavedWeight>>();
  const byName = matchedByName(own, given);
  if (byName !== undefined) byName.forEach((group, layer) => pairs.set(layer, group));
  else matchByShape(path, own, given).forEach((group, layer) => pairs.set(layer, group));
  const found = new Map<WeightSpec, SavedWeight>();
  for (const [layer, group] of pairs) {
    const left = [...group.items];
    for (const spec of layer.items) {
      const at = left.findIndex((weight) => isOf(weight, spec));
      const [weight] = left.splice(at, 1);
      found.set(spec, weight);
    }
  }
  return specs.map((spec) => found.get(spec)!);
}

function grouped<Item>(
  items: readonly Item[],
  namesOf: (item: Item) => readonly string[],
): Group<Item>[] {
  const groups = Map.groupBy(items, (item) => namesOf(item).join("/"));
  return [...groups.values()].map((each) => ({ names: namesOf(each[0]), items: each }));
}

function shortName({ name }: SavedWeight): string {
  return name.slice(name.lastIndexOf("/") + 1);
}

function isOf(weight: SavedWeight, spec: WeightSpec): boolean {
  const name = shortName(weight);
  return `${weight.shape}` === `${spec.shape}` && (name === spec.name || name === spec.alias);
}

/** Whether the file's weights are just those of the layer. */
function fits(layer: Group<WeightSpec>, group: Group<SavedWeight>): boolean {
  if (layer.items.length !== group.items.length) return false;
  const left = [...group.items];
  return layer.items.every((spec) => {
    const at = left.findIndex((weight) => isOf(weight, spec));
    if (at >= 0) left.splice(at, 1);
    return at >= 0;
  });
}

/** Names that a layer and a group have in common; a file leaves out some of those around a layer. */
function common(layer: Group<WeightSpec>, group: Group<SavedWeight>): number {
  return layer.names.filter((name) => group.names.includes(name)).length;
}

/** @returns undefined where names do not tell all */
function matchedByName(
  own: readonly Group<WeightSpec>[],
  given: readonly Group<SavedWeight>[],
): Map<Group<WeightSpec>, Group<SavedWeight>> | undefined {
  if (own.length !== given.length) return undefined;
  const pairs = new Map<Group<WeightSpec>, Group<SavedWeight>>();
  for (const group of given) {
    const likely = own.filter((layer) => common(layer, group) > 0 && fits(layer, group));
    const most = Math.max(0, ...likely.map((layer) => common(layer, group)));
    const best = likely.filter((layer) => common(layer, group) === most);
    if (best.length !== 1 || pairs.has(best[0])) return undefined;
    pairs.set(best[0], group);
  }
  return pairs;
}

function matchByShape(
  path: string,
  own: readonly Group<WeightSpec>[],
  given: readonly Group<SavedWeight>[],
): Map<Group<WeightSpec>, Group<SavedWeight>> {
  const pairs = new Map<Group<WeightSpec>, Group<SavedWeight>>();
  const seen = new Set<Group<WeightSpec>>();
  const taken = new Set<Group<SavedWeight>>();
  for (const layer of own) {
    if (seen.has(layer)) continue;
    const groups = given.filter((group) => fits(layer, group));
    const layers = own.filter((other) => groups.length > 0 && fits(other, groups[0]));
    layers.forEach((each) => seen.add(each));
    if (groups.length === 0) throw missing(path, layer, given.filter((each) => !taken.has(each)));
    const ordered = groups.length === layers.length ? inOrder(layers, groups) : undefined;
    if (ordered === undefined) {
      throw new ModelError(
        `Cannot use --model ${path}: its weights ${
          quoted(groups)
        } could be those of several layers, ` +
          `${quoted(layers)}; save the network again, so that names of both agree`,
      );
    }
    for (const [one, group] of ordered) {
      pairs.set(one, group);
      taken.add(group);
    }
  }
  const left = given.filter((group) => !taken.has(group));
  if (left.length === 0) return pairs;
  throw new ModelError(
    `Cannot use --model ${path}: its weights ${
      quoted(left)
    } belong to none of its layers; save both ` +
      "again",
  );
}

/**
 * Layers and groups of equal shapes: one of each; or equal names; or names that one count apart.
 * @returns undefined where it could be otherwise
 */
function inOrder(
  layers: readonly Group<WeightSpec>[],
  groups: readonly Group<SavedWeight>[],
): [Group<WeightSpec>, Group<SavedWeight>][] | undefined {
  if (layers.length === 1) return [[layers[0], groups[0]]];
  const named = matchedByName(layers, groups);
  if (named !== undefined) return [...named];
  const counted = <Item>(all: readonly Group<Item>[]) =>
    all.map((group) => ({ group, ...countOf(group.names) })).sort((a, b) => a.count - b.count);
  const [ours, theirs] = [counted(layers), counted(groups)];
  const shift = theirs[0].count - ours[0].count;
  const isShifted = ours.every(({ base, count }, index) =>
    base === theirs[index].base && theirs[index].count - count === shift
  );
  if (!isShifted) return undefined;
  return ours.map(({ group }, index) => [group, theirs[index].group]);
}

/** "conv2d_3" is the third after "conv2d". */
function countOf([first = ""]: readonly string[]): { base: string; count: number } {
  const [, base, digits] = first.match(/^(.*?)(?:_(\d+))?$/)!;
  return { base, count: digits === undefined ? 0 : Number(digits) };
}

function missing(
  path: string,
  layer: Group<WeightSpec>,
  left: readonly Group<SavedWeight>[],
): ModelError {
  const wanted = layer.items.map(({ name, shape }) => `${name} [${shape}]`).join(", ");
  const near = left.find((group) => common(layer, group) > 0) ?? left[0];
  const has = near === undefined
    ? "the file has no more"
    : `the file has ${near.items.map(({ name, shape }) => `"${name}" [${shape}]`).join(", ")}`;
  return new ModelError(
    `Cannot use --model ${path}: layer "${
      layer.names.join("/")
    }" has no weights: it needs ${wanted}, ` +
      `${has}; save the network and its weights again`,
  );
}

function quoted(groups: readonly Group<unknown>[]): string {
  return groups.map(({ names }) => `"${names.join("/")}"`).join(", ");
}
