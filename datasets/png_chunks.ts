/**
 * The chunks of a PNG file, each with its checksum compared: what a picture is, and its packed
 * pixels. A byte that was changed or lost anywhere before the end of the picture is found here or
 * by the checksum of the unpacked pixels.
 */
import { crc32 } from "node:zlib";
import { foreignKind } from "./foreign_file.ts";

/** Why a file is no PNG that can be read: ends a sentence that names the file. */
export class PngError extends Error {
  override readonly name = "PngError";
}

export interface PngHeader {
  readonly width: number;
  readonly height: number;
  /** Bits of a sample: 1, 2, 4, 8 or 16. */
  readonly depth: number;
  /** Samples of a pixel: grey, grey and alpha, red green blue, these and alpha; 1 with a palette. */
  readonly channels: 1 | 2 | 3 | 4;
  readonly hasPalette: boolean;
  readonly isInterlaced: boolean;
}

export interface PngChunks {
  readonly header: PngHeader;
  /** Red, green and blue of each entry, where pixels are places in it. */
  readonly palette: Uint8Array | undefined;
  /** The parts of one zlib stream. */
  readonly packed: readonly Uint8Array[];
}

/** Larger than any camera's frame; a decompression bomb is larger. */
export const pixelsMax = 64 * 1024 * 1024;
/** Bytes of a picture's unpacked samples: 64 megapixels of 8 bits with transparency. */
const sampleBytesMax = 256 * 1024 * 1024;
const signature = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
/** Length, type and checksum of a chunk. */
const frameBytes = 12;
const headerBytes = 13;
/** Bytes from a file's start to the end of its header chunk. */
export const pngHeadBytes = signature.length + frameBytes + headerBytes;

/** By colour type: samples of a pixel, and the depths that the standard has. */
const colourTypes: Readonly<
  Record<number, { readonly channels: PngHeader["channels"]; readonly depths: readonly number[] }>
> = {
  0: { channels: 1, depths: [1, 2, 4, 8, 16] },
  2: { channels: 3, depths: [8, 16] },
  3: { channels: 1, depths: [1, 2, 4, 8] },
  4: { channels: 2, depths: [8, 16] },
  6: { channels: 4, depths: [8, 16] },
};

interface Chunk {
  readonly type: string;
  /** Where its data begin in the file. */
  readonly offset: number;
  readonly data: Uint8Array;
}

/**
 * What comes after the end of the picture is not looked at.
 * @throws {PngError} if it is no whole PNG of a size that is taken
 */
export function readPngChunks(bytes: Uint8Array): PngChunks {
  const header = readPngHeader(bytes);
  let palette: Uint8Array | undefined;
  const packed: Uint8Array[] = [];
  let before = "";
  for (const { type, data, offset } of chunksOf(bytes)) {
    if (type === "PLTE") palette = data;
    else if (type === "IDAT") {
      if (packed.length > 0 && before !== "IDAT") {
        throw new PngError(`its pixels are in two places, the second at offset ${offset - 8}`);
      }
      packed.push(data);
    } else if (offset > pngHeadBytes && type !== "IEND" && isCritical(type)) {
      throw new PngError(`its chunk ${type} at offset ${offset - 8} is none of the PNG standard`);
    }
    before = type;
  }
  if (packed.length === 0) throw new PngError("it has no pixels, for want of a chunk IDAT");
  if (!header.hasPalette) return { header, palette: undefined, packed };
  if (!palette || palette.length === 0 || palette.length % 3 !== 0 || palette.length > 3 * 256) {
    throw new PngError(
      `its palette has ${palette?.length ?? 0} bytes, expected 3 for each of 1 to 256 colours`,
    );
  }
  return { header, palette, packed };
}

/**
 * @param bytes the first of a file, `pngHeadBytes` or more
 * @throws {PngError} if it is no PNG of a size that is taken
 */
export function readPngHeader(bytes: Uint8Array): PngHeader {
  if (signature.some((byte, i) => bytes[i] !== byte)) {
    throw new PngError(
      `it does not begin as a PNG or a JPEG does, at offset 0${foreignKind(bytes)}`,
    );
  }
  const [chunk] = chunksOf(bytes);
  return readHeader(chunk);
}

/** Up to the one that ends the picture. */
function* chunksOf(bytes: Uint8Array): Generator<Chunk> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let at = signature.length;
  for (;;) {
    if (at + frameBytes > bytes.length) throw truncated(bytes, at);
    const length = view.getUint32(at);
    const type = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    if (!/^[A-Za-z]{4}$/.test(type)) {
      throw new PngError(`found no chunk at offset ${at}: the file is damaged`);
    }
    const end = at + frameBytes + length;
    if (end > bytes.length) throw truncated(bytes, at);
    const found = crc32(bytes.subarray(at + 4, end - 4));
    const written = view.getUint32(end - 4);
    if (found !== written) {
      throw new PngError(
        `the checksum of its chunk ${type} at offset ${at} is ${inHex(found)}, the file says ` +
          `${inHex(written)}: the file is damaged`,
      );
    }
    yield { type, offset: at + 8, data: bytes.subarray(at + 8, end - 4) };
    if (type === "IEND") return;
    at = end;
  }
}

function truncated(bytes: Uint8Array, at: number): PngError {
  return new PngError(
    `it does not end as a PNG does: what begins at offset ${at} goes on after its ${bytes.length} ` +
      "bytes; it is truncated",
  );
}

/** A reader may pass over a chunk that it does not know only where its first letter is small. */
function isCritical(type: string): boolean {
  return type[0] <= "Z";
}

function readHeader({ type, data, offset }: Chunk): PngHeader {
  if (type !== "IHDR" || data.length !== headerBytes) {
    throw new PngError(`expected its header of 13 bytes at offset 8, found ${type}`);
  }
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  const [width, height] = [view.getUint32(0), view.getUint32(4)];
  if (width === 0 || height === 0 || width * height > pixelsMax) {
    throw new PngError(
      `its header announces ${width}x${height} pixels at offset ${offset}, at most ${pixelsMax} ` +
        "pixels are taken",
    );
  }
  const [depth, colourType, compression, filter, interlace] = data.subarray(8);
  const kind = colourTypes[colourType];
  if (!kind?.depths.includes(depth) || compression !== 0 || filter !== 0 || interlace > 1) {
    throw new PngError(
      `its header has no kind of PNG at offset ${offset + 8}: depth ${depth}, colour type ` +
        `${colourType}, compression ${compression}, filter ${filter}, interlace ${interlace}`,
    );
  }
  const { channels } = kind;
  if (width * height * channels * depth / 8 > sampleBytesMax) {
    throw new PngError(
      `its header announces ${width}x${height} pixels of ${channels} x ${depth} bits at offset ` +
        `${offset}, at most ${sampleBytesMax} bytes are taken`,
    );
  }
  return {
    ...{ width, height, depth, channels },
    hasPalette: colourType === 3,
    isInterlaced: interlace === 1,
  };
}

function inHex(checksum: number): string {
  return checksum.toString(16).padStart(8, "0");
}
