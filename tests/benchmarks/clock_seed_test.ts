import assert from "node:assert/strict";
import { clockSeed } from "../../benchmarks/clock_seed.ts";

Deno.test("clockSeed() gives another seed each millisecond, with room for those after it", () => {
  // 1_767_225_600_000 ms after 1970.
  assert.equal(clockSeed("2026-01-01T00:00:00.000Z"), 3_225_600_000);
  assert.equal(clockSeed("2026-01-01T00:00:00.001Z"), 3_225_600_001);
  assert.ok(clockSeed() < 4_000_000_000);
});
