import assert from "node:assert/strict";
import { countParts, joinCount, splitCount } from "../../worker/exact_count.ts";

Deno.test("counts of thousands of shards are summed in float32 to the last one", () => {
  const shards = 4096;
  const total = new Float32Array(countParts);
  const alone = new Float32Array(1);
  let expected = 0;
  for (let shard = 0; shard < shards; shard++) {
    const count = 2 ** 24 - 1 - shard * 7;
    const parts = Float32Array.from(splitCount(count));
    assert.equal(joinCount(parts), count);
    parts.forEach((part, i) => total[i] += part);
    alone[0] += count;
    expected += count;
  }
  assert.notEqual(alone[0], expected, "float32 would have done");
  assert.equal(joinCount(total), expected);
  assert.deepEqual(splitCount(0), [0, 0]);
});
