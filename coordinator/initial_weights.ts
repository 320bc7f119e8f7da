/**
 * Where a new run begins from weights that another one has trained: those of the same name and shape
 * are taken, and what is drawn anew or left over is told.
 */
import type { ArraySpec } from "./checkpoint_vectors.ts";
import type { NamedArrays } from "./safetensors.ts";

export interface InitialWeights {
  /** All parameters in their order; NaN where the network's own first weights stand. */
  readonly flat: Float32Array;
  /** In one sentence, what was taken and what was not. */
  readonly sentence: string;
}

/** Names that a sentence lists. */
const namesShownMax = 8;

/**
 * @param parameters of the network, in their order
 * @param arrays finite values
 * @param source names where they are from
 * @throws {RangeError} where a shape differs, or no name is the same
 */
export function matchInitialWeights(
  parameters: readonly ArraySpec[],
  arrays: NamedArrays,
  source: string,
): InitialWeights {
  const found = new Map(arrays.map((array) => [array.name, array]));
  const sizes = parameters.map(({ shape }) => shape.reduce((size, side) => size * side, 1));
  const flat = new Float32Array(sizes.reduce((sum, size) => sum + size, 0)).fill(NaN);
  const missing: string[] = [];
  let offset = 0;
  for (const [index, { name, shape }] of parameters.entries()) {
    const array = found.get(name);
    found.delete(name);
    if (array === undefined) {
      missing.push(name);
    } else if (array.shape.join() !== shape.join()) {
      throw new RangeError(
        `Cannot begin with the weights of ${source}: "${name}" has shape [${array.shape}] there and ` +
          `[${shape}] in this network; give the options that the weights were trained with, or ` +
          "leave it out of the file",
      );
    } else {
      flat.set(array.values, offset);
    }
    offset += sizes[index];
  }
  const taken = parameters.length - missing.length;
  if (taken === 0) {
    throw new RangeError(
      `Cannot begin with the weights of ${source}: none of its ${arrays.length} arrays ` +
        `(${shown(arrays.map(({ name }) => name))}) is one of this network's ` +
        `(${shown(parameters.map(({ name }) => name))}); name weights of the same network`,
    );
  }
  const sentence = `Begins with ${taken} of ${parameters.length} weights of ${source}` +
    (missing.length === 0 ? "" : `; drawn anew: ${shown(missing)}`) +
    (found.size === 0 ? "" : `; left over: ${shown([...found.keys()])}`);
  return { flat, sentence };
}

function shown(names: readonly string[]): string {
  const more = names.length - namesShownMax;
  return names.slice(0, namesShownMax).join(", ") + (more > 0 ? ` and ${more} more` : "");
}
