/** PNG files as frames: grey or colour, 8 or 16 bits, any size. */
import { DatasetError } from "./dataset.ts";
import { decodePng } from "./png.ts";
import { type ImageSize, resample } from "./resample.ts";

/** Larger than any camera's frame; a decompression bomb is larger. */
const pixelsMax = 64 * 1024 * 1024;
const signature = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
const headerBytes = 33;
const endChunk = [0, 0, 0, 0, 0x49, 0x45, 0x4e, 0x44, 0xae, 0x42, 0x60, 0x82];
/** ITU-R BT.601, as Pillow turns colour into grey. */
const luma = [0.299, 0.587, 0.114];

/**
 * What can be told from a file's first and last bytes: that it is a whole PNG of a sensible size.
 * @returns its rows and columns
 * @throws {DatasetError} if it is not
 */
export async function checkPicture(path: string): Promise<ImageSize> {
  using file = await Deno.open(path).catch((cause) => {
    throw new DatasetError(`Cannot read "${path}": ${(cause as Error).message}`, { cause });
  });
  const { size } = await file.stat();
  const head = new Uint8Array(headerBytes);
  const tail = new Uint8Array(endChunk.length);
  const headRead = await file.read(head) ?? 0;
  await file.seek(Math.max(0, size - tail.length), Deno.SeekMode.Start);
  await file.read(tail);
  if (headRead < headerBytes || signature.some((byte, i) => head[i] !== byte)) {
    throw new DatasetError(`Cannot read "${path}": it does not begin as a PNG does, at offset 0`);
  }
  const imageSize = checkSize(head, path);
  if (endChunk.some((byte, i) => tail[i] !== byte)) {
    throw new DatasetError(
      `Cannot read "${path}": it does not end as a PNG does, at offset ${size - tail.length} of ` +
        `${size} bytes; it is truncated`,
    );
  }
  return imageSize;
}

function checkSize(head: Uint8Array, path: string): ImageSize {
  const view = new DataView(head.buffer, head.byteOffset, head.length);
  const [columns, rows] = [view.getUint32(16), view.getUint32(20)];
  if (columns === 0 || rows === 0 || columns * rows > pixelsMax) {
    throw new DatasetError(
      `Cannot read "${path}": its header announces ${columns}x${rows} pixels at offset 16, at ` +
        `most ${pixelsMax} pixels are taken`,
    );
  }
  return [rows, columns];
}

/**
 * @returns [rows, columns, channels] of `size` in [0, 1], transparency left out
 * @param path names the file in errors
 * @throws {DatasetError} if it is no PNG that can be decoded
 */
export function decodePicture(
  bytes: Uint8Array,
  path: string,
  size: ImageSize,
  channels: 1 | 3,
): Float32Array<ArrayBuffer> {
  if (bytes.length < headerBytes || signature.some((byte, i) => bytes[i] !== byte)) {
    throw new DatasetError(`Cannot read "${path}": it does not begin as a PNG does, at offset 0`);
  }
  checkSize(bytes.subarray(0, headerBytes), path);
  const { width, height, values, stored } = decodeValues(bytes, path);
  const pixels = width * height;
  const frame = new Float32Array(pixels * channels);
  const isColour = stored >= 3;
  for (let pixel = 0; pixel < pixels; pixel++) {
    const at = pixel * stored;
    for (let channel = 0; channel < channels; channel++) {
      frame[pixel * channels + channel] = !isColour
        ? values[at]
        : channels === 3
        ? values[at + channel]
        : luma[0] * values[at] + luma[1] * values[at + 1] + luma[2] * values[at + 2];
    }
  }
  return resample(frame, channels, [height, width], size);
}

interface Pixels {
  readonly width: number;
  readonly height: number;
  /** Channels in the file. */
  readonly stored: number;
  /** [height, width, stored] in [0, 1] */
  readonly values: Float32Array;
}

function decodeValues(bytes: Uint8Array, path: string): Pixels {
  try {
    const { width, height, channels, depth, data, palette } = decodePng(bytes);
    const most = 2 ** depth - 1;
    if (palette) {
      const values = new Float32Array(width * height * 3);
      for (let pixel = 0; pixel < width * height; pixel++) {
        const colour = palette[valueAt(data, pixel, width, depth)];
        for (let i = 0; i < 3; i++) values[pixel * 3 + i] = colour[i] / 255;
      }
      return { width, height, stored: 3, values };
    }
    const count = width * height * channels;
    const values = Float32Array.from(
      { length: count },
      (_, index) => valueAt(data, index, width * channels, depth) / most,
    );
    return { width, height, stored: channels, values };
  } catch (cause) {
    throw new DatasetError(
      `Cannot decode "${path}" of ${bytes.length} bytes: ${(cause as Error).message}`,
      { cause },
    );
  }
}

/** Values of less than a byte are packed, each row from a byte of its own on. */
function valueAt(
  data: ArrayLike<number>,
  index: number,
  rowLength: number,
  depth: number,
): number {
  if (depth >= 8) return data[index];
  const perByte = 8 / depth;
  const row = Math.floor(index / rowLength);
  const column = index % rowLength;
  const byte = data[row * Math.ceil(rowLength / perByte) + Math.floor(column / perByte)];
  return (byte >> (8 - depth * (1 + (column % perByte)))) & (2 ** depth - 1);
}
