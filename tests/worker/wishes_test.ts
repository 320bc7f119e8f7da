import assert from "node:assert/strict";
import { readWishes, sayWishes } from "../../worker/wishes.ts";

Deno.test("readWishes() finds each wish in the float32 sum of up to 1024 workers", () => {
  for (
    const [stops, keeps] of [[0, 0], [1, 0], [0, 1], [1, 1], [1024, 0], [0, 1024], [1024, 1024]]
  ) {
    const sum = new Float32Array(1);
    for (let worker = 0; worker < 1024; worker++) {
      sum[0] += sayWishes({ stop: worker < stops, keep: worker < keeps });
    }
    assert.deepEqual(readWishes(sum[0]), { stop: stops > 0, keep: keeps > 0 }, `${stops} ${keeps}`);
  }
});
