/**
 * NumPy's arrays, from `.npy` files or by name out of `.npz` files: a header that is checked against
 * the size, and reads of any span without loading the rest.
 */
import { type ByteSource, openFile } from "./byte_source.ts";
import { DatasetError } from "./dataset.ts";
import { headerBytesMax, parseNpyHeader } from "./npy_header.ts";
import { type NpyType, npyTypes } from "./npy_values.ts";
import { isZip, openNpzArray } from "./npz.ts";

export interface NpyFile {
  /** With the array's name where it is one of several, `a.npz[frames]`. */
  readonly path: string;
  readonly type: NpyType;
  readonly shape: readonly number[];
  /** Whether the first axis runs fastest. */
  readonly isFortran: boolean;
  /**
   * `count` items from item `first` on, in the order of the file, little-endian and in a buffer of
   * their own.
   * @throws {DatasetError} if the file has become shorter since it was opened
   */
  read(first: number, count: number): Promise<Uint8Array>;
  close(): void;
}

/**
 * @param array its name in an `.npz` file; may be empty where that holds one
 * @throws {DatasetError} if it cannot be read, holds no numbers, or is not as long as its shape says
 */
export async function openNpy(path: string, array = ""): Promise<NpyFile> {
  const file = await openFile(path);
  let source: ByteSource = file;
  try {
    if (await isZip(file)) {
      source = await openNpzArray(file, array);
    } else if (array !== "") {
      throw new DatasetError(
        `Cannot take array "${array}" of "${path}": the file is no .npz file, which holds arrays ` +
          "by name; leave the name out",
      );
    }
    return await arrayOf(source);
  } catch (error) {
    source.close();
    throw error;
  }
}

async function arrayOf(source: ByteSource): Promise<NpyFile> {
  const { path, size } = source;
  const beginning = await source.read(0, Math.min(size, headerBytesMax));
  const header = parseNpyHeader(beginning, `"${path}"`);
  const { type, shape, dataStart, isBigEndian, isFortran } = header;
  const itemBytes = npyTypes[type];
  const items = shape.reduce((product, extent) => product * extent, 1);
  const expected = dataStart + items * itemBytes;
  if (size !== expected) {
    throw new DatasetError(
      `Cannot read "${path}": shape (${
        shape.join(", ")
      }) of ${type} takes ${expected} bytes with ` +
        `its header, the file has ${size}; ` +
        (size < expected
          ? "it is cut short: copy or download it again"
          : "save one array to a file, and nothing behind it"),
    );
  }
  return {
    ...{ path, type, shape, isFortran },
    async read(first, count) {
      const bytes = await source.read(dataStart + first * itemBytes, count * itemBytes);
      if (isBigEndian) reverseItems(bytes, itemBytes);
      return bytes;
    },
    close: () => source.close(),
  };
}

function reverseItems(bytes: Uint8Array, itemBytes: number): void {
  for (let start = 0; itemBytes > 1 && start < bytes.length; start += itemBytes) {
    bytes.subarray(start, start + itemBytes).reverse();
  }
}
