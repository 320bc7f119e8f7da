/**
 * Items of NumPy's types as float32: whole numbers as shares of their largest, as pictures of as many
 * bits are read, and floats as they are.
 */
import { greyValues } from "./grey_values.ts";
import type { NpyType } from "./npy.ts";

const uint16Max = 65_535;

const conversions: { readonly [type in NpyType]?: (bytes: Uint8Array) => Float32Array } = {
  "|u1": greyValues,
  "|b1": (bytes) => Float32Array.from(bytes),
  "<u2": (bytes) => Float32Array.from(items(Uint16Array, bytes), (value) => value / uint16Max),
  "<f2": (bytes) => Float32Array.from(items(Uint16Array, bytes), halfFloat),
  "<f4": (bytes) => items(Float32Array, bytes),
  "<f8": (bytes) => Float32Array.from(items(Float64Array, bytes)),
};

/** Those that `npyValues` takes. */
export const npyValueTypes = Object.keys(conversions) as readonly NpyType[];

/**
 * @param bytes from the beginning of a buffer of their own
 * @throws {TypeError} for a type that is not among `npyValueTypes`
 */
export function npyValues(type: NpyType, bytes: Uint8Array): Float32Array {
  const convert = conversions[type];
  if (!convert) throw new TypeError(`Cannot take '${type}' as values: see npyValueTypes`);
  return convert(bytes);
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
