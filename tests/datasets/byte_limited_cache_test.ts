import assert from "node:assert/strict";
import { ByteLimitedCache } from "../../datasets/byte_limited_cache.ts";

function numberCache(bytesMax: number) {
  const loads: number[] = [];
  const cache = new ByteLimitedCache<number, string>({
    load(key) {
      loads.push(key);
      return key < 0 ? Promise.reject(new Error(`no ${key}`)) : Promise.resolve(`item ${key}`);
    },
    bytesOf: () => 10,
  }, bytesMax);
  return { loads, cache };
}

Deno.test("ByteLimitedCache loads an item that is asked for twice at once only once", async () => {
  const { loads, cache } = numberCache(100);
  assert.deepEqual(await Promise.all([cache.get(1), cache.get(1)]), ["item 1", "item 1"]);
  await cache.get(1);
  assert.deepEqual(loads, [1]);
});

Deno.test("ByteLimitedCache drops what was used least recently and stays below its limit", async () => {
  const { loads, cache } = numberCache(25);
  await cache.get(1);
  await cache.get(2);
  await cache.get(1);
  await cache.get(3);
  assert.equal(cache.bytes, 20);
  await cache.get(1);
  assert.deepEqual(loads, [1, 2, 3], "1 was used later than 2");
  await cache.get(2);
  assert.deepEqual(loads, [1, 2, 3, 2]);
  await Promise.all([4, 5, 6, 7].map((key) => cache.get(key)));
  assert.equal(cache.bytes, 20);
});

Deno.test("ByteLimitedCache holds nothing that is larger than itself", async () => {
  const { loads, cache } = numberCache(9);
  assert.equal(await cache.get(1), "item 1");
  assert.equal(await cache.get(1), "item 1");
  assert.deepEqual([loads, cache.bytes], [[1, 1], 0]);
});

Deno.test("ByteLimitedCache tries a failed load again", async () => {
  const { loads, cache } = numberCache(100);
  await assert.rejects(cache.get(-1), /no -1/);
  await assert.rejects(cache.get(-1), /no -1/);
  assert.deepEqual(loads, [-1, -1]);
});
