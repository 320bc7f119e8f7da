/**
 * The IDX format of the MNIST database (Y. LeCun, C. Cortes, C. J. C. Burges): a big-endian magic
 * number, then for images (0x0803) the counts of images, rows and columns and one byte for each
 * pixel, for labels (0x0801) their count and one byte for each.
 */
import { DatasetError } from "./dataset.ts";

const headerBytes = 16;
const imagesMagic = 0x0803;
const labelsHeaderBytes = 8;
const labelsMagic = 0x0801;

export interface IdxImages {
  readonly count: number;
  readonly rows: number;
  readonly columns: number;
  /** [count, rows, columns], 0 is background and 255 ink. */
  readonly pixels: Uint8Array;
}

/**
 * @param path names the file in errors
 * @throws {DatasetError} if magic number, counts and size do not agree
 */
export function parseIdxImages(bytes: Uint8Array, path: string): IdxImages {
  if (bytes.length < headerBytes) {
    throw new DatasetError(
      `Cannot read "${path}": an IDX header has ${headerBytes} bytes, found ${bytes.length}`,
    );
  }
  const header = new DataView(bytes.buffer, bytes.byteOffset, headerBytes);
  const magic = header.getUint32(0);
  if (magic !== imagesMagic) {
    throw new DatasetError(
      `Cannot read "${path}": expected the magic number 0x00000803 of IDX images at offset 0, ` +
        `found 0x${magic.toString(16).padStart(8, "0")}`,
    );
  }
  const [count, rows, columns] = [4, 8, 12].map((offset) => header.getUint32(offset));
  const expected = headerBytes + count * rows * columns;
  if (bytes.length !== expected) {
    throw new DatasetError(
      `Cannot read "${path}": its header announces ${count} images of ${rows}x${columns}, ` +
        `${expected} bytes in all, but it has ${bytes.length}`,
    );
  }
  return { count, rows, columns, pixels: bytes.subarray(headerBytes) };
}

/**
 * @param path names the file in errors
 * @throws {DatasetError} if magic number, count and size do not agree
 */
export function parseIdxLabels(bytes: Uint8Array, path: string): Uint8Array {
  if (bytes.length < labelsHeaderBytes) {
    throw new DatasetError(
      `Cannot read "${path}": an IDX header of labels has ${labelsHeaderBytes} bytes, found ` +
        `${bytes.length}`,
    );
  }
  const header = new DataView(bytes.buffer, bytes.byteOffset, labelsHeaderBytes);
  const [magic, count] = [header.getUint32(0), header.getUint32(4)];
  if (magic !== labelsMagic) {
    throw new DatasetError(
      `Cannot read "${path}": expected the magic number 0x00000801 of IDX labels at offset 0, ` +
        `found 0x${magic.toString(16).padStart(8, "0")}`,
    );
  }
  if (bytes.length !== labelsHeaderBytes + count) {
    throw new DatasetError(
      `Cannot read "${path}": its header announces ${count} labels, ` +
        `${labelsHeaderBytes + count} bytes in all, but it has ${bytes.length}`,
    );
  }
  return bytes.subarray(labelsHeaderBytes);
}
