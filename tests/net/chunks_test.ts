import assert from "node:assert/strict";
import { Bitmap, bytesOf, ChunkAssembly, chunkCount, chunkOf } from "../../net/chunks.ts";
import { random } from "../../net/random.ts";

Deno.test("chunks put together in any order, some twice, give the whole again", () => {
  const draw = random(2, "chunks");
  for (let round = 0; round < 200; round++) {
    const length = draw.integer(300);
    const chunkBytesMax = 1 + draw.integer(80);
    const data = Uint8Array.from({ length }, () => draw.integer(256));
    const target = new Uint8Array(length);
    const assembly = new ChunkAssembly(target, chunkBytesMax);
    const count = chunkCount(length, chunkBytesMax);
    assert.equal(assembly.chunkCount, count);
    const order = draw.shuffle(Array.from({ length: 2 * count }, (_, i) => i % count));
    const seen = new Set<number>();
    for (const index of order) {
      assert.equal(assembly.isComplete, seen.size === count);
      const chunk = chunkOf(data, index, chunkBytesMax);
      assert.ok(chunk.length > 0 && chunk.length <= chunkBytesMax);
      assert.equal(assembly.add(index, chunk), seen.has(index) ? "duplicate" : "new");
      seen.add(index);
      assert.equal(assembly.receivedCount, seen.size);
    }
    assert.ok(assembly.isComplete);
    assert.deepEqual(target, data);
    assembly.clear();
    assert.equal(assembly.isComplete, count === 0);
  }
});

Deno.test("ChunkAssembly rejects a chunk with a wrong index or length and keeps its memory", () => {
  const target = new Float32Array(5);
  const assembly = new ChunkAssembly(bytesOf(target), 8);
  const wrong: [number, number][] = [[-1, 8], [3, 8], [0.5, 8], [NaN, 8], [0, 7], [0, 9], [2, 8]];
  for (const [index, length] of wrong) {
    assert.equal(assembly.add(index, new Uint8Array(length).fill(1)), "rejected", `${index}`);
  }
  assert.deepEqual(target, new Float32Array(5));
  assert.equal(assembly.add(2, bytesOf(new Float32Array([7]))), "new");
  assert.equal(target[4], 7);
});

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
