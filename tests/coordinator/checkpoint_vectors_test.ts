import assert from "node:assert/strict";
import {
  arraysFromVectors,
  type CheckpointArrays,
  checkpointVectors,
  type ModelSpecs,
  rankOfVector,
  vectorsFromArrays,
} from "../../coordinator/checkpoint_vectors.ts";
import { random } from "../../net/random.ts";

const specs: ModelSpecs = {
  parameters: [{ name: "layer0/kernel", shape: [2, 3] }, { name: "layer0/bias", shape: [4] }],
  slots: ["adam/m", "adam/v"],
  states: [{ name: "layer0/hidden", shape: [2, 1] }, { name: "layer0/cell", shape: [3] }],
};
const lanes = 3;

/** One vector for each name, of the length that it must have. */
function sampleVectors(): Map<string, Float32Array> {
  const draw = random("checkpoint vectors");
  return new Map(
    checkpointVectors(specs, lanes).map((name) => [
      name,
      Float32Array.from({ length: name.startsWith("lane/") ? 5 : 10 }, () => draw.normal()),
    ]),
  );
}

function sampleArrays(): CheckpointArrays {
  const vectors = sampleVectors();
  return arraysFromVectors(specs, lanes, (name) => vectors.get(name)!);
}

Deno.test("checkpointVectors names parameters, slots and lanes", () => {
  assert.deepEqual(checkpointVectors(specs, 2), [
    "parameters",
    "slot/adam/m",
    "slot/adam/v",
    "lane/0",
    "lane/1",
  ]);
});

Deno.test("arraysFromVectors cuts vectors into the model's arrays, lanes stacked", () => {
  const vectors = sampleVectors();
  const { parameters, optimizer, states } = sampleArrays();
  assert.deepEqual(parameters.map(({ name, shape }) => [name, shape]), [
    ["layer0/kernel", [2, 3]],
    ["layer0/bias", [4]],
  ]);
  assert.deepEqual(parameters[1].values, vectors.get("parameters")!.slice(6));
  assert.deepEqual(optimizer.map(({ name, shape }) => [name, shape]), [
    ["adam/m/layer0/kernel", [2, 3]],
    ["adam/m/layer0/bias", [4]],
    ["adam/v/layer0/kernel", [2, 3]],
    ["adam/v/layer0/bias", [4]],
  ]);
  assert.deepEqual(optimizer[2].values, vectors.get("slot/adam/v")!.slice(0, 6));
  assert.deepEqual(states.map(({ name, shape }) => [name, shape]), [
    ["layer0/hidden", [3, 2, 1]],
    ["layer0/cell", [3, 3]],
  ]);
  const cells = [0, 1, 2].flatMap((lane) => [...vectors.get(`lane/${lane}`)!.slice(2)]);
  assert.deepEqual([...states[1].values], cells);
});

Deno.test("vectorsFromArrays gives back what arraysFromVectors was made from", () => {
  assert.deepEqual(vectorsFromArrays(specs, lanes, sampleArrays()), sampleVectors());
  const stateless = { ...specs, slots: [], states: [] };
  const vectors = new Map([["parameters", Float32Array.from({ length: 10 }, (_, i) => i)]]);
  for (const lane of [0, 1, 2]) vectors.set(`lane/${lane}`, new Float32Array(0));
  const arrays = arraysFromVectors(stateless, lanes, (name) => vectors.get(name)!);
  assert.deepEqual(vectorsFromArrays(stateless, lanes, arrays), vectors);
});

Deno.test("arraysFromVectors refuses a vector of another length", () => {
  for (const [name, needed] of [["parameters", 10], ["slot/adam/v", 10], ["lane/2", 5]] as const) {
    for (const length of [needed - 1, needed + 1]) {
      const vectors = sampleVectors().set(name, new Float32Array(length));
      assert.throws(() => arraysFromVectors(specs, lanes, (each) => vectors.get(each)!), {
        name: "RangeError",
        message: `Cannot save vector "${name}": it has ${length} values, the model needs ${needed}`,
      });
    }
  }
});

Deno.test("vectorsFromArrays refuses arrays that are not the model's, and names the first", () => {
  const sound = sampleArrays();
  const refuse = (arrays: Partial<CheckpointArrays>, message: string) =>
    assert.throws(() => vectorsFromArrays(specs, lanes, { ...sound, ...arrays }), {
      name: "RangeError",
      message: `Cannot resume: ${message}`,
    });
  const [kernel, bias] = sound.parameters;
  refuse(
    { parameters: [{ ...kernel, name: "layer1/kernel" }, bias] },
    'the model has "layer0/kernel" [2,3] where the checkpoint has "layer1/kernel" [2,3]',
  );
  // As many values, but transposed.
  refuse(
    { parameters: [{ ...kernel, shape: [3, 2] }, bias] },
    'the model has "layer0/kernel" [2,3] where the checkpoint has "layer0/kernel" [3,2]',
  );
  refuse(
    { parameters: [kernel] },
    'the model has "layer0/bias" [4] where the checkpoint has nothing',
  );
  refuse(
    { parameters: [kernel, bias, { ...bias, name: "head/bias" }] },
    'the checkpoint has "head/bias" [4], which the model has not',
  );
  refuse(
    { optimizer: sound.optimizer.slice(0, 2) },
    'the model has "adam/v/layer0/kernel" [2,3] where the checkpoint has nothing',
  );
  refuse(
    { optimizer: [...sound.optimizer, { ...bias, name: "rmsprop/layer0/bias" }] },
    'the checkpoint has "rmsprop/layer0/bias" [4], which the model has not',
  );
  assert.throws(
    () => vectorsFromArrays(specs, lanes + 1, sound),
    { message: /"layer0\/hidden" \[4,2,1\] where the checkpoint has "layer0\/hidden" \[3,2,1\]/ },
  );
});

Deno.test("rankOfVector() deals lanes as their shards are dealt, and all else to rank 0", () => {
  const ranks = (lanes: number, owners: readonly number[]) =>
    Array.from({ length: lanes }, (_, lane) => rankOfVector(`lane/${lane}`, lanes, owners));
  assert.deepEqual(ranks(6, [0, 0, 1]), [0, 0, 0, 0, 1, 1]);
  assert.deepEqual(ranks(4, [0, 1, 2, 3]), [0, 1, 2, 3]);
  for (const name of ["parameters", "slot/adam/m", "sample/3/truth"]) {
    assert.equal(rankOfVector(name, 4, [0, 1]), 0);
  }
});
