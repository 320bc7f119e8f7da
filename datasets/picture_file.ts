/** Picture files as frames: grey or colour, 8 or 16 bits, any size. */
import { DatasetError } from "./dataset.ts";
import { attempt } from "./files.ts";
import { decodeJpeg, isJpeg, JpegError, type JpegHeader, readJpegHeader } from "./jpeg.ts";
import { pixelsMax, PngError, readPngHeader } from "./png_chunks.ts";
import { checkPng, decodePng, type PngPixels } from "./png_pixels.ts";
import { type ImageRows, type ImageSize, resampleRows } from "./resample.ts";

/** Bytes that are read of a file to find its header, which most have at the very start. */
const headBytes = 16 * 1024;
/** ITU-R BT.601, as Pillow turns colour into grey. */
const luma = [0.299, 0.587, 0.114];

/**
 * What a file's header says, in little time; its pixels may be broken all the same.
 * @returns its rows and columns
 * @throws {DatasetError} if it is no picture of a size that is taken
 */
export async function checkPicture(path: string): Promise<ImageSize> {
  const head = new Uint8Array(headBytes);
  const { read, size } = await attempt(path, async () => {
    using file = await Deno.open(path);
    return { read: await file.read(head) ?? 0, size: (await file.stat()).size };
  });
  const bytes = head.subarray(0, read);
  const { width, height } = named(
    path,
    size,
    () => isJpeg(bytes) ? readJpegHeader(bytes) : readPngHeader(bytes),
  ) ?? await wholeJpegHeader(path);
  return [height, width];
}

/** Cameras write a preview and more before the size. */
async function wholeJpegHeader(path: string): Promise<JpegHeader> {
  const bytes = await attempt(path, () => Deno.readFile(path));
  return named(path, bytes.length, () => {
    const header = readJpegHeader(bytes);
    if (header === undefined) throw new JpegError("it ends before its size was told");
    return header;
  });
}

/**
 * Reads the file whole, compares its checksums and unpacks its pixels.
 * @throws {DatasetError} if it is no picture that can be decoded
 */
export async function verifyPicture(path: string): Promise<void> {
  const bytes = await attempt(path, () => Deno.readFile(path));
  named(path, bytes.length, () => isJpeg(bytes) ? decodeJpeg(bytes) : checkPng(bytes));
}

/**
 * @returns [rows, columns, channels] of `size` in [0, 1], transparency left out
 * @param path names the file in errors
 * @throws {DatasetError} if it is no picture that can be decoded, or the size is none that is made
 */
export function decodePicture(
  bytes: Uint8Array,
  path: string,
  size: ImageSize,
  channels: 1 | 3,
): Float32Array<ArrayBuffer> {
  if (!(size[0] * size[1] <= pixelsMax)) {
    throw new DatasetError(
      `Cannot resize "${path}" to ${size.join("x")} pixels: at most ${pixelsMax} are made`,
    );
  }
  const pixels = named(
    path,
    bytes.length,
    () => isJpeg(bytes) ? decodeJpeg(bytes) : decodePng(bytes),
  );
  return resampleRows(channels === 1 ? greyRows(pixels) : colourRows(pixels), size);
}

type Pixels = Pick<
  PngPixels,
  "width" | "height" | "depth" | "channels" | "samples" | "palette"
>;

/** Runs a step of decoding a file of that many bytes, whose failure then names the file. */
function named<T>(path: string, size: number, step: () => T): T {
  try {
    return step();
  } catch (cause) {
    if (!(cause instanceof PngError || cause instanceof JpegError)) throw cause;
    throw new DatasetError(`Cannot decode "${path}" of ${size} bytes: ${cause.message}`, { cause });
  }
}

/** A level of a sample, or a place in the palette, as values in [0, 1] of red, green and blue. */
function coloursOf({ depth, palette }: Pixels): readonly Float32Array[] {
  if (!palette) {
    const most = 2 ** depth - 1;
    const grey = Float32Array.from({ length: most + 1 }, (_, level) => level / most);
    return [grey, grey, grey];
  }
  return [0, 1, 2].map((channel) =>
    Float32Array.from({ length: palette.length / 3 }, (_, i) => palette[3 * i + channel] / 255)
  );
}

function colourRows(pixels: Pixels): ImageRows {
  const { width, height, samples, channels: stored } = pixels;
  const [red, green, blue] = coloursOf(pixels);
  // Grey, with or without transparency, and places in a palette are one sample of a pixel.
  const [second, third] = stored >= 3 ? [1, 2] : [0, 0];
  return {
    ...{ size: [height, width], channels: 3 },
    read(row, into) {
      for (let at = row * width * stored, to = 0; to < into.length; at += stored, to += 3) {
        into[to] = red[samples[at]];
        into[to + 1] = green[samples[at + second]];
        into[to + 2] = blue[samples[at + third]];
      }
    },
  };
}

function greyRows(pixels: Pixels): ImageRows {
  const { width, height, samples, palette, channels: stored } = pixels;
  const colours = coloursOf(pixels);
  const size = [height, width] as const;
  if (stored < 3) {
    const [red, green, blue] = colours;
    const grey = palette
      ? red.map((value, i) => luma[0] * value + luma[1] * green[i] + luma[2] * blue[i])
      : red;
    return {
      ...{ size, channels: 1 },
      read(row, into) {
        for (let at = row * width * stored, to = 0; to < into.length; at += stored, to++) {
          into[to] = grey[samples[at]];
        }
      },
    };
  }
  const [red, green, blue] = colours.map((values, channel) =>
    Float64Array.from(values, (value) => luma[channel] * value)
  );
  return {
    ...{ size, channels: 1 },
    read(row, into) {
      for (let at = row * width * stored, to = 0; to < into.length; at += stored, to++) {
        into[to] = red[samples[at]] + green[samples[at + 1]] + blue[samples[at + 2]];
      }
    },
  };
}
