/**
 * Walks over a msgpack message without decoding it and refuses what Lockstep never sends:
 * truncated or trailing bytes, extension types (dates, sets, regular expressions, records), deep
 * nesting, and containers that claim more items than the message has bytes. The decoder
 * allocates from the lengths that a message claims, so they are checked first.
 *
 * Format: https://github.com/msgpack/msgpack/blob/master/spec.md
 */
import { SchemaError } from "./schema.ts";

/** Messages are flat objects with a few lists. */
const depthMax = 8;

/** @throws {SchemaError} if `data` is not exactly one well-formed value of permitted types */
export function checkShape(data: Uint8Array): void {
  const end = walk(data, 0, 0);
  if (end !== data.length) {
    throw malformed(`${data.length - end} bytes after the end`);
  }
}

/** Returns where the value that begins at `at` ends. */
function walk(data: Uint8Array, at: number, depth: number): number {
  if (at >= data.length) throw malformed("ends too early");
  const type = data[at];
  if (type <= 0x7f || type >= 0xe0) return at + 1;
  if (type <= 0x8f) return walkItems(data, at + 1, 2 * (type & 0x0f), depth);
  if (type <= 0x9f) return walkItems(data, at + 1, type & 0x0f, depth);
  if (type <= 0xbf) return skip(data, at + 1, type & 0x1f);
  switch (type) {
    case 0xc0: // nil
    case 0xc2: // false
    case 0xc3: // true
      return at + 1;
    case 0xc4: // bin 8
    case 0xd9: // str 8
      return skip(data, at + 2, length(data, at + 1, 1));
    case 0xc5: // bin 16
    case 0xda: // str 16
      return skip(data, at + 3, length(data, at + 1, 2));
    case 0xc6: // bin 32
    case 0xdb: // str 32
      return skip(data, at + 5, length(data, at + 1, 4));
    case 0xcc: // uint 8
    case 0xd0: // int 8
      return skip(data, at + 1, 1);
    case 0xcd: // uint 16
    case 0xd1: // int 16
      return skip(data, at + 1, 2);
    case 0xca: // float 32
    case 0xce: // uint 32
    case 0xd2: // int 32
      return skip(data, at + 1, 4);
    case 0xcb: // float 64
    case 0xcf: // uint 64
    case 0xd3: // int 64
      return skip(data, at + 1, 8);
    case 0xdc: // array 16
      return walkItems(data, at + 3, length(data, at + 1, 2), depth);
    case 0xdd: // array 32
      return walkItems(data, at + 5, length(data, at + 1, 4), depth);
    case 0xde: // map 16
      return walkItems(data, at + 3, 2 * length(data, at + 1, 2), depth);
    case 0xdf: // map 32
      return walkItems(data, at + 5, 2 * length(data, at + 1, 4), depth);
    default:
      throw malformed(`type 0x${type.toString(16)} is not used`);
  }
}

function walkItems(data: Uint8Array, at: number, count: number, depth: number): number {
  if (depth >= depthMax) throw malformed(`nested deeper than ${depthMax}`);
  // Every item takes a byte at least.
  if (count > data.length - at) throw malformed("ends too early");
  for (let i = 0; i < count; i++) at = walk(data, at, depth + 1);
  return at;
}

function skip(data: Uint8Array, at: number, count: number): number {
  if (at + count > data.length) throw malformed("ends too early");
  return at + count;
}

/** Big-endian, as all of msgpack. */
function length(data: Uint8Array, at: number, byteCount: number): number {
  if (at + byteCount > data.length) throw malformed("ends too early");
  let value = 0;
  for (let i = 0; i < byteCount; i++) value = value * 256 + data[at + i];
  return value;
}

function malformed(why: string): SchemaError {
  return new SchemaError(`Cannot decode a message: ${why}`);
}
