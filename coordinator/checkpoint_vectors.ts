/**
 * Between what workers exchange (flat vectors) and what a checkpoint holds (named arrays). Vectors
 * are `parameters`, `slot/<name>` (one value for each parameter) and `lane/<n>` (all states of a
 * lane in order).
 */
import type { NamedArray, NamedArrays } from "./safetensors.ts";

export interface ArraySpec {
  readonly name: string;
  readonly shape: readonly number[];
}

/** What the workers' model and optimizer consist of. */
export interface ModelSpecs {
  readonly parameters: readonly ArraySpec[];
  readonly slots: readonly string[];
  /** For one lane. */
  readonly states: readonly ArraySpec[];
}

export interface CheckpointArrays {
  readonly parameters: NamedArrays;
  readonly optimizer: NamedArrays;
  readonly states: NamedArrays;
}

/** Names of all vectors that make up a checkpoint. */
export function checkpointVectors(specs: ModelSpecs, lanes: number): string[] {
  return [
    "parameters",
    ...specs.slots.map((slot) => `slot/${slot}`),
    ...Array.from({ length: lanes }, (_, lane) => `lane/${lane}`),
  ];
}

/** Bytes of a vector of a checkpoint, undefined for any other name. */
export function vectorBytes(specs: ModelSpecs, lanes: number, name: string): number | undefined {
  const of = (arrays: readonly ArraySpec[]) =>
    4 * arrays.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  const isSlot = specs.slots.some((slot) => name === `slot/${slot}`);
  if (name === "parameters" || isSlot) return of(specs.parameters);
  const [, lane] = /^lane\/(0|[1-9]\d*)$/.exec(name) ?? [];
  return lane !== undefined && Number(lane) < lanes ? of(specs.states) : undefined;
}

/**
 * The rank whose vector it is, which alone may send it: a lane's is whoever owns its shard, all else
 * is rank 0's.
 * @param owners rank that owns each shard
 */
export function rankOfVector(name: string, lanes: number, owners: readonly number[]): number {
  const [, lane] = /^lane\/(\d+)$/.exec(name) ?? [];
  return lane === undefined ? 0 : owners[Math.floor(Number(lane) * owners.length / lanes)];
}

/** @param take gives each vector by name */
export function arraysFromVectors(
  specs: ModelSpecs,
  lanes: number,
  take: (name: string) => Float32Array,
): CheckpointArrays {
  const states = specs.states.map(({ name, shape }) => ({
    name,
    shape: [lanes, ...shape],
    values: new Float32Array(lanes * sizeOf(shape)),
  }));
  for (let lane = 0; lane < lanes; lane++) {
    const parts = splitVector(`lane/${lane}`, take(`lane/${lane}`), specs.states);
    parts.forEach((part, index) =>
      states[index].values.set(part.values, lane * part.values.length)
    );
  }
  return {
    parameters: splitVector("parameters", take("parameters"), specs.parameters),
    optimizer: specs.slots.flatMap((slot) =>
      splitVector(`slot/${slot}`, take(`slot/${slot}`), slotArrays(slot, specs))
    ),
    states,
  };
}

/**
 * @throws {RangeError} where the checkpoint's arrays are not those of the model
 */
export function vectorsFromArrays(
  specs: ModelSpecs,
  lanes: number,
  arrays: CheckpointArrays,
): Map<string, Float32Array> {
  const vectors = new Map<string, Float32Array>();
  vectors.set("parameters", joinArrays(specs.parameters, arrays.parameters));
  const slots = joinArrays(
    specs.slots.flatMap((slot) => slotArrays(slot, specs)),
    arrays.optimizer,
  );
  const count = slots.length / Math.max(specs.slots.length, 1);
  specs.slots.forEach((slot, index) =>
    vectors.set(`slot/${slot}`, slots.slice(index * count, (index + 1) * count))
  );
  const batched = specs.states.map(({ name, shape }) => ({ name, shape: [lanes, ...shape] }));
  joinArrays(batched, arrays.states);
  for (let lane = 0; lane < lanes; lane++) {
    const parts = specs.states.map(({ name, shape }, index) => {
      const size = sizeOf(shape);
      const values = arrays.states[index].values.subarray(lane * size, (lane + 1) * size);
      return { name, shape, values };
    });
    vectors.set(`lane/${lane}`, joinArrays(specs.states, parts));
  }
  return vectors;
}

/** A slot has one value for each parameter. */
function slotArrays(slot: string, { parameters }: ModelSpecs): ArraySpec[] {
  return parameters.map(({ name, shape }) => ({ name: `${slot}/${name}`, shape }));
}

function splitVector(
  what: string,
  vector: Float32Array,
  specs: readonly ArraySpec[],
): NamedArray[] {
  const wanted = specs.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  if (vector.length !== wanted) {
    throw new RangeError(
      `Cannot save vector "${what}": it has ${vector.length} values, the model needs ${wanted}`,
    );
  }
  let offset = 0;
  return specs.map(({ name, shape }) => {
    const values = vector.slice(offset, offset += sizeOf(shape));
    return { name, shape, values };
  });
}

function joinArrays(specs: readonly ArraySpec[], arrays: NamedArrays): Float32Array {
  const vector = new Float32Array(specs.reduce((sum, { shape }) => sum + sizeOf(shape), 0));
  if (arrays.length > specs.length) {
    const { name, shape } = arrays[specs.length];
    throw new RangeError(
      `Cannot resume: the checkpoint has "${name}" [${shape}], which the model has not`,
    );
  }
  let offset = 0;
  specs.forEach(({ name, shape }, index) => {
    const found = arrays[index];
    if (found?.name !== name || found.shape.join() !== shape.join()) {
      throw new RangeError(
        `Cannot resume: the model has "${name}" [${shape}] where the checkpoint has ` +
          (found ? `"${found.name}" [${found.shape}]` : "nothing"),
      );
    }
    vector.set(found.values, offset);
    offset += found.values.length;
  });
  return vector;
}

function sizeOf(shape: readonly number[]): number {
  return shape.reduce((size, side) => size * side, 1);
}
