/**
 * Frames as one NumPy array: (sequences, frames, rows, columns) or with channels last, of uint8 (255
 * is 1), uint16 (65535 is 1), float16, float32, float64 or bool. They are read when they are asked for, so the file may be
 * larger than the memory.
 */
import { DatasetError, type FrameShape } from "./dataset.ts";
import { npyTypes, openNpy } from "./npy.ts";
import { npyValues, npyValueTypes } from "./npy_values.ts";

/**
 * Which floats are taken: those in [0, 1] alone, which PSNR, SSIM and cross-entropy take for granted
 * and would score wrong without a word, or any, as where data is standardized.
 */
export type FloatRange = "unit" | "any";
export const floatRanges: readonly FloatRange[] = ["unit", "any"];

/** For what rounding leaves of resized frames beyond 0 and 1. */
const unitTolerance = 1e-5;

export interface NpyFrames {
  readonly path: string;
  readonly sequences: number;
  /** Of each sequence. */
  readonly frames: number;
  readonly frameShape: FrameShape;
  /**
   * [frames, rows, columns, channels]
   * @throws {DatasetError} where the file has become shorter or holds what is no number, or one out
   *   of range
   */
  read(sequence: number, offset: number, frames: number): Promise<Float32Array>;
  close(): void;
}

/**
 * @param otherwise ends the error about another type or shape with what else can be done
 * @throws {DatasetError} if the file is malformed or its shape is another one
 */
export async function openNpyFrames(
  path: string,
  range: FloatRange,
  otherwise = "",
): Promise<NpyFrames> {
  const file = await openNpy(path, npyValueTypes, otherwise);
  const [sequences, frames, rows, columns, channels = 1] = file.shape;
  if (file.shape.length < 4 || file.shape.length > 5 || file.shape.includes(0)) {
    file.close();
    throw new DatasetError(
      `Cannot read sequences from "${path}": expected shape (sequences, frames, rows, columns) or ` +
        `with channels, found (${file.shape.join(", ")})${otherwise}`,
    );
  }
  const frameSize = rows * columns * channels;
  const frameBytes = frameSize * npyTypes[file.type];
  return {
    ...{ path, sequences, frames, frameShape: [rows, columns, channels] },
    async read(sequence, offset, count) {
      const start = (sequence * frames + offset) * frameBytes;
      const bytes = await file.read(start, count * frameBytes);
      const values = npyValues(file.type, bytes);
      const wrong = values.findIndex((value) => !isUsable(value, range));
      if (wrong >= 0) {
        throw new DatasetError(
          `Cannot use "${path}": sequence ${sequence} holds ${values[wrong]} in its frame ` +
            `${offset + Math.floor(wrong / frameSize)}` +
            (Number.isFinite(values[wrong]) ? outOfRange : ""),
        );
      }
      return values;
    },
    close: () => file.close(),
  };
}

const outOfRange = ", expected values in [0, 1], as losses and scores take them; divide grey " +
  "levels by 255 or save them as uint8, or have any values taken as they are with " +
  "--dataset-options range=any";

function isUsable(value: number, range: FloatRange): boolean {
  if (range === "any") return Number.isFinite(value);
  return value >= -unitTolerance && value <= 1 + unitTolerance;
}
