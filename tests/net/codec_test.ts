import assert from "node:assert/strict";
import {
  decode,
  type Encodable,
  encode,
  encodeInto,
  encodeOverheadBytes,
} from "../../net/codec.ts";
import * as schema from "../../net/schema.ts";
import { SchemaError } from "../../net/schema.ts";
import { random } from "../../net/random.ts";

const any: schema.Schema<unknown> = { check: (value) => value };
const options = { bytesMax: 1 << 20 };
const hex = (text: string) =>
  Uint8Array.from(text.match(/../g) ?? [], (byte) => parseInt(byte, 16));

Deno.test("encode() writes the bytes of the msgpack specification", () => {
  // The example on msgpack.org, then one value of each family, from the specification's tables.
  const table: [Encodable, string][] = [
    [{ compact: true, schema: 0 }, "82a7636f6d70616374c3a6736368656d6100"],
    [null, "c0"],
    [-1, "ff"],
    [127, "7f"],
    [128, "cc80"],
    [65536, "ce00010000"],
    [-33, "d0df"],
    [1.5, "cb3ff8000000000000"],
    [[1, "a"], "9201a161"],
    [new Uint8Array([1, 2]), "c4020102"],
    // 1.0 and -2.0 as IEEE 754, least significant byte first.
    [new Float32Array([1, -2]), "c4080000803f000000c0"],
    [new Int32Array([-2]), "c404feffffff"],
  ];
  for (const [value, bytes] of table) {
    assert.deepEqual(encode(value), hex(bytes), JSON.stringify(value));
  }
});

Deno.test("encode() writes one NaN, whichever bits it was computed with", () => {
  const bits = [0xfff8_0000_0000_0000n, 0x7ff8_0000_0000_0000n, 0x7ff8_0000_0000_0001n];
  const nans = new Float64Array(BigUint64Array.from(bits).buffer);
  for (let index = 0; index < nans.length; index++) {
    const wanted = hex("81a16ccb7ff8000000000000");
    assert.deepEqual(encode({ l: nans[index] }), wanted, `${bits[index].toString(16)}`);
    assert.deepEqual(encodeInto(new Uint8Array(8192), { l: nans[index] }), wanted);
    assert.deepEqual(encode([nans[index]]), hex("91cb7ff8000000000000"));
  }
});

Deno.test("decode() gives back what encode() took, with fields of any size", () => {
  const draw = random(1, "codec");
  const values = Float32Array.from({ length: 5001 }, () => draw.normal());
  const message = schema.object({
    kind: schema.literal("state"),
    step: schema.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
    loss: schema.number(),
    values: schema.float32Array({ lengthMax: 1e4 }),
    counts: schema.int32Array({ lengthMax: 10 }),
    text: schema.string({ lengthMax: 1e5 }),
    done: schema.boolean(),
    name: schema.nullable(schema.string({ lengthMax: 10 })),
    more: schema.optional(schema.integer({ min: 0, max: 1 })),
  });
  const value = {
    kind: "state",
    step: 2 ** 53 - 1,
    loss: 0.1,
    values,
    counts: new Int32Array([-1, 2 ** 31 - 1]),
    text: "größer ".repeat(9000),
    done: false,
    name: null,
    more: undefined,
  } as const;
  const { more: _, ...expected } = value;
  assert.deepEqual(decode(encode(value), message, options), expected);
});

Deno.test("decode() copies numbers to aligned memory and leaves bytes where they are", () => {
  for (let offset = 0; offset < 8; offset++) {
    const encoded = encode([new Float32Array([1, 2, 3]), new Uint8Array([4])]);
    const message = new Uint8Array(encoded.length + offset);
    message.set(encoded, offset);
    const data = message.subarray(offset);
    const [values, bytes] = decode(
      data,
      schema.tuple(schema.float32Array({ lengthMax: 3 }), schema.bytes({ lengthMax: 1 })),
      options,
    );
    data.fill(0);
    assert.deepEqual(values, new Float32Array([1, 2, 3]));
    assert.deepEqual([...bytes], [0]);
  }
});

