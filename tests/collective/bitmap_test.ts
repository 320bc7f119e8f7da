import assert from "node:assert/strict";
import { Bitmap } from "../../collective/bitmap.ts";

Deno.test("Bitmap counts what is set, across words", () => {
  const bitmap = new Bitmap(70);
  for (const index of [0, 31, 32, 63, 64, 69]) {
    assert.equal(bitmap.has(index), false);
    assert.equal(bitmap.add(index), true);
    assert.equal(bitmap.add(index), false);
    assert.equal(bitmap.has(index), true);
  }
  assert.equal(bitmap.count, 6);
  assert.equal(bitmap.isFull, false);
  for (let index = 0; index < 70; index++) bitmap.add(index);
  assert.equal(bitmap.isFull, true);
  bitmap.clear();
  assert.equal(bitmap.count, 0);
  assert.equal(bitmap.has(31), false);
});
