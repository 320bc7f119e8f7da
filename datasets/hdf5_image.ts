/** A two-dimensional image in HDF5, of which nothing is read before its header is known to be sane. */
import { DatasetError } from "./dataset.ts";
import type { Hdf5Dataset } from "./hdf5_file.ts";

const imageBytesMax = 256 * 1024 * 1024;
/** The library keeps a record of each, however small they are. */
const chunksMax = 100_000;

export interface Hdf5Image {
  readonly rows: number;
  readonly columns: number;
  /** [rows, columns] */
  readonly pixels: Hdf5Pixels;
}

const kinds = [
  Uint8Array,
  Int8Array,
  Uint16Array,
  Int16Array,
  Uint32Array,
  Int32Array,
  Float32Array,
  Float64Array,
  BigInt64Array,
  BigUint64Array,
] as const;
export type Hdf5Pixels = InstanceType<typeof kinds[number]>;

/**
 * @param name of the image in the file, for errors
 * @throws {DatasetError} if it is no image of numbers, too large, or not whole
 */
export function readHdf5Image(image: Hdf5Dataset, name: string, path: string): Hdf5Image {
  const { shape, dtype, metadata } = image;
  const pixels = shape?.reduce((product, extent) => product * extent, 1) ?? 0;
  if (shape?.length !== 2 || pixels === 0) {
    throw new DatasetError(
      `Cannot read "${path}": expected an image ${name} with rows and columns, found type ` +
        `${JSON.stringify(dtype)} of shape (${shape?.join(", ")})`,
    );
  }
  const [rows, columns] = shape;
  if (!(pixels * metadata.size <= imageBytesMax)) {
    throw new DatasetError(
      `Cannot read "${path}": its image ${name} of ${rows} x ${columns} pixels takes more than ` +
        `${imageBytesMax} bytes`,
    );
  }
  const { chunks, virtual_sources: sources } = metadata;
  const chunkCount = chunks?.reduce((count, size, i) => count * Math.ceil(shape[i] / size), 1) ?? 1;
  if (!(chunkCount <= chunksMax)) {
    throw new DatasetError(
      `Cannot read "${path}": its image ${name} is cut into ${chunkCount} pieces, more than ` +
        `${chunksMax}; write it with larger chunks`,
    );
  }
  if (sources !== undefined && sources.length > 0) {
    throw new DatasetError(
      `Cannot read "${path}": its image ${name} lies in ${sources.length} other files (a virtual ` +
        "data set); write the pixels into the file",
    );
  }
  const value = isNumeric(metadata.type) ? image.value : null;
  if (!kinds.some((kind) => value instanceof kind)) {
    throw new DatasetError(
      `Cannot read "${path}": expected an image ${name} of whole or real numbers, found type ` +
        JSON.stringify(dtype),
    );
  }
  const found = value as Hdf5Pixels;
  if (found.length !== pixels) {
    throw new DatasetError(
      `Cannot read "${path}": its image ${name} holds ${found.length} of ${pixels} pixels`,
    );
  }
  return { rows, columns, pixels: found };
}

/** Whole or real, as HDF5 numbers its classes of types. */
function isNumeric(type: number): boolean {
  return type === 0 || type === 1;
}
