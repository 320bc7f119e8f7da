/**
 * NumPy's array files (NEP 1, format versions 1 to 3), bytes only: a header that is checked
 * against the file's size, and reads of any span without loading the rest.
 */
import { DatasetError } from "./dataset.ts";
import { attempt } from "./files.ts";

const magic = "\x93NUMPY";
/** NumPy itself refuses longer headers (`max_header_size`). */
const headerBytesMax = 10_000;

export interface NpyFile {
  readonly path: string;
  readonly shape: readonly number[];
  /**
   * `length` bytes from `start` of the array's data on.
   * @throws {DatasetError} if the file has become shorter since it was opened
   */
  read(start: number, length: number): Promise<Uint8Array>;
  close(): void;
}

/**
 * Opens a C-ordered array of uint8.
 * @throws {DatasetError} if it cannot be read, holds another type or order, or is not as long as
 *   its shape says
 */
export async function openNpy(path: string): Promise<NpyFile> {
  const file = await attempt(path, () => Deno.open(path));
  try {
    const { size } = await attempt(path, () => file.stat());
    const { shape, dataStart } = parseHeader(await readHeader(file, path), path);
    const expected = dataStart + shape.reduce((product, extent) => product * extent, 1);
    if (size !== expected) {
      throw new DatasetError(
        `Cannot read "${path}": shape (${
          shape.join(", ")
        }) of uint8 takes ${expected} bytes with ` +
          `its header, the file has ${size}`,
      );
    }
    return {
      path,
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
): { readonly shape: readonly number[]; readonly dataStart: number } {
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
  if (dtype !== "|u1" || fortran !== "False" || shape === undefined) {
    throw new DatasetError(
      `Cannot read "${path}": expected '|u1' (uint8) in C order, found header ${text.trim()}`,
    );
  }
  const extents = shape.split(",").map((extent) => extent.trim()).filter((extent) => extent !== "");
  return { shape: extents.map(Number), dataStart };
}
