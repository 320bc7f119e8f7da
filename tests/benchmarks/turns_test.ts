import assert from "node:assert/strict";
import { summarize } from "../../benchmarks/turns.ts";

Deno.test("summarize gives the median, the least and the most, and leaves its input alone", () => {
  const values = [3, 10, 2, 1];
  assert.deepEqual(summarize(values), { median: 2.5, min: 1, max: 10 });
  assert.deepEqual(values, [3, 10, 2, 1]);
  assert.deepEqual(summarize([3, 10, 2]), { median: 3, min: 2, max: 10 });
  assert.deepEqual(summarize([7]), { median: 7, min: 7, max: 7 });
  assert.throws(() => summarize([]), RangeError);
});
