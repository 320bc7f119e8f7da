/**
 * NumPy's array files (NEP 1, format versions 1 to 3) of a few types: a header that is checked
 * against the file's size, and reads of any span without loading the rest.
 */
import { DatasetError } from "./dataset.ts";
import { attempt } from "./files.ts";

const magic = "\x93NUMPY";
/** NumPy itself refuses longer headers (`max_header_size`). */
const headerBytesMax = 10_000;

/** In NumPy's words, and bytes for each item. */
export const npyTypes = { "|u1": 1, "|b1": 1, "<f4": 4, "<i4": 4, "<i8": 8 } as const;
export type NpyType = keyof typeof npyTypes;
const typeNames: { readonly [type in NpyType]: string } = {
  "|u1": "uint8",
  "|b1": "bool",
  "<f4": "float32",
  "<i4": "int32",
  "<i8": "int64",
};

export interface NpyFile {
  readonly path: string;
  readonly type: NpyType;
  readonly shape: readonly number[];
  /**
   * `length` bytes from `start` of the array's data on, in a buffer of their own.
   * @throws {DatasetError} if the file has become shorter since it was opened
   */
  read(start: number, length: number): Promise<Uint8Array>;
  close(): void;
}

/**
 * Opens a C-ordered array.
 * @param accepted types that the caller can use
 * @throws {DatasetError} if it cannot be read, holds another type or order, or is not as long as
 *   its shape says
 */
export async function openNpy(
  path: string,
  accepted: readonly NpyType[] = ["|u1"],
): Promise<NpyFile> {
  const file = await attempt(path, () => Deno.open(path));
  try {
    const { size } = await attempt(path, () => file.stat());
    const { type, shape, dataStart } = parseHeader(await readHeader(file, path), path, accepted);
    const items = shape.reduce((product, extent) => product * extent, 1);
    const expected = dataStart + items * npyTypes[type];
    if (size !== expected) {
      throw new DatasetError(
        `Cannot read "${path}": shape (${shape.join(", ")}) of ${
          typeNames[type]
        } takes ${expected} bytes with ` +
          `its header, the file has ${size}`,
      );
    }
    return {
      path,
      type,
      shape,
      read: (start, length) => attempt(path, () => readSpan(file, path, dataStart + start, length)),
      close: () => file.close(),
    };
  } catch (error) {
    file.close();
    throw error;
  }
}

/** Synchronous, so that no other read comes between a seek and its read: a frame takes µs. */
function readSpan(file: Deno.FsFile, path: string, start: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  file.seekSync(start, Deno.SeekMode.Start);
  let filled = 0;
  while (filled < length) {
    const read = file.readSync(bytes.subarray(filled));
    if (read === null) {
      throw new DatasetError(
        `Cannot read "${path}": expected ${length} bytes at offset ${start}, found ${filled}`,
      );
    }
    filled += read;
  }
  return bytes;
}

async function readHeader(file: Deno.FsFile, path: string): Promise<Uint8Array> {
  const bytes = new Uint8Array(headerBytesMax);
  let filled = 0;
  while (filled < bytes.length) {
    const read = await attempt(path, () => file.read(bytes.subarray(filled)));
    if (read === null) break;
    filled += read;
  }
  return bytes.subarray(0, filled);
}

function parseHeader(
  bytes: Uint8Array,
  path: string,
  accepted: readonly NpyType[],
): { readonly type: NpyType; readonly shape: readonly number[]; readonly dataStart: number } {
  const start = String.fromCharCode(...bytes.subarray(0, magic.length));
  if (start !== magic || bytes.length < 12) {
    throw new DatasetError(
      `Cannot read "${path}": expected the magic string \\x93NUMPY and a header at offset 0, ` +
        `the file is no .npy file`,
    );
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const wide = bytes[6] >= 2;
  const textStart = wide ? 12 : 10;
  const dataStart = textStart + (wide ? view.getUint32(8, true) : view.getUint16(8, true));
  if (dataStart > bytes.length) {
    throw new DatasetError(
      `Cannot read "${path}": its header ends at offset ${dataStart}, found only ${bytes.length} ` +
        `bytes of at most ${headerBytesMax}`,
    );
  }
  const text = new TextDecoder().decode(bytes.subarray(textStart, dataStart));
  const dtype = /'descr':\s*'([^']*)'/.exec(text)?.[1];
  const fortran = /'fortran_order':\s*(True|False)/.exec(text)?.[1];
  const shape = /'shape':\s*\(([\d,\s]*)\)/.exec(text)?.[1];
  const type = accepted.find((type) => type === dtype);
  if (type === undefined || fortran !== "False" || shape === undefined) {
    const expected = accepted.map((type) => `'${type}' (${typeNames[type]})`).join(" or ");
    throw new DatasetError(
      `Cannot read "${path}": expected ${expected} in C order, found header ${text.trim()}`,
    );
  }
  const extents = shape.split(",").map((extent) => extent.trim()).filter((extent) => extent !== "");
  return { type, shape: extents.map(Number), dataStart };
}
