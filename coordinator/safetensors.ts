/**
 * Named float32 arrays in one file that Python's `safetensors` reads and writes: an 8-byte
 * little-endian header length, a JSON header of (dtype, shape, offsets), then the data. It holds no
 * code, so that an untrusted checkpoint cannot run any; everything is checked before anything is
 * allocated. Only F32 is taken: a checkpoint has nothing else.
 *
 * Arrays are written in the caller's order without gaps, so the data of a file of parameters is
 * exactly what `parametersSha256` hashes. Format: https://huggingface.co/docs/safetensors.
 */
import { parseJson } from "../net/strict_json.ts";
export interface NamedArray {
  /** `A-Z a-z 0-9 . _ / -`, without ".." and no leading "__", at most 128 characters. */
  readonly name: string;
  readonly shape: readonly number[];
  /** Row-major, as many as the shape says. */
  readonly values: Float32Array;
}
export type NamedArrays = readonly NamedArray[];

/** Bytes that are no safetensors file, or one that Lockstep does not take. */
export class SafetensorsError extends Error {
  override readonly name = "SafetensorsError";
}

/** Far above what a model of thousands of tensors needs; bounds what a bad length can allocate. */
const HEADER_BYTES_MAX = 1 << 20;
const LENGTH_BYTES = 8;
const RANK_MAX = 8;
const NAME_PATTERN = /^(?!__)[A-Za-z0-9._/-]{1,128}$/;

/**
 * One file's bytes, the arrays in the order given.
 * @throws {SafetensorsError} on a bad or repeated name, or values that do not fit their shape
 */
export function encodeSafetensors(arrays: NamedArrays): Uint8Array {
  const header: Record<string, HeaderEntry> = {};
  let dataBytes = 0;
  for (const { name, shape, values } of arrays) {
    assertName(name);
    if (Object.hasOwn(header, name)) throw new SafetensorsError(`Array "${name}" is given twice`);
    if (elementCount(name, shape) !== values.length) {
      throw new SafetensorsError(
        `Array "${name}" of shape [${shape}] has ${values.length} values`,
      );
    }
    header[name] = {
      dtype: "F32",
      shape,
      data_offsets: [dataBytes, dataBytes + values.byteLength],
    };
    dataBytes += values.byteLength;
  }
  const json = JSON.stringify(header);
  // Padded with spaces, as the format asks, so that the data is aligned to 8 bytes.
  const headerText = new TextEncoder().encode(json.padEnd(Math.ceil(json.length / 8) * 8));
  if (headerText.length > HEADER_BYTES_MAX) {
    throw new SafetensorsError(
      `A header of ${headerText.length} bytes exceeds the limit of ${HEADER_BYTES_MAX}`,
    );
  }
  const bytes = new Uint8Array(LENGTH_BYTES + headerText.length + dataBytes);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(headerText.length), true);
  bytes.set(headerText, LENGTH_BYTES);
  let offset = LENGTH_BYTES + headerText.length;
  for (const { values } of arrays) {
    bytes.set(bytesOf(values), offset);
    offset += values.byteLength;
  }
  return bytes;
}

/**
 * The arrays of a file in the order of their data; each owns its memory.
 * @throws {SafetensorsError} where the bytes are not exactly one well-formed file of F32 arrays
 */