Deno.test("encodeInto() gives the bytes of encode() in the memory it is given", () => {
  const target = new Uint8Array(70_000);
  for (const length of [0, 1, 200, 300, 65_535, 65_536]) {
    for (const header of [0, 300, 70_000, 2 ** 32 - 1]) {
      const value = [header, "größer", new Uint8Array(length).fill(length)];
      const encoded = encodeInto(target, value);
      assert.equal(encoded.buffer, target.buffer);
      assert.deepEqual(encoded, encode(value));
    }
  }
  const tooLong = encodeInto(target, new Uint8Array(100_000));
  assert.deepEqual(tooLong, encode(new Uint8Array(100_000)));
  // The buffer lent above must not be written to by others.
  const before = encodeInto(target, "mine").slice();
  encode("theirs");
  assert.deepEqual(target.subarray(0, before.length), before);
});

Deno.test("decode() refuses what is too long, malformed or nested, before it allocates", () => {
  const cases: [string, RegExp][] = [
    ["", /ends too early/],
    ["c1", /type 0xc1 is not used/],
    ["9201", /ends too early/],
    ["0101", /1 bytes after the end/],
    ["a5616263", /ends too early/],
    ["c6ffffffff00", /ends too early/],
    ["ddffffffff00", /ends too early/],
    ["dfffffffff00", /ends too early/],
    ["dc", /ends too early/],
    ["c7010100", /type 0xc7 is not used/],
    ["d4ff00", /type 0xd4 is not used/],
    ["d6ff00000000", /type 0xd6 is not used/],
    ["91".repeat(9) + "00", /nested deeper than 8/],
    ["81a161".repeat(9) + "00", /nested deeper than 8/],
  ];
  for (const [bytes, message] of cases) {
    assert.throws(() => decode(hex(bytes), any, options), (error: unknown) => {
      assert.ok(error instanceof SchemaError, String(error));
      assert.match(error.message, message);
      return true;
    }, bytes);
  }
  assert.throws(
    () => decode(new Uint8Array(11), any, { bytesMax: 10, name: "snapshot" }),
    /^SchemaError: Cannot accept snapshot: 11 bytes are above the limit of 10$/,
  );
  assert.deepEqual(decode(hex("91".repeat(8) + "00"), any, options), [[[[[[[[0]]]]]]]]);
});

Deno.test("decode() of a message with any one byte changed is a value or a SchemaError", () => {
  const message = schema.object({
    kind: schema.literal("a", "b"),
    items: schema.array(schema.integer({ min: 0, max: 1000 }), { lengthMax: 10 }),
    data: schema.float32Array({ lengthMax: 10 }),
  });
  const good = encode({ kind: "a", items: [1, 2, 999], data: new Float32Array(3) });
  let refused = 0;
  for (let at = 0; at < good.length; at++) {
    for (let value = 0; value < 256; value++) {
      const bad = good.slice();
      bad[at] = value;
      try {
        decode(bad, message, options);
      } catch (error) {
        assert.ok(error instanceof SchemaError, String(error));
        refused++;
      }
    }
  }
  assert.ok(refused > 5000, `${refused}`);
});

Deno.test("a key that names a prototype is an unknown field like any other", () => {
  const key = "a95f5f70726f746f5f5f";
  assert.throws(
    () => decode(hex(`81${key}81a16101`), schema.object({}), options),
    /unknown field/,
  );
  assert.equal(({} as Record<string, unknown>).a, undefined);
});

Deno.test("encode gives bytes that no later message is written over", () => {
  const target = new Uint8Array(encodeOverheadBytes + 64);
  encodeInto(target, [1, new Uint8Array(64)]);
  const message = encode({ worker: "w1" });
  const before = message.slice();
  encodeInto(target, [2, new Uint8Array(1024).fill(7)]);
  encode("x".repeat(2048));
  encodeInto(target, [3, new Uint8Array(1024).fill(9)]);
  assert.deepEqual(message, before);
});
