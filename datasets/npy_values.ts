/**
 * Items of NumPy's types, little-endian, as numbers: as they are, or as float32 with the whole numbers
 * of pictures as shares of their largest.
 */
import { greyValues } from "./grey_values.ts";

/** By NumPy's names, with the bytes of each item. */
export const npyTypes = {
  bool: 1,
  uint8: 1,
  uint16: 2,
  uint32: 4,
  uint64: 8,
  int8: 1,
  int16: 2,
  int32: 4,
  int64: 8,
  float16: 2,
  float32: 4,
  float64: 8,
} as const;
export type NpyType = keyof typeof npyTypes;

const uint16Max = 65_535;

/** @param bytes from the beginning of a buffer of their own */
export function npyNumbers(type: NpyType, bytes: Uint8Array): ArrayLike<number> {
  switch (type) {
    case "bool":
      return bytes.map((value) => value === 0 ? 0 : 1);
    case "uint8":
      return bytes;
    case "uint16":
      return items(Uint16Array, bytes);
    case "uint32":
      return items(Uint32Array, bytes);
    case "uint64":
      return Float64Array.from(items(BigUint64Array, bytes), Number);
    case "int8":
      return items(Int8Array, bytes);
    case "int16":
      return items(Int16Array, bytes);
    case "int32":
      return items(Int32Array, bytes);
    case "int64":
      return Float64Array.from(items(BigInt64Array, bytes), Number);
    case "float16":
      return Float32Array.from(items(Uint16Array, bytes), halfFloat);
    case "float32":
      return items(Float32Array, bytes);
    case "float64":
      return items(Float64Array, bytes);
  }
}

/**
 * float32 as frames hold them: 255 of uint8 and 65535 of uint16 are 1, others are as they are.
 * @param bytes from the beginning of a buffer of their own
 */
export function npyValues(type: NpyType, bytes: Uint8Array): Float32Array {
  if (type === "uint8") return greyValues(bytes);
  const numbers = npyNumbers(type, bytes);
  if (type === "uint16") return Float32Array.from(numbers, (value) => value / uint16Max);
  return numbers instanceof Float32Array ? numbers : Float32Array.from(numbers);
}

/** Aligned, because the bytes have a buffer of their own. */
function items<T>(
  array: {
    new (buffer: ArrayBufferLike, offset: number, length: number): T;
    readonly BYTES_PER_ELEMENT: number;
  },
  bytes: Uint8Array,
): T {
  return new array(bytes.buffer, bytes.byteOffset, bytes.length / array.BYTES_PER_ELEMENT);
}

/** IEEE 754 binary16. `Float16Array` is younger than the oldest Deno that we run on. */
function halfFloat(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
