import assert from "node:assert/strict";
import { isAllFinite } from "../../net/finite.ts";

Deno.test("isAllFinite() finds one value that is not finite, wherever it stands", () => {
  for (const wrong of [NaN, Infinity, -Infinity]) {
    for (const at of [0, 3, 6]) {
      const values = new Float32Array(7).fill(1);
      values[at] = wrong;
      assert.equal(isAllFinite(values), false, `${wrong} at ${at}`);
    }
    // Two infinities make no finite number of each other.
    assert.equal(isAllFinite(Float32Array.of(wrong, -wrong, 0)), false);
  }
});

Deno.test("isAllFinite() takes all that float32 can hold", () => {
  const largest = 3.4028234663852886e38;
  for (const values of [[], [0, -0], [largest, largest, -largest], [1.4e-45, -1]]) {
    assert.equal(isAllFinite(Float32Array.from(values)), true, `${values}`);
  }
});
