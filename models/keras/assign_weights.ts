/**
 * Gives saved weights to the layers that they belong to: by their names, of which every version of
 * Keras writes others, else where shapes and order leave one way alone. Nothing is guessed: what could
 * be otherwise is refused.
 */
import { ModelError } from "../check_model.ts";
import type { WeightSpec } from "./layer.ts";
import type { SavedWeight } from "./read_weights.ts";

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
  // A layer's own name may hold the sign that a file puts between names.
  const own = grouped(specs, ({ owner }) => owner.flatMap((name) => name.split("/")));
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
    `Cannot use --model ${path}: layer "${layer.names.join("/")}" needs the weights ${wanted}, ` +
      `${has}; save the network and its weights again`,
  );
}

function quoted(groups: readonly Group<unknown>[]): string {
  return groups.map(({ names }) => `"${names.join("/")}"`).join(", ");
}
