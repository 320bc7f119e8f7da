/**
 * JPEG files as pixels, and the one file that names their decoder: libjpeg, as WebAssembly, which gives
 * the very pixels that Pillow's gives. A JPEG has no checksum. What is cut off or cannot be is refused,
 * as libjpeg complains of it; other damage gives other pixels, here as in every program.
 */
import { fileURLToPath } from "node:url";
import createDecoder from "@jsquash/jpeg/codec/dec/mozjpeg_dec.js";
import { pixelsMax } from "./png_chunks.ts";

/** Why a file is no JPEG that can be read: ends a sentence that names the file. */
export class JpegError extends Error {
  override readonly name = "JpegError";
}

export interface JpegHeader {
  readonly width: number;
  readonly height: number;
  /** In the file: 1 for grey, 3 for colour. */
  readonly components: 1 | 3;
}

export interface JpegPixels {
  readonly width: number;
  readonly height: number;
  readonly depth: 8;
  /** Grey, or red, green, blue and nothing. */
  readonly channels: 1 | 4;
  /** [height, width, channels] */
  readonly samples: Uint8Array;
  readonly palette: undefined;
}

/** Whether a file begins as a JPEG does, whatever its name. */
export function isJpeg(bytes: Uint8Array): boolean {
  return bytes[0] === 0xff && bytes[1] === 0xd8 && bytes[2] === 0xff;
}

/**
 * @param bytes of a file from its start, as many as there are
 * @returns undefined where the header lies behind them
 * @throws {JpegError} for a kind of JPEG, or a size, that is not taken
 */
export function readJpegHeader(bytes: Uint8Array): JpegHeader | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let at = 2;
  while (at + 10 <= bytes.length) {
    if (bytes[at] !== 0xff) throw new JpegError(`found no marker at offset ${at}: it is damaged`);
    const marker = bytes[at + 1];
    // Markers may stand behind any number of these, and some have no length.
    if (marker === 0xff) at += 1;
    else if (marker === 0x01 || (marker >= 0xd0 && marker <= 0xd7)) at += 2;
    else if (isFrame(marker)) return frameHeader(view, at, marker);
    else if (marker === 0xda || marker === 0xd9) {
      throw new JpegError(`its pixels begin at offset ${at}, before their size was told`);
    } else at += 2 + view.getUint16(at + 2);
  }
  return undefined;
}

function isFrame(marker: number): boolean {
  return marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
}

function frameHeader(view: DataView, at: number, marker: number): JpegHeader {
  const [precision, components] = [view.getUint8(at + 4), view.getUint8(at + 9)];
  const [height, width] = [view.getUint16(at + 5), view.getUint16(at + 7)];
  if (marker > 0xc2 || precision !== 8 || (components !== 1 && components !== 3)) {
    throw new JpegError(
      components === 4
        ? "its colours are those of print (CMYK); convert it to RGB"
        : `it is a JPEG of a rare kind (marker ${marker.toString(16)}, ${precision} bits, ` +
          `${components} components); convert it to PNG`,
    );
  }
  if (width === 0 || height === 0 || width * height > pixelsMax) {
    throw new JpegError(
      `its header announces ${width}x${height} pixels at offset ${at}, at most ${pixelsMax} ` +
        "pixels are taken",
    );
  }
  return { width, height, components };
}

/** @throws {JpegError} if the file is damaged, as far as that can be told, or not taken */
export function decodeJpeg(bytes: Uint8Array): JpegPixels {
  const header = readJpegHeader(bytes);
  if (header === undefined) {
    throw new JpegError("it ends before its size was told; it is truncated");
  }
  const { width, height, components } = header;
  const rgba = decodeColours(bytes);
  if (rgba.length !== width * height * 4) {
    throw new JpegError(`it has ${rgba.length / 4} pixels, not the ${width}x${height} announced`);
  }
  if (components === 3) {
    return { width, height, depth: 8, channels: 4, samples: rgba, palette: undefined };
  }
  const grey = new Uint8Array(width * height);
  for (let pixel = 0; pixel < grey.length; pixel++) grey[pixel] = rgba[4 * pixel];
  return { width, height, depth: 8, channels: 1, samples: grey, palette: undefined };
}

interface Decoder {
  decode(bytes: Uint8Array, turnsUpright: boolean): { readonly data: Uint8ClampedArray } | null;
}

let compiled: WebAssembly.Module | undefined;
let decoder: Decoder | undefined;
const complaints: string[] = [];

function decodeColours(bytes: Uint8Array): Uint8Array {
  complaints.length = 0;
  let data: Uint8ClampedArray | undefined;
  try {
    decoder ??= startDecoder();
    data = decoder.decode(bytes, false)?.data;
  } catch (cause) {
    // What it held is lost with it.
    decoder = undefined;
    const why = complaints[0] ?? (cause instanceof Error ? cause.message : String(cause));
    throw new JpegError(`libjpeg cannot read it: ${why}`, { cause });
  }
  // It goes on with grey in place of what is missing, which nobody asked for.
  const complaint = complaints.find((line) => !isOfPadding(line, bytes));
  if (data === undefined || complaint !== undefined) {
    throw new JpegError(`libjpeg complains: ${complaint ?? "no pixels"}`);
  }
  return new Uint8Array(data.buffer, data.byteOffset, data.length);
}

/**
 * Whether a complaint is of zeros between the last pixel and the end, as cameras write them to fill
 * a block. Other bytes there are what damage leaves over.
 */
function isOfPadding(complaint: string, bytes: Uint8Array): boolean {
  const [, count] = /: (\d+) extraneous bytes before marker 0xd9/.exec(complaint) ?? [];
  if (count === undefined) return false;
  for (let at = bytes.indexOf(0xff); at >= 0; at = bytes.indexOf(0xff, at + 1)) {
    if (bytes[at + 1] !== 0xd9 || at < Number(count)) continue;
    if (bytes.subarray(at - Number(count), at).every((byte) => byte === 0)) return true;
  }
  return false;
}

/** At once, though the library's own way is a promise: it has what it would wait for. */
function startDecoder(): Decoder {
  compiled ??= new WebAssembly.Module(Deno.readFileSync(fileURLToPath(
    import.meta.resolve("@jsquash/jpeg/codec/dec/mozjpeg_dec.wasm"),
  )));
  const program = compiled;
  const started = {
    noInitialRun: true,
    instantiateWasm(imports: WebAssembly.Imports, done: (instance: unknown) => void) {
      const instance = new WebAssembly.Instance(program, imports);
      done(instance);
      return instance.exports;
    },
    printErr: (line: string) => void complaints.push(line),
    print: (line: string) => void complaints.push(line),
  };
  void createDecoder(started);
  return started as unknown as Decoder;
}
