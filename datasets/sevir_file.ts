/**
 * A file of SEVIR (M. Veillette, S. Samsi, C. Mattioli, "SEVIR: A Storm Event Imagery Dataset", 2020)
 * with vertically integrated liquid: `vil`, uint8 of four axes (`sevir_layout.ts`), and the events'
 * names in `id`. Files of gigabytes are read event by event. A value of 255 is missing, as SEVIR's
 * tutorial says; copies in wider integers or floats have the same codes, and NaN besides.
 */
import { BrokenPart, DatasetError, isBadFile } from "./dataset.ts";
import {
  Hdf5Dataset,
  type Hdf5File,
  hdf5Member,
  hdf5Reason,
  isHdf5Failure,
  readHdf5,
} from "./hdf5_file.ts";
import type { ImageSize } from "./resample.ts";
import { resampleMissing } from "./resample_missing.ts";
import { type SevirExtents, sevirExtents, type SevirLayout } from "./sevir_layout.ts";

/** How h5wasm names the types of `vil` that are read, after the order of their bytes. */
const codeTypes = ["B", "b", "H", "h", "I", "i", "f", "d"];
const codeMax = 255;
/** SEVIR's have 7 MB. */
const eventBytesMax = 256 * 1024 * 1024;
const chunksMax = 100_000;
const eventsMax = 1_000_000;
const nameBytesMax = 1024;
/** Events of a file of floats that are looked at to tell codes from fractions. */
const sampledEvents = 8;

export interface SevirFile extends SevirExtents {
  /** One for each event. */
  readonly ids: readonly string[];
  /** Bytes of one event's unpacked images. */
  readonly eventBytes: number;
}

/** @throws {DatasetError} if the file does not hold such images */
export function surveySevirFile(path: string, wanted?: SevirLayout): SevirFile {
  return readHdf5(path, (file) => {
    const { images, extents } = imagesOf(file, path, wanted);
    checkScale(images, extents, path);
    const eventBytes = images.metadata.size * extents.rows * extents.columns * extents.frames;
    return { ...extents, ids: namesOf(file, extents.events, path), eventBytes };
  });
}

function namesOf(file: Hdf5File, events: number, path: string): string[] {
  const names = hdf5Member(file, "id");
  const count = names instanceof Hdf5Dataset ? names.shape?.reduce((a, b) => a * b, 1) ?? 0 : 0;
  const isRead = count === events && names instanceof Hdf5Dataset &&
    names.metadata.size <= nameBytesMax;
  const values = isRead ? names.value : null;
  const ids = Array.isArray(values) || ArrayBuffer.isView(values)
    ? Array.from(values as ArrayLike<unknown>, (value) => textOf(value))
    : [];
  if (ids.length !== events) {
    throw new DatasetError(
      `Cannot read "${path}": it has ${events} events in "vil" and ${count} names in "id"`,
    );
  }
  return ids;
}

/** Refuses floats that are fractions of 1: read as codes, they would all be next to nothing. */
function checkScale(images: Hdf5Dataset, extents: SevirExtents, path: string): void {
  if (!["f", "d"].includes(kindOf(images))) return;
  let [largest, hasFraction] = [0, false];
  for (let event = 0; event < Math.min(extents.events, sampledEvents); event++) {
    for (const code of sampleOf(images, extents, event, path)) {
      if (code > largest) largest = code;
      if (code > 0 && code < 1) hasFraction = true;
    }
    if (largest > 1) return;
  }
  if (!hasFraction) return;
  throw new DatasetError(
    `Cannot read "${path}": "vil" holds fractions of 1 as real numbers, at most ${largest}; write codes ` +
      "of 0 to 254 as SEVIR publishes them, which is 255 times as much",
  );
}

/** An event that is broken says nothing about the others. */
function sampleOf(
  images: Hdf5Dataset,
  extents: SevirExtents,
  event: number,
  path: string,
): Numbers | [] {
  try {
    return codesOf(images, extents, event, 0, extents.frames, path);
  } catch (error) {
    if (!isBadFile(error)) throw error;
    return [];
  }
}

/**
 * @returns [frames, rows, columns] of `size`, where 1 is the stored value 255, and NaN is missing
 * @throws {DatasetError} if the event or its frames are not there, or a code is none; of kind
 * `BrokenPart` where HDF5 cannot unpack the event
 */
export function readSevirFrames(
  { path, event, offset, frames, size, layout }: {
    readonly path: string;
    readonly layout: SevirLayout;
    readonly event: number;
    readonly offset: number;
    readonly frames: number;
    readonly size: ImageSize;
  },
): Float32Array<ArrayBuffer> {
  return readHdf5(path, (file) => {
    const { images, extents } = imagesOf(file, path, layout);
    const { rows, columns } = extents;
    const codes = codesOf(images, extents, event, offset, frames, path);
    const pixels = rows * columns;
    const [frameStep, pixelStep] = layout === "NHWT" ? [1, frames] : [pixels, 1];
    const result = new Float32Array(frames * size[0] * size[1]);
    for (let frame = 0; frame < frames; frame++) {
      const image = Float32Array.from(
        { length: pixels },
        (_, pixel) => valueOf(codes[pixel * pixelStep + frame * frameStep], path),
      );
      result.set(resampleMissing(image, 1, [rows, columns], size), frame * size[0] * size[1]);
    }
    return result;
  });
}

