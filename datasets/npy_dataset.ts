/** Any sequences as one NumPy array, and the answers to them as another where there are some. */
import { type Dataset, type ReadRequest, type SequenceEntry, type Split } from "./dataset.ts";
import { type FloatRange, type NpyFrames, openNpyFrames } from "./npy_frames.ts";
import { type NpyTargets, openNpyTargets } from "./npy_targets.ts";
import { requestedEntry } from "./requested_entry.ts";
import { fileRanges, type FileSplit } from "./split_ranges.ts";

export interface NpyDatasetOptions {
  readonly path: string;
  /** File of the answers to each frame; undefined where frames are their own. */
  readonly targetPath?: string;
  /** How many classes the answers are of; 0 where they are images. @default {0} */
  readonly classes?: number;
  /**
   * Whether the first 80 % of the sequences train, the next 10 % validate and the last 10 % test, or
   * all of them test. @default {"parts"}
   */
  readonly fileSplit?: FileSplit;
  /** Of floats in frames, and in answers that are images. @default {"unit"} */
  readonly range?: FloatRange;
}

/** @throws {DatasetError} if a file is malformed or its shape is another one */
export async function openNpyDataset(options: NpyDatasetOptions): Promise<Dataset> {
  const { path, targetPath, classes = 0, fileSplit = "parts", range = "unit" } = options;
  const frames = await openNpyFrames(path, range);
  let targets: NpyTargets | undefined;
  try {
    targets = targetPath === undefined
      ? undefined
      : await openNpyTargets(targetPath, { classes, range }, frames);
    return datasetOf(frames, fileSplit, targets, targetPath);
  } catch (error) {
    frames.close();
    targets?.close();
    throw error;
  }
}

function datasetOf(
  file: NpyFrames,
  fileSplit: FileSplit,
  targets: NpyTargets | undefined,
  targetPath: string | undefined,
): Dataset {
  const { path, sequences, frames, frameShape } = file;
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
  const readFrom = (source: Pick<NpyFrames, "read">) => (request: ReadRequest) => {
    requestedEntry(catalogue[request.split], request);
    const sequence = ranges[request.split][0] + request.sequence;
    return source.read(sequence, request.offset, request.frames);
  };
  return {
    name: "npy",
    frameShape,
    description: `${sequences} sequences of ${frames} frames of ${frameShape.join("x")} ` +
      `from ${path}, ${inWords}` +
      (targets ? `, with the answers of ${targetPath}, ${targets.inWords}` : ""),
    unit: "1",
    catalogue: (split) => catalogue[split],
    read: readFrom(file),
    ...(targets && {
      targetShape: targets.targetShape,
      ...(targets.classes && { classes: targets.classes }),
      readTargets: readFrom(targets),
    }),
    close() {
      file.close();
      targets?.close();
    },
  };
}
