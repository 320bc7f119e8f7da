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
export const npyTypes = {
  "|u1": 1,
  "<u2": 2,
  "<f2": 2,
  "<f4": 4,
  "<f8": 8,
  "|b1": 1,
  "<i4": 4,
  "<i8": 8,
} as const;
export type NpyType = keyof typeof npyTypes;
const typeNames: { readonly [type in NpyType]: string } = {
  "|u1": "uint8",
  "<u2": "uint16",
  "<f2": "float16",
  "<f4": "float32",
  "<f8": "float64",
  "|b1": "bool",
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
 * @param otherwise ends the error about another type with what else can be done
 * @throws {DatasetError} if it cannot be read, holds another type or order, or is not as long as
 *   its shape says
 */
export async function openNpy(
  path: string,
  accepted: readonly NpyType[] = ["|u1"],
  otherwise = "",
): Promise<NpyFile> {
  const file = await attempt(path, () => Deno.open(path));
  try {
    const { size } = await attempt(path, () => file.stat());
    const found = readableHeader(await readHeader(file, path), path);
    const { shape, dataStart } = found;
    const type = acceptedType(found, path, accepted, otherwise);
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

interface NpyHeader {
  readonly text: string;
  /** Undefined where it is none of a single type. */
  readonly dtype?: string;
  readonly isFortran: boolean;
  readonly shape: readonly number[];
  readonly dataStart: number;
}

function readableHeader(bytes: Uint8Array, path: string): NpyHeader {
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
  if (fortran === undefined || shape === undefined) {
    throw new DatasetError(
      `Cannot read "${path}": expected a header with 'fortran_order' and 'shape', found ` +
        text.trim(),
    );
  }
  const extents = shape.split(",").map((extent) => extent.trim()).filter((extent) => extent !== "");
  return {
    ...{ text, dtype, isFortran: fortran === "True", shape: extents.map(Number), dataStart },
  };
}

function acceptedType(
  { text, dtype, isFortran }: NpyHeader,
  path: string,
  accepted: readonly NpyType[],
  otherwise: string,
): NpyType {
  const type = accepted.find((type) => type === dtype);
  if (type !== undefined && !isFortran) return type;
  const expected = accepted.map((type) => `'${type}' (${typeNames[type]})`).join(" or ");
  const cast = type !== undefined ? "a" : castOf(dtype, accepted);
  const mended = cast && isFortran ? `numpy.ascontiguousarray(${cast})` : cast;
  throw new DatasetError(
    `Cannot read "${path}": expected ${expected} in C order, found header ${text.trim()}` +
      (mended === undefined ? "" : `; save ${mended}`) + (type === undefined ? otherwise : ""),
  );
}

/** What makes an accepted array of `a` in Python without a change of its values. */
function castOf(dtype: string | undefined, accepted: readonly NpyType[]): string | undefined {
  const asType = (type: NpyType) => `a.astype("${typeNames[type]}")`;
  // The other byte order.
  const same = accepted.find((type) => type.slice(1) === dtype?.slice(1));
  if (same !== undefined) return asType(same);
  const kind = dtype?.[1] ?? "";
  if (kind === "f") return accepted.includes("<f4") ? asType("<f4") : undefined;
  if (kind !== "i" && kind !== "u") return undefined;
  if (accepted.includes("<i4")) return asType("<i4");
  return `${asType("|u1")} where its values are from 0 to 255`;
}
