/**
 * The recurrent state that this worker carries: one set of tensors for each shard that it owns,
 * replaced whole after each window. As flat arrays, one for each lane, states are saved and moved.
 */
import { type Tensor, tf } from "../engine/tf.ts";
import type { StateSpec } from "../models/model.ts";
import { isAllFinite } from "../net/finite.ts";

export interface LaneStates {
  /** The state tensors of a shard, each [lanes for each shard, ...shape]; owned by this object. */
  ofShard(shard: number): readonly Tensor[];
  /** Takes ownership of a shard's new state and frees the old. */
  replace(shard: number, state: readonly Tensor[]): void;
  /** A lane's state as one array: all states in order, flattened. */
  readLane(lane: number): Float32Array;
  /** The same of all lanes of a shard, in their order: its tensors are copied once, not once a lane. */
  readShard(shard: number): Float32Array[];
  /**
   * Sets the states of lanes from what `readLane` gave; those of other workers are left out.
   * @throws {RangeError} for a state of another size
   */
  writeLanes(lanes: ReadonlyMap<number, Float32Array>): void;
  /**
   * Sets to zero what the network cannot go on from: the whole state of each lane that holds a value
   * which is not finite.
   * @returns those lanes
   */
  resetNonFinite(): number[];
  dispose(): void;
}

/** All states zero. */
export function createLaneStates(
  specs: readonly StateSpec[],
  shards: readonly number[],
  lanesPerShard: number,
): LaneStates {
  const sizes = specs.map(({ shape }) => shape.reduce((size, side) => size * side, 1));
  const laneSize = sizes.reduce((sum, size) => sum + size, 0);
  const states = new Map<number, readonly Tensor[]>(
    shards.map((shard) => [
      shard,
      specs.map(({ shape }) => tf.keep(tf.zeros([lanesPerShard, ...shape]))),
    ]),
  );
  const ofShard = (shard: number) => {
    const state = states.get(shard);
    if (!state) {
      throw new RangeError(
        `Cannot use the state of shard ${shard}: this worker owns ${[...states.keys()]}`,
      );
    }
    return state;
  };
  const replace = (shard: number, state: readonly Tensor[]) => {
    for (const tensor of ofShard(shard)) tensor.dispose();
    states.set(shard, state);
  };
  const readRows = (shard: number, rows: readonly number[]): Float32Array[] => {
    const lanes = rows.map(() => new Float32Array(laneSize));
    let offset = 0;
    ofShard(shard).forEach((tensor, index) => {
      const size = sizes[index];
      const values = tensor.dataSync() as Float32Array;
      rows.forEach((row, at) => {
        lanes[at].set(values.subarray(row * size, (row + 1) * size), offset);
      });
      offset += size;
    });
    return lanes;
  };
  const readLane = (lane: number): Float32Array =>
    readRows(Math.floor(lane / lanesPerShard), [lane % lanesPerShard])[0];
  const readShard = (shard: number): Float32Array[] =>
    readRows(shard, Array.from({ length: lanesPerShard }, (_, row) => row));
  const writeLanes = (lanes: ReadonlyMap<number, Float32Array>) => {
    for (const [lane, { length }] of lanes) {
      if (length === laneSize) continue;
      throw new RangeError(
        `Cannot set the state of lane ${lane}: it has ${length} values, the model needs ${laneSize}`,
      );
    }
    for (const shard of states.keys()) {
      const state = ofShard(shard);
      let offset = 0;
      const written = state.map((tensor, index) => {
        const size = sizes[index];
        const values = (tensor.dataSync() as Float32Array).slice();
        for (let row = 0; row < lanesPerShard; row++) {
          const lane = lanes.get(shard * lanesPerShard + row);
          if (lane) values.set(lane.subarray(offset, offset + size), row * size);
        }
        offset += size;
        return tf.keep(tf.tensor(values, tensor.shape, "float32"));
      });
      replace(shard, written);
    }
  };
  return {
    ofShard,
    replace,
    readLane,
    readShard,
    writeLanes,
    resetNonFinite() {
      const lanes = [...states.keys()].flatMap((shard) =>
        readShard(shard).flatMap((values, row) =>
          isAllFinite(values) ? [] : [shard * lanesPerShard + row]
        )
      );
      if (lanes.length > 0) {
        writeLanes(new Map(lanes.map((lane) => [lane, new Float32Array(laneSize)])));
      }
      return lanes;
    },
    dispose() {
      for (const state of states.values()) for (const tensor of state) tensor.dispose();
      states.clear();
    },
  };
}
