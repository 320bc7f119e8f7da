/**
 * Any sequences as one NumPy array: (sequences, frames, rows, columns) or with channels last, uint8
 * (255 is 1) or float32 (taken as it is). Frames are read when they are asked for, so the file may
 * be larger than the memory.
 */
import { type Dataset, DatasetError, type SequenceEntry, type Split } from "./dataset.ts";
import { greyValues } from "./grey_values.ts";
import { openNpy } from "./npy.ts";
import { requestedEntry } from "./requested_entry.ts";
import { splitRanges } from "./split_ranges.ts";

/**
 * The first 80 % of the sequences train, the next 10 % validate, the last 10 % test.
 * @throws {DatasetError} if the file is malformed or its shape is another one
 */
export async function openNpyDataset(path: string): Promise<Dataset> {
  const file = await openNpy(path, ["|u1", "<f4"]);
  const [sequences, frames, rows, columns, channels = 1] = file.shape;
  if (file.shape.length < 4 || file.shape.length > 5 || file.shape.includes(0)) {
    file.close();
    throw new DatasetError(
      `Cannot read sequences from "${path}": expected shape (sequences, frames, rows, columns) or ` +
        `with channels, found (${file.shape.join(", ")})`,
    );
  }
  let ranges;
  try {
    ranges = splitRanges(sequences, `the sequences of "${path}"`);
  } catch (error) {
    file.close();
    throw error;
  }
  const entriesOf = (split: Split): SequenceEntry[] => {
    const [first, end] = ranges[split];
    return Array.from({ length: end - first }, (_, index) => ({
      id: `${split}/${String(first + index).padStart(6, "0")}`,
      frames,
    }));
  };
  const catalogue = {
    train: entriesOf("train"),
    validation: entriesOf("validation"),
    test: entriesOf("test"),
  };
  const isBytes = file.type === "|u1";
  const frameBytes = rows * columns * channels * (isBytes ? 1 : 4);
  return {
    name: "npy",
    frameShape: [rows, columns, channels],
    description: `${sequences} sequences of ${frames} frames of ${rows}x${columns}x${channels} ` +
      `from ${path}, in file order: first ${catalogue.train.length} for training, next ` +
      `${catalogue.validation.length} for validation, last ${catalogue.test.length} for test`,
    unit: "1",
    catalogue: (split) => catalogue[split],
    async read(request) {
      requestedEntry(catalogue[request.split], request);
      const sequence = ranges[request.split][0] + request.sequence;
      const start = (sequence * frames + request.offset) * frameBytes;
      const bytes = await file.read(start, request.frames * frameBytes);
      if (isBytes) return greyValues(bytes);
      // Aligned, because the bytes have a buffer of their own.
      const values = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
      const wrong = values.findIndex((value) => !Number.isFinite(value));
      if (wrong >= 0) {
        throw new DatasetError(
          `Cannot use "${path}": sequence ${sequence} holds ${values[wrong]} in its frame ` +
            `${request.offset + Math.floor((wrong * 4) / frameBytes)}`,
        );
      }
      return values;
    },
    close: () => file.close(),
  };
}