export function decodeSafetensors(bytes: Uint8Array): NamedArray[] {
  if (bytes.length < LENGTH_BYTES) {
    throw new SafetensorsError(`A file of ${bytes.length} bytes is too short for a header`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const headerBytes = view.getBigUint64(0, true);
  const headerBytesMax = Math.min(HEADER_BYTES_MAX, bytes.length - LENGTH_BYTES);
  if (headerBytes > BigInt(headerBytesMax)) {
    throw new SafetensorsError(
      `The header claims ${headerBytes} bytes where at most ${headerBytesMax} are possible`,
    );
  }
  const dataStart = LENGTH_BYTES + Number(headerBytes);
  const entries = parseHeader(bytes.subarray(LENGTH_BYTES, dataStart));
  let expected = 0;
  for (const { name, entry: { shape, data_offsets: [start, end] } } of entries) {
    if (start !== expected) {
      throw new SafetensorsError(
        `Array "${name}" starts at byte ${start} where the one before ends at ${expected}`,
      );
    }
    if (end - start !== elementCount(name, shape) * Float32Array.BYTES_PER_ELEMENT) {
      throw new SafetensorsError(
        `Array "${name}" of shape [${shape}] has ${end - start} bytes`,
      );
    }
    expected = end;
  }
  if (expected !== bytes.length - dataStart) {
    throw new SafetensorsError(
      `The header describes ${expected} bytes of data and the file has ${bytes.length - dataStart}`,
    );
  }
  return entries.map(({ name, entry: { shape, data_offsets: [start, end] } }) => {
    // Copied: the data of a file need not be aligned to 4 bytes.
    const data = bytes.slice(dataStart + start, dataStart + end);
    return { name, shape, values: new Float32Array(data.buffer) };
  });
}

/** The memory of an array as bytes: little-endian, as every machine is that Deno runs on. */
export function bytesOf(values: Float32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

interface HeaderEntry {
  readonly dtype: "F32";
  readonly shape: readonly number[];
  readonly data_offsets: readonly [start: number, end: number];
}

function parseHeader(bytes: Uint8Array): { name: string; entry: HeaderEntry }[] {
  let header: unknown;
  try {
    header = parseJson(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new SafetensorsError(`The header is not JSON: ${(cause as Error).message}`, { cause });
  }
  if (!isRecord(header)) throw new SafetensorsError("The header is not a JSON object");
  const entries: { name: string; entry: HeaderEntry }[] = [];
  for (const [name, entry] of Object.entries(header)) {
    if (name === "__metadata__") {
      assertMetadata(entry);
      continue;
    }
    assertName(name);
    entries.push({ name, entry: toHeaderEntry(name, entry) });
  }
  return entries.sort((a, b) => a.entry.data_offsets[0] - b.entry.data_offsets[0]);
}

function toHeaderEntry(name: string, entry: unknown): HeaderEntry {
  if (!isRecord(entry) || Object.keys(entry).sort().join() !== "data_offsets,dtype,shape") {
    throw new SafetensorsError(`Array "${name}" needs exactly dtype, shape and data_offsets`);
  }
  const { dtype, shape, data_offsets: offsets } = entry;
  if (dtype !== "F32") {
    throw new SafetensorsError(`Array "${name}" is ${JSON.stringify(dtype)}, not F32`);
  }
  if (!isNumbers(shape)) throw new SafetensorsError(`Array "${name}" has no valid shape`);
  elementCount(name, shape);
  if (!isNumbers(offsets) || offsets.length !== 2 || !offsets.every(isByteOffset)) {
    throw new SafetensorsError(`Array "${name}" has no valid data_offsets`);
  }
  return { dtype, shape, data_offsets: [offsets[0], offsets[1]] };
}

function assertMetadata(metadata: unknown): void {
  if (isRecord(metadata) && Object.values(metadata).every((value) => typeof value === "string")) {
    return;
  }
  throw new SafetensorsError("The header's __metadata__ is not a map of strings");
}

function assertName(name: string): void {
  if (NAME_PATTERN.test(name) && !name.includes("..")) return;
  throw new SafetensorsError(`An array cannot be named ${JSON.stringify(name.slice(0, 160))}`);
}

function elementCount(name: string, shape: readonly number[]): number {
  const count = shape.reduce((product, size) => product * size, 1);
  const valid = shape.length <= RANK_MAX && shape.every((size) => isByteOffset(size) && size > 0) &&
    isByteOffset(count * Float32Array.BYTES_PER_ELEMENT);
  if (!valid) throw new SafetensorsError(`Array "${name}" cannot have shape [${shape}]`);
  return count;
}

function isByteOffset(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

function isNumbers(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((item) => typeof item === "number");
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
