/**
 * Frames [frames, rows, columns, channels] out of an array whose axes are stored in any order. What
 * lies behind the last of the leading axes of sequences and frames is a block, which is read at once:
 * usually one frame. Where frames lie behind rows or columns it is a whole sequence, or all of the
 * array as in Fortran's order; such blocks are kept for the next reads.
 */
import { ByteLimitedCache } from "./byte_limited_cache.ts";
import { DatasetError } from "./dataset.ts";
import type { NpyFile } from "./npy.ts";
import { type Axis, type Extents, extentsOf } from "./npy_layout.ts";
import { type NpyType } from "./npy_values.ts";

/** Bytes of a block as float32, where it holds more than one frame. */
export const blockBytesMax = 1024 * 1024 * 1024;
/** Bytes of all blocks that are kept. The block in use is kept in any case. */
const keptBytesMax = 512 * 1024 * 1024;

export interface FrameArray {
  readonly extents: Extents;
  /** [count, rows, columns, channels] */
  read(sequence: number, offset: number, count: number): Promise<Float32Array>;
}

/**
 * @param layout of the array's axes as they are told, in the order of its shape
 * @param valuesOf items of the file as float32
 * @throws {DatasetError} where frames lie so far apart that they cannot be read one by one
 */
export function frameArray(
  file: NpyFile,
  layout: string,
  valuesOf: (type: NpyType, bytes: Uint8Array) => Float32Array,
): FrameArray {
  const extents = extentsOf(layout, file.shape);
  // Fortran's order is the other one read from behind.
  const stored = file.isFortran ? [...layout].reverse().join("") : layout;
  const strides = stridesOf(stored, extents);
  const leading = /^[NT]*/.exec(stored)![0];
  const inner = stored.slice(leading.length);
  const blockSize = [...inner].reduce((size, axis) => size * extents[axis as Axis], 1);
  const frameSize = extents.H * extents.W * extents.C;
  const isFrame = blockSize === frameSize;
  const isInOrder = [...inner].filter((axis) => extents[axis as Axis] > 1)
    .every((axis, index, all) =>
      index === 0 || "HWC".indexOf(all[index - 1]) < "HWC".indexOf(axis)
    );
  if (!isFrame && 4 * blockSize > blockBytesMax) {
    throw new DatasetError(
      `Cannot read frames of "${file.path}" one by one: in its layout ${stored}` +
        `${file.isFortran ? " (Fortran's order read from behind)" : ""} they lie ` +
        `${
          4 * blockSize
        } bytes apart as float32, at most ${blockBytesMax} are read at once; save ` +
        `numpy.ascontiguousarray(a${file.isFortran ? "" : ".transpose(...)"}) with the axes ` +
        "sequences, frames, rows, columns, channels",
    );
  }
  const loadBlock = async (index: number) =>
    valuesOf(file.type, await file.read(index * blockSize, blockSize));
  const kept = new ByteLimitedCache<number, Float32Array>(
    { load: loadBlock, bytesOf: ({ byteLength }) => byteLength },
    keptBytesMax,
  );
  const placeOf = (sequence: number, frame: number) =>
    (leading.includes("N") ? sequence * strides.N : 0) +
    (leading.includes("T") ? frame * strides.T : 0);
  const pick = (
    block: Float32Array,
    blockStart: number,
    values: Float32Array,
    valuesStart: number,
  ) => {
    let to = valuesStart;
    for (let row = 0; row < extents.H; row++) {
      for (let column = 0; column < extents.W; column++) {
        let from = blockStart + row * strides.H + column * strides.W;
        for (let channel = 0; channel < extents.C; channel++) {
          values[to++] = block[from];
          from += strides.C;
        }
      }
    }
  };
  return {
    extents,
    async read(sequence, offset, count) {
      const isRun = isFrame && isInOrder && (count === 1 || strides.T === frameSize);
      if (isRun) {
        const first = placeOf(sequence, offset);
        return valuesOf(file.type, await file.read(first, count * frameSize));
      }
      const values = new Float32Array(count * frameSize);
      for (let index = 0; index < count; index++) {
        const frame = offset + index;
        const place = placeOf(sequence, frame) / blockSize;
        const block = isFrame ? await loadBlock(place) : await kept.get(place);
        const inBlock = (leading.includes("N") ? 0 : sequence * strides.N) +
          (leading.includes("T") ? 0 : frame * strides.T);
        if (isFrame && isInOrder) values.set(block, index * frameSize);
        else pick(block, inBlock, values, index * frameSize);
      }
      return values;
    },
  };
}

/** Items from one to the next along each axis; 0 along one that the array does not have. */
function stridesOf(stored: string, extents: Extents): Record<Axis, number> {
  const strides = { N: 0, T: 0, C: 0, H: 0, W: 0 };
  let stride = 1;
  for (const axis of [...stored].reverse() as Axis[]) {
    strides[axis] = stride;
    stride *= extents[axis];
  }
  return strides;
}
