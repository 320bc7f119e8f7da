import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import {
  decodeSafetensors,
  encodeSafetensors,
  type NamedArray,
  SafetensorsError,
} from "../../coordinator/safetensors.ts";

const FIXTURES = `${import.meta.dirname}/../fixtures/safetensors`;

Deno.test("encodeSafetensors writes bytes that Python's safetensors reads", async () => {
  const expected = await readJson("read_by_python.json");
  const bytes = encodeSafetensors(await sample());
  // The reference library read exactly these bytes when the fixture was made.
  assert.equal(createHash("sha256").update(bytes).digest("hex"), expected.sha256);
  for (const { name, shape, values } of await sample()) {
    assert.deepEqual(expected.arrays[name], { dtype: "float32", shape, values: [...values] });
  }
});

Deno.test("decodeSafetensors reads a file that Python's safetensors wrote", async () => {
  const arrays = decodeSafetensors(await Deno.readFile(`${FIXTURES}/python.safetensors`));
  const byName = (a: NamedArray, b: NamedArray) => a.name < b.name ? -1 : 1;
  assert.deepEqual(arrays.sort(byName), (await sample()).sort(byName));
});

Deno.test("decodeSafetensors returns what encodeSafetensors was given, in its order", async () => {
  assert.deepEqual(decodeSafetensors(encodeSafetensors(await sample())), await sample());
  assert.deepEqual(decodeSafetensors(encodeSafetensors([])), []);
  // Integer-like names, which JavaScript objects reorder.
  const numbered = ["9", "1", "5"].map((name) => {
    return { name, shape: [1], values: Float32Array.of(Number(name)) };
  });
  assert.deepEqual(decodeSafetensors(encodeSafetensors(numbered)), numbered);
});

Deno.test("encodeSafetensors refuses names and shapes that it could not read back", () => {
  const values = new Float32Array(2);
  for (const name of ["", "a b", "../a", "a\\b", "ä", "a\0", "__metadata__", "__proto__"]) {
    assert.throws(() => encodeSafetensors([{ name, shape: [2], values }]), SafetensorsError, name);
  }
  assert.throws(() => encodeSafetensors([{ name: "a", shape: [3], values }]), /has 2 values/);
  assert.throws(
    () => encodeSafetensors([{ name: "a", shape: [0], values: new Float32Array() }]),
    /cannot have shape/,
  );
  assert.throws(
    () => encodeSafetensors([{ name: "a", shape: [2], values }, { name: "a", shape: [2], values }]),
    /given twice/,
  );
});

Deno.test("decodeSafetensors refuses every malformed header with a sentence", () => {
  const entry = { dtype: "F32", shape: [2], data_offsets: [0, 8] };
  const cases: [what: RegExp, header: unknown, dataBytes?: number][] = [
    [/not JSON/, "{oops"],
    [/not JSON/, new Uint8Array([0x7b, 0xff, 0x7d])],
    [/not a JSON object/, "[]"],
    [/not a JSON object/, "null"],
    [/__metadata__/, { __metadata__: { format: 1 }, a: entry }],
    [/cannot be named/, { "../a": entry }],
    [/exactly dtype/, { a: null }],
    [/exactly dtype/, { a: { ...entry, more: 1 } }],
    [/exactly dtype/, { a: { dtype: "F32", shape: [2] } }],
    [/is "F64", not F32/, { a: { ...entry, dtype: "F64" } }],
    [/no valid shape/, { a: { ...entry, shape: "2" } }],
    [/no valid shape/, { a: { ...entry, shape: ["2"] } }],
    [/cannot have shape/, { a: { ...entry, shape: [-2, -1] } }],
    [/cannot have shape/, { a: { ...entry, shape: [1.5] } }],
    [/cannot have shape/, { a: { ...entry, shape: [2 ** 40, 2 ** 40] } }],
    [/cannot have shape/, { a: { ...entry, shape: Array(9).fill(1) } }],
    [/no valid data_offsets/, { a: { ...entry, data_offsets: [0] } }],
    [/no valid data_offsets/, { a: { ...entry, data_offsets: [-8, 0] } }],
    [/no valid data_offsets/, { a: { ...entry, data_offsets: [0, 8.5] } }],
    [/has 4 bytes/, { a: { ...entry, data_offsets: [0, 4] } }],
    [/has -8 bytes/, {
      a: { ...entry, data_offsets: [0, 8] },
      b: { ...entry, data_offsets: [8, 0] },
    }],
    [/starts at byte 4 where/, { a: { ...entry, data_offsets: [4, 12] } }, 12],
    [/starts at byte 4 where/, { a: entry, b: { ...entry, data_offsets: [4, 12] } }, 12],
    [/starts at byte 12 where/, { a: entry, b: { ...entry, data_offsets: [12, 20] } }, 20],
    [/describes 8 bytes of data and the file has 12/, { a: entry }, 12],
    [/describes 8 bytes of data and the file has 4/, { a: entry }, 4],
  ];
  for (const [what, header, dataBytes] of cases) {
    assert.throws(() => decodeSafetensors(file(header, dataBytes ?? 8)), {
      name: "SafetensorsError",
      message: what,
    });
  }
});

Deno.test("decodeSafetensors refuses a header longer than the file or the limit", () => {
  for (const length of [2n, 1n << 20n, (1n << 63n) + 1n]) {
    const bytes = new Uint8Array(9);
    new DataView(bytes.buffer).setBigUint64(0, length, true);
    assert.throws(() => decodeSafetensors(bytes), /claims .* where at most 1 are possible/);
  }
  const long = file(" ".repeat((1 << 20) + 1), 0);
  assert.throws(() => decodeSafetensors(long), /at most 1048576 are possible/);
  assert.throws(() => decodeSafetensors(new Uint8Array(7)), /too short/);
});

async function sample(): Promise<NamedArray[]> {
  const arrays: { name: string; shape: number[]; values: number[] }[] = await readJson(
    "sample.json",
  );
  return arrays.map(({ name, shape, values }) => {
    return { name, shape, values: Float32Array.from(values) };
  });
}

async function readJson(name: string) {
  return JSON.parse(await Deno.readTextFile(`${FIXTURES}/${name}`));
}

function file(header: unknown, dataBytes: number): Uint8Array {
  const text = header instanceof Uint8Array
    ? header
    : new TextEncoder().encode(typeof header === "string" ? header : JSON.stringify(header));
  const bytes = new Uint8Array(8 + text.length + dataBytes);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true);
  bytes.set(text, 8);
  return bytes;
}
