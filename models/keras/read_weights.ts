/**
 * The weights beside a `model.json`, read as its manifest says, and checked for their size and for what
 * is no number.
 */
import { ModelError } from "../check_model.ts";
import { type Shape, sizeOf } from "./layer.ts";

export interface SavedWeight {
  readonly name: string;
  readonly shape: Shape;
  readonly values: Float32Array;
}

interface Entry {
  readonly name: string;
  readonly shape: Shape;
  readonly dtype: string;
  readonly quantization?: {
    readonly dtype: string;
    readonly min?: number;
    readonly scale?: number;
  };
}

/** Bytes of one number. */
const widths: Readonly<Record<string, number>> = {
  float32: 4,
  float16: 2,
  uint8: 1,
  uint16: 2,
  int32: 4,
};

/**
 * @param manifest `weightsManifest` of a `model.json`
 * @param files of all groups, in their order
 * @throws {ModelError} where the files are shorter or longer, or hold what is no finite number
 */
export function readWeights(
  path: string,
  manifest: readonly { readonly paths: readonly string[]; readonly weights: readonly unknown[] }[],
  files: readonly Uint8Array[],
): SavedWeight[] {
  let next = 0;
  return manifest.flatMap(({ paths, weights }) => {
    const bytes = joined(files.slice(next, next += paths.length));
    const view = new DataView(bytes.buffer);
    const entries = weights.map((each) => checkedEntry(path, each));
    const ends: number[] = [];
    for (const entry of entries) ends.push((ends.at(-1) ?? 0) + bytesOf(entry));
    const expected = ends.at(-1) ?? 0;
    if (bytes.length !== expected) {
      const missing = entries[ends.findIndex((end) => end > bytes.length)];
      throw new ModelError(
        `Cannot use --model ${path}: its weights ${paths.join(", ")} have ${bytes.length} bytes, ` +
          `model.json names ${expected}` +
          (missing ? ` (they end within "${missing.name}")` : "") +
          "; copy or convert both again",
      );
    }
    return entries.map((entry, index): SavedWeight => {
      const values = decoded(entry, view, ends[index] - bytesOf(entry));
      const wrong = values.findIndex((value) => !Number.isFinite(value));
      if (wrong >= 0) {
        throw new ModelError(
          `Cannot use --model ${path}: weight "${entry.name}" holds ${values[wrong]} at number ` +
            `${wrong}; save the network from before it diverged`,
        );
      }
      return { name: entry.name, shape: entry.shape, values };
    });
  });
}

function checkedEntry(path: string, value: unknown): Entry {
  const { name, shape, dtype, quantization } = (value ?? {}) as Partial<Entry>;
  const isShape = Array.isArray(shape) &&
    shape.every((side) => Number.isSafeInteger(side) && side >= 0);
  const stored = quantization?.dtype ?? dtype;
  if (typeof name === "string" && isShape && widths[stored ?? ""] !== undefined) {
    return value as Entry;
  }
  throw new ModelError(
    `Cannot use --model ${path}: its weightsManifest has ${
      JSON.stringify(value)?.slice(0, 120)
    }, ` +
      `expected a name, a shape and a dtype of ${Object.keys(widths).join(", ")}; convert it again`,
  );
}

function bytesOf({ shape, dtype, quantization }: Entry): number {
  return sizeOf(shape) * widths[quantization?.dtype ?? dtype];
}

function decoded(entry: Entry, view: DataView, from: number): Float32Array {
  const { shape, dtype, quantization } = entry;
  const stored = quantization?.dtype ?? dtype;
  const width = widths[stored];
  const { min = 0, scale = 1 } = quantization ?? {};
  const isScaled = stored === "uint8" || stored === "uint16";
  return Float32Array.from({ length: sizeOf(shape) }, (_, index) => {
    const raw = numberAt(view, from + index * width, stored);
    return isScaled && quantization ? raw * scale + min : raw;
  });
}

function numberAt(view: DataView, at: number, dtype: string): number {
  if (dtype === "float32") return view.getFloat32(at, true);
  if (dtype === "float16") return halfFloat(view.getUint16(at, true));
  if (dtype === "uint8") return view.getUint8(at);
  if (dtype === "uint16") return view.getUint16(at, true);
  return view.getInt32(at, true);
}

function halfFloat(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const [exponent, fraction] = [bits >> 10 & 0x1f, bits & 0x3ff];
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let offset = 0;
  for (const part of parts) {
    all.set(part, offset);
    offset += part.length;
  }
  return all;
}
