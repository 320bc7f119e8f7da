/**
 * A model's parameters as one vector, in which they are trained, and as named arrays, in which files
 * hold them.
 */
import type { Model, ParameterSpec } from "./model.ts";

export interface ParameterArray extends ParameterSpec {
  /** Row-major, as many as the shape says. */
  readonly values: Float32Array;
}

/**
 * Parts of the vector, each with its name and shape, in the model's order.
 * @throws {RangeError} where the vector has another length than the model's
 */
export function namedParameters(model: Model, parameters: Float32Array): ParameterArray[] {
  const count = model.parameters.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  if (parameters.length !== count) {
    throw new RangeError(
      `Cannot divide ${parameters.length} values among the parameters of model "${model.name}": ` +
        `it has ${count}; take the model that they were trained in`,
    );
  }
  let offset = 0;
  return model.parameters.map(({ name, shape }) => {
    const start = offset;
    offset += sizeOf(shape);
    return { name, shape, values: parameters.slice(start, offset) };
  });
}

/**
 * The arrays one after the other.
 * @param source where they come from, for errors
 * @throws {Error} where names, shapes or their order are not the model's
 */
export function flatParameters(
  model: Model,
  arrays: readonly ParameterArray[],
  source = "these parameters",
): Float32Array {
  const inWords = (specs: readonly ParameterSpec[]) =>
    specs.map(({ name, shape }) => `${name} [${shape}]`).join(", ");
  const [found, wanted] = [inWords(arrays), inWords(model.parameters)];
  if (found !== wanted) {
    throw new Error(
      `Cannot use ${source}: it holds ${found.slice(0, 300)}, but model "${model.name}" has ` +
        `${wanted.slice(0, 300)}; has its module or the data's shape changed?`,
    );
  }
  const flat = new Float32Array(arrays.reduce((sum, { values }) => sum + values.length, 0));
  let offset = 0;
  for (const { values } of arrays) {
    flat.set(values, offset);
    offset += values.length;
  }
  return flat;
}

function sizeOf(shape: readonly number[]): number {
  return shape.reduce((size, side) => size * side, 1);
}
