import assert from "node:assert/strict";
import { addInto, assignShards, planTree } from "../../collective/canonical_tree.ts";
import { OwnPartials } from "../../collective/own_partials.ts";
import { type Random, random } from "../../net/random.ts";
import { bitsOf, randomOwners, randomShards, treeSum } from "../support/gradients.ts";

/** Sums by the plan, without a network; each rank adds its shards in an order of its own. */
function sumByPlan(
  shards: readonly Float32Array[],
  owners: readonly number[],
  draw: Random,
): Float32Array {
  const { partials, combinations } = planTree(owners);
  const elements = shards[0].length;
  const sums: Float32Array[] = partials.map(() => new Float32Array(0));
  for (const rank of new Set(owners)) {
    const own = new OwnPartials({ partials, rank, elements });
    const order = draw.shuffle([...owners.keys()].filter((shard) => owners[shard] === rank));
    for (const shard of order) {
      const partial = own.add(shard, shards[shard]);
      if (partial !== undefined) sums[partial] = own.sumOf(partial)!;
    }
    assert.ok(own.isComplete);
  }
  for (const { left, right } of combinations) addInto(sums[left], sums[right]);
  return sums[0];
}

Deno.test("planTree() gives the bits of the tree sum whoever owns what, in any order", () => {
  const draw = random(11, "tree");
  let differing = 0;
  for (let round = 0; round < 300; round++) {
    const count = 1 + draw.integer(33);
    const ranks = 1 + draw.integer(Math.min(count, 9));
    const shards = randomShards(draw, count, 17);
    const owners = randomOwners(draw, count, ranks);
    const expected = treeSum(shards);
    const actual = sumByPlan(shards, owners, draw);
    assert.deepEqual(bitsOf(actual), bitsOf(expected), `owners ${owners}`);
    const inOrder = shards.slice(1).reduce(
      (sum, each) => sum.map((value, i) => value + each[i]),
      shards[0],
    );
    if (!bitsOf(inOrder).every((each, i) => each === bitsOf(expected)[i])) differing++;
  }
  // Otherwise this test would hold for any order of additions.
  assert.ok(differing > 200, `${differing}`);
});

Deno.test("planTree() names the largest subtrees that one rank owns whole", () => {
  assert.deepEqual(planTree([0, 0, 0, 0]), {
    partials: [{ lo: 0, hi: 4, rank: 0 }],
    combinations: [],
  });
  assert.deepEqual(planTree([0, 0, 1, 2, 2]), {
    partials: [
      { lo: 0, hi: 2, rank: 0 },
      { lo: 2, hi: 3, rank: 1 },
      { lo: 3, hi: 5, rank: 2 },
    ],
    combinations: [{ left: 0, right: 1 }, { left: 0, right: 2 }],
  });
  assert.deepEqual(planTree([1, 0, 0, 1]).partials.map(({ lo, rank }) => [lo, rank]), [
    [0, 1],
    [1, 0],
    [2, 0],
    [3, 1],
  ]);
  assert.throws(() => planTree([]), RangeError);
});

Deno.test("assignShards() deals contiguous groups that differ by one at most", () => {
  assert.deepEqual(assignShards(12, 3), [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2]);
  assert.deepEqual(assignShards(5, 2), [0, 0, 0, 1, 1]);
  assert.deepEqual(assignShards(3, 3), [0, 1, 2]);
  for (let shards = 1; shards < 40; shards++) {
    for (let ranks = 1; ranks <= shards; ranks++) {
      const owners = assignShards(shards, ranks);
      assert.equal(owners.length, shards);
      assert.deepEqual(owners, owners.toSorted((a, b) => a - b));
      const counts = Array.from({ length: ranks }, (_, r) => owners.filter((o) => o === r).length);
      assert.ok(Math.max(...counts) - Math.min(...counts) <= 1);
    }
  }
  assert.throws(() => assignShards(2, 3), /Cannot deal 2 shards to 3 workers/);
  assert.throws(() => assignShards(2, 0), RangeError);
});

Deno.test("one rank in a power of two sends one partial for each shard group", () => {
  for (const ranks of [1, 2, 4, 8, 16]) {
    assert.equal(planTree(assignShards(16, ranks)).partials.length, ranks);
  }
});

Deno.test("OwnPartials keeps its buffers from step to step and leaves the gradients alone", () => {
  const draw = random(3, "own");
  const { partials } = planTree([0, 0, 0, 0, 0, 0, 0, 1]);
  const own = new OwnPartials({ partials, rank: 0, elements: 5 });
  for (let step = 0; step < 3; step++) {
    const shards = randomShards(draw, 8, 5);
    const copies = shards.map((shard) => shard.slice());
    for (const shard of draw.shuffle([0, 1, 2, 3, 4, 5, 6])) own.add(shard, shards[shard]);
    assert.deepEqual(shards, copies);
    assert.deepEqual(bitsOf(own.sumOf(0)!), bitsOf(treeSum(shards, { lo: 0, hi: 4 })));
    own.clear();
  }
});

Deno.test("OwnPartials refuses a foreign shard, a wrong length and a shard added twice", () => {
  const { partials } = planTree([0, 0, 1]);
  const own = new OwnPartials({ partials, rank: 0, elements: 2 });
  assert.throws(() => own.add(2, new Float32Array(2)), /shard 2: it is not ours/);
  assert.throws(() => own.add(3, new Float32Array(2)), /shard 3: it is not ours/);
  assert.throws(() => own.add(0, new Float32Array(3)), /has 3 elements, expected 2/);
  own.add(0, new Float32Array(2));
  assert.throws(() => own.add(0, new Float32Array(2)), /shard 0 twice/);
  assert.equal(own.missingCount, 1);
});
