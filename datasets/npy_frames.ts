/**
 * Frames as one NumPy array: (sequences, frames, rows, columns) or with channels last, of uint8 (255
 * is 1), float32 (taken as it is) or bool. They are read when they are asked for, so the file may be
 * larger than the memory.
 */
import { DatasetError, type FrameShape } from "./dataset.ts";
import { greyValues } from "./grey_values.ts";
import { npyTypes, openNpy } from "./npy.ts";

export interface NpyFrames {
  readonly path: string;
  readonly sequences: number;
  /** Of each sequence. */
  readonly frames: number;
  readonly frameShape: FrameShape;
  /**
   * [frames, rows, columns, channels]
   * @throws {DatasetError} where the file has become shorter or holds what is no number
   */
  read(sequence: number, offset: number, frames: number): Promise<Float32Array>;
  close(): void;
}

/** @throws {DatasetError} if the file is malformed or its shape is another one */
export async function openNpyFrames(path: string): Promise<NpyFrames> {
  const file = await openNpy(path, ["|u1", "<f4", "|b1"]);
  const [sequences, frames, rows, columns, channels = 1] = file.shape;
  if (file.shape.length < 4 || file.shape.length > 5 || file.shape.includes(0)) {
    file.close();
    throw new DatasetError(
      `Cannot read sequences from "${path}": expected shape (sequences, frames, rows, columns) or ` +
        `with channels, found (${file.shape.join(", ")})`,
    );
  }
  const frameBytes = rows * columns * channels * npyTypes[file.type];
  return {
    ...{ path, sequences, frames, frameShape: [rows, columns, channels] },
    async read(sequence, offset, count) {
      const start = (sequence * frames + offset) * frameBytes;
      const bytes = await file.read(start, count * frameBytes);
      if (file.type === "|u1") return greyValues(bytes);
      if (file.type === "|b1") return Float32Array.from(bytes);
      // Aligned, because the bytes have a buffer of their own.
      const values = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
      const wrong = values.findIndex((value) => !Number.isFinite(value));
      if (wrong >= 0) {
        throw new DatasetError(
          `Cannot use "${path}": sequence ${sequence} holds ${values[wrong]} in its frame ` +
            `${offset + Math.floor((wrong * 4) / frameBytes)}`,
        );
      }
      return values;
    },
    close: () => file.close(),
  };
}
