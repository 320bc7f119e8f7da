/**
 * The header of NumPy's array files (NEP 1, format versions 1 to 3): a Python literal, as NumPy and
 * other programs of several ages write it.
 */
import { DatasetError } from "./dataset.ts";
import { type NpyType, npyTypes } from "./npy_values.ts";

const magic = "\x93NUMPY";
/** NumPy itself refuses longer headers (`max_header_size`). */
export const headerBytesMax = 10_000;

export interface NpyHeader {
  readonly type: NpyType;
  /** Whether the highest byte comes first in items of several bytes. */
  readonly isBigEndian: boolean;
  /** Whether the first axis runs fastest. */
  readonly isFortran: boolean;
  readonly shape: readonly number[];
  /** Offset of the first item. */
  readonly dataStart: number;
}

/**
 * @param bytes the beginning of the file, `headerBytesMax` or all of it
 * @param what names the array in errors, e.g. `"a.npy"`
 * @throws {DatasetError} if it is no header, or one of items that are no numbers
 */
export function parseNpyHeader(bytes: Uint8Array, what: string): NpyHeader {
  const refuse = (why: string) => new DatasetError(`Cannot read ${what}: ${why}`);
  const start = String.fromCharCode(...bytes.subarray(0, magic.length));
  if (start !== magic || bytes.length < 12) {
    throw refuse(
      "expected the magic string \\x93NUMPY and a header at offset 0, the file is no .npy file",
    );
  }
  const version = bytes[6];
  if (version < 1 || version > 3) {
    throw refuse(`expected format version 1, 2 or 3, found ${version}; save it with NumPy anew`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const textStart = version === 1 ? 10 : 12;
  const dataStart = textStart +
    (version === 1 ? view.getUint16(8, true) : view.getUint32(8, true));
  if (dataStart > bytes.length) {
    throw refuse(
      `its header ends at offset ${dataStart}, found only ${bytes.length} bytes of at most ` +
        `${headerBytesMax}`,
    );
  }
  const text = new TextDecoder().decode(bytes.subarray(textStart, dataStart));
  const order = /(['"])fortran_order\1\s*:\s*(True|False)/.exec(text)?.[2];
  const tuple = /(['"])shape\1\s*:\s*\(((?:[^()]|\([^()]*\))*)\)/.exec(text)?.[2];
  const shape = tuple === undefined ? undefined : extentsOf(tuple);
  if (order === undefined || shape === undefined) {
    throw refuse(`expected a header with 'fortran_order' and 'shape', found ${text.trim()}`);
  }
  const descr = /(['"])descr\1\s*:\s*(['"])([^'"]*)\2/.exec(text)?.[3];
  const type = descr === undefined ? undefined : typeOf(descr);
  if (type === undefined) {
    throw refuse(
      `expected numbers of type ${Object.keys(npyTypes).join(", ")}, found header ${text.trim()}` +
        `; ${otherwise(descr)}`,
    );
  }
  return { type, shape, dataStart, isBigEndian: descr![0] === ">", isFortran: order === "True" };
}

/** Also as Python 2 wrote them, `4L`, and as NumPy 2 shows its own, `np.int64(4)`. */
function extentsOf(tuple: string): number[] | undefined {
  const parts = tuple.split(",").map((part) => part.trim());
  if (parts.at(-1) === "") parts.pop();
  const extents = parts.map((part) =>
    Number(/^(?:(?:numpy\.|np\.)?u?int\w*\(\s*)?(\d+)[lL]?\s*\)?$/.exec(part)?.[1] ?? NaN)
  );
  return extents.every(Number.isSafeInteger) ? extents : undefined;
}

const kinds: Readonly<Record<string, string>> = { b: "bool", u: "uint", i: "int", f: "float" };

/** `=` is the order of the machine that wrote it: that of every machine that we run on. */
function typeOf(descr: string): NpyType | undefined {
  const [, kind, bytes] = /^[<>=|]?([buif])(\d+)$/.exec(descr) ?? [];
  if (kind === undefined) return undefined;
  const name = kind === "b" ? (bytes === "1" ? "bool" : "") : `${kinds[kind]}${8 * Number(bytes)}`;
  return Object.hasOwn(npyTypes, name) ? name as NpyType : undefined;
}

/** What makes such an array of `a` in Python. */
function otherwise(descr: string | undefined): string {
  if (descr === undefined) return "save each field as an array of its own, a[NAME]";
  const kind = descr.replace(/^[<>=|]/, "")[0];
  if (kind === "O") {
    return "it holds pickled objects: save sequences of one length as one array of numbers, " +
      "numpy.stack(a)";
  }
  if (kind === "U" || kind === "S") {
    return "number its texts, numpy.unique(a, return_inverse=True)[1]";
  }
  if (kind === "c") return "save its real part or its magnitude, numpy.abs(a)";
  return 'save a.astype("float32")';
}
