import assert from "node:assert/strict";
import { tf } from "../../engine/tf.ts";
import { random } from "../../net/random.ts";
import { createLaneStates } from "../../worker/lane_states.ts";
import { testOnEngines } from "./small_run.ts";

const specs = [{ name: "hidden", shape: [2, 3] }, { name: "cell", shape: [4] }];
const laneSize = 10;

function laneValues(lane: number): Float32Array {
  const stream = random("lane", lane);
  return Float32Array.from({ length: laneSize }, () => stream.normal());
}

testOnEngines(
  "createLaneStates begins with zeros, one set of tensors for each shard",
  async (open) => {
    await open(1);
    const states = createLaneStates(specs, [1, 4], 3);
    for (const shard of [1, 4]) {
      assert.deepEqual(states.ofShard(shard).map((tensor) => tensor.shape), [[3, 2, 3], [3, 4]]);
      for (const lane of [0, 1, 2]) {
        assert.deepEqual(states.readLane(3 * shard + lane), new Float32Array(laneSize));
      }
    }
    states.dispose();
  },
);

testOnEngines("LaneStates gives back each lane as it was written, and moves it", async (open) => {
  await open(1);
  const lanes = [3, 4, 5, 12, 13, 14];
  const states = createLaneStates(specs, [1, 4], 3);
  states.writeLanes(new Map(lanes.map((lane) => [lane, laneValues(lane)])));
  for (const lane of lanes) assert.deepEqual(states.readLane(lane), laneValues(lane));
  // The tensors hold the lanes as rows.
  const [hidden, cell] = states.ofShard(4);
  assert.deepEqual([...hidden.dataSync().slice(6, 12)], [...laneValues(13).slice(0, 6)]);
  assert.deepEqual([...cell.dataSync().slice(4, 8)], [...laneValues(13).slice(6)]);
  // Some lanes only: the others stay.
  states.writeLanes(new Map([[4, laneValues(99)]]));
  assert.deepEqual(states.readLane(4), laneValues(99));
  assert.deepEqual(states.readLane(3), laneValues(3));
  assert.deepEqual(states.readLane(12), laneValues(12));
  // To a worker that cuts the same lanes into other shards.
  const others = createLaneStates(specs, [12, 13], 1);
  others.writeLanes(new Map([12, 13].map((lane) => [lane, states.readLane(lane)])));
  for (const lane of [12, 13]) assert.deepEqual(others.readLane(lane), laneValues(lane));
  states.dispose();
  others.dispose();
});

testOnEngines("LaneStates owns its tensors: what is replaced is freed", async (open) => {
  await open(1);
  const states = createLaneStates(specs, [0, 1], 2);
  const before = tf.memory().numTensors;
  const [old] = states.ofShard(0);
  states.replace(0, specs.map(({ shape }) => tf.ones([2, ...shape])));
  assert.ok(old.isDisposed);
  assert.equal(tf.memory().numTensors, before);
  assert.deepEqual(states.readLane(1), new Float32Array(laneSize).fill(1));
  assert.deepEqual(states.readLane(2), new Float32Array(laneSize));
  // A copy: it stays what it was.
  const copy = states.readLane(0);
  states.writeLanes(new Map([[0, laneValues(0)]]));
  assert.deepEqual(copy, new Float32Array(laneSize).fill(1));
  assert.equal(tf.memory().numTensors, before);
  states.dispose();
});

testOnEngines("LaneStates refuses lanes of other shards and of another size", async (open) => {
  await open(1);
  const states = createLaneStates(specs, [1, 4], 3);
  const message = "Cannot use the state of shard 2: this worker owns 1,4";
  assert.throws(() => states.ofShard(2), { name: "RangeError", message });
  assert.throws(() => states.readLane(6), { name: "RangeError", message });
  assert.throws(() => states.replace(2, []), { name: "RangeError", message });
  for (const length of [laneSize - 1, laneSize + 1]) {
    assert.throws(() => states.writeLanes(new Map([[4, new Float32Array(length)]])), {
      name: "RangeError",
      message: `Cannot set the state of lane 4: it has ${length} values, the model needs 10`,
    });
  }
  assert.deepEqual(states.readLane(4), new Float32Array(laneSize));
  states.dispose();
});

Deno.test("readShard() gives the lanes of a shard in their order, its tensors read once", () => {
  const specs = [{ name: "a", shape: [2] }, { name: "b", shape: [1, 3] }];
  const lanesPerShard = 3;
  const states = createLaneStates(specs, [1, 4], lanesPerShard);
  const lanes = [3, 4, 5, 12, 13, 14];
  const valuesOf = (lane: number) => Float32Array.from({ length: 5 }, (_, at) => lane + at / 8);
  states.writeLanes(new Map(lanes.map((lane) => [lane, valuesOf(lane)])));
  let reads = 0;
  for (const tensor of states.ofShard(4)) {
    const read = tensor.dataSync.bind(tensor);
    Object.assign(tensor, { dataSync: () => (reads++, read()) });
  }
  assert.deepEqual(states.readShard(4), [12, 13, 14].map(valuesOf));
  assert.equal(reads, specs.length);
  assert.deepEqual(states.readShard(1), [3, 4, 5].map((lane) => states.readLane(lane)));
  states.dispose();
});
