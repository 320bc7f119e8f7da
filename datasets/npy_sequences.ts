/**
 * Sequences in the layout of the published `mnist_test_seq.npy`: uint8, (frames, sequences, rows,
 * columns), where a sequence's frames lie far apart. Frames are read when they are asked for, so
 * the 819 MB of the official file are never in memory.
 */
import { type Dataset, DatasetError, type SequenceEntry, type Split } from "./dataset.ts";
import { greyValues } from "./grey_values.ts";
import { type NpyFile, openNpy } from "./npy.ts";
import { requestedEntry } from "./requested_entry.ts";
import { fileRanges, type FileSplit } from "./split_ranges.ts";

/**
 * @param fileSplit whether the first 80 % of the file's sequences train, the next 10 % validate and the
 *   last 10 % test, or all of them test
 * @throws {DatasetError} if the file is malformed or its frames are not frameSize x frameSize
 */
export async function openNpySequences(
  name: string,
  path: string,
  frameSize: number,
  fileSplit: FileSplit,
): Promise<Dataset> {
  const file = await openNpy(path);
  try {
    return sequencesOf(file, name, frameSize, fileSplit);
  } catch (error) {
    file.close();
    throw error;
  }
}

function sequencesOf(
  file: NpyFile,
  name: string,
  frameSize: number,
  fileSplit: FileSplit,
): Dataset {
  const { path, shape } = file;
  const [frames, sequences, rows, columns] = shape;
  if (shape.length !== 4 || frames < 1 || rows !== frameSize || columns !== frameSize) {
    throw new DatasetError(
      `Cannot read sequences from "${path}": expected shape (frames, sequences, ${frameSize}, ` +
        `${frameSize}), found (${shape.join(", ")})`,
    );
  }
  const { ranges, inWords } = fileRanges(sequences, fileSplit, path);
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
  const frameBytes = rows * columns;
  return {
    name,
    frameShape: [rows, columns, 1],
    description: `${sequences} sequences of ${frames} frames from ${path}, ${inWords}`,
    unit: "white",
    catalogue: (split) => catalogue[split],
    async read(request) {
      requestedEntry(catalogue[request.split], request);
      const sequence = ranges[request.split][0] + request.sequence;
      const values = new Float32Array(request.frames * frameBytes);
      for (let i = 0; i < request.frames; i++) {
        const index = (request.offset + i) * sequences + sequence;
        values.set(greyValues(await file.read(index * frameBytes, frameBytes)), i * frameBytes);
      }
      return values;
    },
    close: () => file.close(),
  };
}
