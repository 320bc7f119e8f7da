import assert from "node:assert/strict";
import { percentile, summarize } from "../../benchmarks/turns.ts";

Deno.test("summarize gives the median, the least and the most, and leaves its input alone", () => {
  const values = [3, 10, 2, 1];
  assert.deepEqual(summarize(values), { median: 2.5, min: 1, max: 10 });
  assert.deepEqual(values, [3, 10, 2, 1]);
  assert.deepEqual(summarize([3, 10, 2]), { median: 3, min: 2, max: 10 });
  assert.deepEqual(summarize([7]), { median: 7, min: 7, max: 7 });
  assert.throws(() => summarize([]), RangeError);
});

Deno.test("percentile gives the smallest value that a share of all do not exceed", () => {
  const values = [3, 10, 2, 1];
  assert.deepEqual([0, 0.25, 0.5, 0.75, 0.95, 1].map((share) => percentile(values, share)), [
    ...[1, 1, 2, 3, 10, 10],
  ]);
  assert.deepEqual(values, [3, 10, 2, 1]);
  assert.throws(() => percentile([], 0.5), RangeError);
});