/**
 * Reads all of an event, and keeps nothing.
 * @throws {DatasetError} if it cannot be unpacked, or a code is none
 */
export function checkSevirEvent(path: string, event: number, layout: SevirLayout): void {
  readHdf5(path, (file) => {
    const { images, extents } = imagesOf(file, path, layout);
    for (const code of codesOf(images, extents, event, 0, extents.frames, path)) {
      valueOf(code, path);
    }
  });
}

function codesOf(
  images: Hdf5Dataset,
  { layout, events, rows, columns, frames: all }: SevirExtents,
  event: number,
  offset: number,
  frames: number,
  path: string,
): Numbers {
  if (event >= events || offset + frames > all) {
    throw new DatasetError(
      `Cannot read frames ${offset} to ${offset + frames} of event ${event} of "${path}": it ` +
        `has ${events} events of ${all} frames; it was changed since it was opened`,
    );
  }
  const one: [number, number] = [event, event + 1];
  const span: [number, number] = [offset, offset + frames];
  let codes: unknown;
  try {
    codes = images.slice(layout === "NHWT" ? [one, [], [], span] : [one, span, [], []]);
  } catch (cause) {
    const ErrorOfIt = isHdf5Failure(cause) ? BrokenPart : DatasetError;
    throw new ErrorOfIt(
      `Cannot read event ${event} of "${path}": ${hdf5Reason(cause)}; download the file again`,
      { cause },
    );
  }
  if (!isNumbers(codes) || codes.length !== rows * columns * frames) {
    throw new DatasetError(`Cannot read event ${event} of "${path}": it is not whole`);
  }
  return codes;
}

function kindOf({ dtype }: Hdf5Dataset): string {
  return typeof dtype === "string" ? dtype.slice(1) : "";
}

interface FoundImages {
  readonly images: Hdf5Dataset;
  readonly extents: SevirExtents;
}

function imagesOf(file: Hdf5File, path: string, wanted?: SevirLayout): FoundImages {
  const images = hdf5Member(file, "vil");
  if (
    !(images instanceof Hdf5Dataset) || images.shape?.length !== 4 ||
    !codeTypes.includes(kindOf(images))
  ) {
    const found = images instanceof Hdf5Dataset
      ? `${images.dtype} of shape (${images.shape?.join(", ")})`
      : `none among ${file.keys().join(", ")}`;
    throw new DatasetError(
      `Cannot read "${path}": expected "vil", codes of 0 to 255 as uint8 of (events, rows, columns, ` +
        `frames), found ${found}`,
    );
  }
  const extents = sevirExtents(images.shape, path, wanted);
  checkSize(images, extents, path);
  return { images, extents };
}

/** Nothing is read that a header makes larger than any storm. */
function checkSize({ metadata }: Hdf5Dataset, extents: SevirExtents, path: string): void {
  const { events, rows, columns, frames } = extents;
  const bytes = rows * columns * frames * metadata.size;
  const { chunks, shape } = metadata;
  const pieces = chunks?.slice(1)
    .reduce((count, size, i) => count * Math.ceil(shape![i + 1] / size), 1) ?? 1;
  if (!(bytes > 0 && bytes <= eventBytesMax && events <= eventsMax && pieces <= chunksMax)) {
    throw new DatasetError(
      `Cannot read "${path}": "vil" has ${events} events of ${bytes} bytes in ${pieces} pieces, at ` +
        `most ${eventsMax} of ${eventBytesMax} in ${chunksMax} are read`,
    );
  }
}

type Numbers = Exclude<NodeJS.TypedArray, BigInt64Array | BigUint64Array>;

function isNumbers(codes: unknown): codes is Numbers {
  return ArrayBuffer.isView(codes) && !(codes instanceof DataView) &&
    !(codes instanceof BigInt64Array) && !(codes instanceof BigUint64Array);
}

function valueOf(code: number, path: string): number {
  if (code === codeMax || Number.isNaN(code)) return NaN;
  if (code >= 0 && code < codeMax) return code / codeMax;
  throw new DatasetError(
    `Cannot read "${path}": "vil" holds ${code}, which is no code of 0 to 254, nor 255 or NaN for what ` +
      "is missing; write it as SEVIR publishes it",
  );
}

function textOf(value: unknown): string {
  const text = value instanceof Uint8Array ? new TextDecoder().decode(value) : String(value);
  return text.replace(/[\s\0]+$/, "");
}
