/**
 * A file of SEVIR (M. Veillette, S. Samsi, C. Mattioli, "SEVIR: A Storm Event Imagery Dataset", 2020)
 * with vertically integrated liquid: `vil`, uint8 of (events, rows, columns, frames), and the events'
 * names in `id`. Files of gigabytes are read event by event. A value of 255 is missing, as SEVIR's
 * tutorial says; copies in wider integers or floats have the same codes, and NaN besides.
 */
import { DatasetError } from "./dataset.ts";
import { Hdf5Dataset, type Hdf5File, hdf5Member, readHdf5 } from "./hdf5_file.ts";
import type { ImageSize } from "./resample.ts";
import { resampleMissing } from "./resample_missing.ts";

/** How h5wasm names the types of `vil` that are read. */
const codeTypes = ["<B", "<H", "<h", "<I", "<i", "<f", "<d"];
const codeMax = 255;

export interface SevirFile {
  readonly rows: number;
  readonly columns: number;
  /** Of each event. */
  readonly frames: number;
  /** One for each event. */
  readonly ids: readonly string[];
}

/** @throws {DatasetError} if the file does not hold such images */
export function surveySevirFile(path: string): SevirFile {
  return readHdf5(path, (file) => {
    const [events, rows, columns, frames] = imagesOf(file, path).shape!;
    const names = hdf5Member(file, "id");
    const values = names instanceof Hdf5Dataset ? names.value : null;
    const ids = Array.isArray(values) ? values.map((value) => textOf(value)) : [];
    if (ids.length !== events) {
      throw new DatasetError(
        `Cannot read "${path}": it has ${events} events in "vil" and ${ids.length} names in "id"`,
      );
    }
    return { rows, columns, frames, ids };
  });
}

/**
 * @returns [frames, rows, columns] of `size`, where 1 is the stored value 255, and NaN is missing
 * @throws {DatasetError} if the event or its frames are not there, or a code is none
 */
export function readSevirFrames(
  { path, event, offset, frames, size }: {
    readonly path: string;
    readonly event: number;
    readonly offset: number;
    readonly frames: number;
    readonly size: ImageSize;
  },
): Float32Array<ArrayBuffer> {
  return readHdf5(path, (file) => {
    const images = imagesOf(file, path);
    const [events, rows, columns, all] = images.shape!;
    if (event >= events || offset + frames > all) {
      throw new DatasetError(
        `Cannot read frames ${offset} to ${offset + frames} of event ${event} of "${path}": it ` +
          `has ${events} events of ${all} frames; it was changed since it was opened`,
      );
    }
    const codes = images.slice([[event, event + 1], [], [], [offset, offset + frames]]);
    const pixels = rows * columns;
    if (!isNumbers(codes) || codes.length !== pixels * frames) {
      throw new DatasetError(`Cannot read event ${event} of "${path}": it is not whole`);
    }
    const result = new Float32Array(frames * size[0] * size[1]);
    for (let frame = 0; frame < frames; frame++) {
      const image = Float32Array.from(
        { length: pixels },
        (_, pixel) => valueOf(codes[pixel * frames + frame], path),
      );
      result.set(resampleMissing(image, 1, [rows, columns], size), frame * size[0] * size[1]);
    }
    return result;
  });
}

function imagesOf(file: Hdf5File, path: string): Hdf5Dataset {
  const images = hdf5Member(file, "vil");
  if (
    !(images instanceof Hdf5Dataset) || images.shape?.length !== 4 ||
    !codeTypes.includes(images.dtype as string)
  ) {
    const found = images instanceof Hdf5Dataset
      ? `${images.dtype} of shape (${images.shape?.join(", ")})`
      : `none among ${file.keys().join(", ")}`;
    throw new DatasetError(
      `Cannot read "${path}": expected "vil", codes of 0 to 255 as uint8 of (events, rows, columns, ` +
        `frames), found ${found}`,
    );
  }
  return images;
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
  return value instanceof Uint8Array ? new TextDecoder().decode(value) : String(value);
}
