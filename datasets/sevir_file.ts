/**
 * A file of SEVIR (M. Veillette, S. Samsi, C. Mattioli, "SEVIR: A Storm Event Imagery Dataset", 2020)
 * with vertically integrated liquid: `vil`, uint8 of (events, rows, columns, frames), and the events'
 * names in `id`. Files of gigabytes are read event by event.
 */
import { DatasetError } from "./dataset.ts";
import { Hdf5Dataset, type Hdf5File, hdf5Member, readHdf5 } from "./hdf5_file.ts";
import { type ImageSize, resample } from "./resample.ts";

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
 * @returns [frames, rows, columns] of `size`, where 1 is the stored value 255
 * @throws {DatasetError} if the event or its frames are not there
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
    if (!(codes instanceof Uint8Array) || codes.length !== pixels * frames) {
      throw new DatasetError(`Cannot read event ${event} of "${path}": it is not whole`);
    }
    const result = new Float32Array(frames * size[0] * size[1]);
    for (let frame = 0; frame < frames; frame++) {
      const image = Float32Array.from(
        { length: pixels },
        (_, pixel) => codes[pixel * frames + frame] / 255,
      );
      result.set(resample(image, 1, [rows, columns], size), frame * size[0] * size[1]);
    }
    return result;
  });
}

function imagesOf(file: Hdf5File, path: string): Hdf5Dataset {
  const images = hdf5Member(file, "vil");
  if (
    !(images instanceof Hdf5Dataset) || images.shape?.length !== 4 || images.dtype !== "<B"
  ) {
    const found = images instanceof Hdf5Dataset
      ? `${images.dtype} of shape (${images.shape?.join(", ")})`
      : `none among ${file.keys().join(", ")}`;
    throw new DatasetError(
      `Cannot read "${path}": expected "vil", uint8 of (events, rows, columns, frames), found ${found}`,
    );
  }
  return images;
}

function textOf(value: unknown): string {
  return value instanceof Uint8Array ? new TextDecoder().decode(value) : String(value);
}
