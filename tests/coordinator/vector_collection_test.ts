import assert from "node:assert/strict";
import { createVectorCollection } from "../../coordinator/vector_collection.ts";
import { random } from "../../net/random.ts";

function bytesOf(values: Float32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

Deno.test("createVectorCollection gives vectors back whole, sent in any parts and in between", () => {
  for (let seed = 0; seed < 50; seed++) {
    const draw = random("vectors", seed);
    const collection = createVectorCollection(1 << 20);
    const sent = new Map(
      ["parameters", "slot/adam/m", "lane/0", "lane/1"].map((name) => [
        name,
        Float32Array.from({ length: draw.integer(50) }, () => draw.normal()),
      ]),
    );
    const left = new Map([...sent].map(([name, values]) => [name, { values, offset: 0 }]));
    while (left.size > 0) {
      const [name, part] = [...left][draw.integer(left.size)];
      const bytes = bytesOf(part.values);
      const end = Math.min(bytes.length, part.offset + 1 + draw.integer(20));
      const data = bytes.slice(part.offset, end);
      collection.add({ name, totalBytes: bytes.length, offset: part.offset, data });
      // What arrives is only valid while it is handled.
      data.fill(255);
      part.offset = end;
      if (end === bytes.length) left.delete(name);
    }
    for (const [name, values] of sent) assert.deepEqual(collection.take(name), values);
  }
});

Deno.test("createVectorCollection refuses parts that do not fit, and keeps what came before", () => {
  const collection = createVectorCollection(100);
  const add = (name: string, totalBytes: number, offset: number, bytes: number) =>
    collection.add({ name, totalBytes, offset, data: new Uint8Array(bytes).fill(1) });
  add("a", 16, 0, 8);
  const before = 'of vector "a": 8 of 16 bytes came before';
  for (
    const [totalBytes, offset, bytes] of [
      [16, 0, 8], // again
      [16, 12, 4], // one left out
      [16, 8, 12], // too long
      [20, 8, 8], // another length
    ]
  ) {
    assert.throws(() => add("a", totalBytes, offset, bytes), {
      name: "RangeError",
      message: `Cannot take part [${offset}, ${offset + bytes}) ${before}`,
    });
  }
  assert.throws(() => collection.take("a"), {
    name: "RangeError",
    message: 'Cannot use vector "a": 8 of 16 bytes came',
  });
  assert.throws(() => collection.take("b"), { message: 'Cannot use vector "b": 0 bytes came' });
  add("a", 16, 8, 8);
  assert.equal(new Uint8Array(collection.take("a").buffer).reduce((sum, byte) => sum + byte), 16);
  assert.throws(() => collection.take("a"), RangeError, "taken twice");
  assert.throws(() => add("b", 6, 0, 6), RangeError, "not whole values");
});

Deno.test("createVectorCollection holds no more than its limit, counting what is announced", () => {
  const collection = createVectorCollection(32);
  const add = (name: string, totalBytes: number, bytes = totalBytes) =>
    collection.add({ name, totalBytes, offset: 0, data: new Uint8Array(bytes) });
  add("a", 24, 4);
  assert.throws(() => add("b", 12), {
    name: "RangeError",
    message: 'Cannot take vector "b" of 12 bytes: 24 of at most 32 bytes are taken',
  });
  add("c", 8);
  collection.take("c");
  add("d", 8);
  collection.clear();
  add("e", 32);
  assert.equal(collection.take("e").length, 8);
  add("empty", 0);
  assert.equal(collection.take("empty").length, 0);
});

Deno.test("createVectorCollection forgets what is discarded, and has its room again", () => {
  const collection = createVectorCollection(24);
  const whole = { totalBytes: 8, offset: 0, data: new Uint8Array(8) };
  for (const name of ["sample/0/truth", "lane/0", "sample/1"]) collection.add({ ...whole, name });
  assert.throws(() => collection.add({ ...whole, name: "lane/1" }), /24 of at most 24 bytes/);
  collection.discard("sample/");
  collection.add({ ...whole, name: "sample/0/truth" });
  collection.add({ ...whole, name: "lane/1" });
  assert.equal(collection.take("lane/0").length, 2);
  assert.throws(() => collection.take("sample/1"), /0 bytes came/);
});
