/** Any sequences as one NumPy array, and the answers to them as another where there are some. */
import { type Dataset, DatasetError, type FrameShape, type ReadRequest } from "./dataset.ts";
import type { NpyAnswers } from "./npy_answers.ts";
import { type NpyFrames, openNpyFrames, type ValueRange } from "./npy_frames.ts";
import { type FirstAxis, layoutOf } from "./npy_layout.ts";
import { openNpyTargets } from "./npy_targets.ts";
import { requestedEntry } from "./requested_entry.ts";
import { type HeldFrames, sequenceParts, type SequenceSplit } from "./sequence_parts.ts";

export interface NpyDatasetOptions extends HeldFrames {
  readonly path: string;
  /** Name of the frames in an `.npz` file. @default {""} */
  readonly array?: string;
  /** Letters N, T, C, H, W in the order of the axes; empty where the shape tells. @default {""} */
  readonly layout?: string;
  /** File of the answers to each frame; undefined where frames are their own. */
  readonly targetPath?: string;
  /** As of the frames. @default {""} */
  readonly targetArray?: string;
  /** As of the frames; of classes C numbers them one-hot. @default {""} */
  readonly targetLayout?: string;
  /** How many classes the answers are of; 0 where they are images. @default {0} */
  readonly classes?: number;
  /** The class of what is not labelled, which is to be ignored; empty for none. @default {""} */
  readonly ignoredClass?: string;
  /**
   * Whether the first 80 % of the sequences train, the next 10 % validate and the last 10 % test, or
   * all of them test, or each of them is split so along its time. @default {"parts"}
   */
  readonly fileSplit?: SequenceSplit;
  /** Range of the numbers in frames, and in answers that are images. @default {"unit"} */
  readonly range?: ValueRange | "auto";
  /** A number that stands for what was not observed, or "nan". @default {""} */
  readonly missing?: string;
  /** What the dataset is called, where it is one of its own. @default {"npy"} */
  readonly name?: string;
  /** Which axis comes first where the shape does not tell. @default {"N"} */
  readonly first?: FirstAxis;
  /** Rows and columns of frames that are grey and square, where they are known. */
  readonly greySize?: number;
}

/** @throws {DatasetError} if a file is malformed or its shape is another one */
export async function openNpyDataset(options: NpyDatasetOptions): Promise<Dataset> {
  const { path, array, layout = "", targetPath, classes = 0, missing = "" } = options;
  const { range = "unit", first = "N", fileSplit = "parts", greySize } = options;
  const frames = await openNpyFrames({
    ...{ path, array, range, missing },
    layoutOf: (shape, path) =>
      layoutOf(shape, path, {
        ...{ layout, first, isOneVideo: fileSplit === "time", isGrey: greySize !== undefined },
      }),
    ...(layout === "" && { assumed: first }),
  });
  let targets: NpyAnswers | undefined;
  try {
    if (greySize !== undefined) checkGrey(frames, greySize);
    targets = targetPath === undefined ? undefined : await openNpyTargets(targetPath, {
      ...{ classes, range, missing, array: options.targetArray },
      layout: options.targetLayout ?? "",
      ignoredClass: options.ignoredClass ?? "",
    }, frames);
    return datasetOf(frames, options, targets, targetPath);
  } catch (error) {
    frames.close();
    targets?.close();
    throw error;
  }
}

function checkGrey({ path, shape, frameShape }: NpyFrames, size: number): void {
  const [rows, columns, channels] = frameShape;
  if (rows === size && columns === size && channels === 1) return;
  throw new DatasetError(
    `Cannot read sequences from "${path}": expected grey frames of ${size}x${size}, found ` +
      `${frameShape.join("x")} in shape (${shape.join(", ")}); ` +
      (rows === columns && channels === 1
        ? `give --size ${rows}`
        : "give --dataset npy, which takes frames of any size"),
  );
}

function datasetOf(
  file: NpyFrames,
  { name = "npy", fileSplit = "parts", testFrames, validationFrames }: NpyDatasetOptions,
  targets: NpyAnswers | undefined,
  targetPath: string | undefined,
): Dataset {
  const { path, sequences, frames, frameShape, layout, shape, scaleInWords } = file;
  const { catalogue, placeOf, inWords } = sequenceParts(
    ...[sequences, frames, fileSplit, path, { testFrames, validationFrames }] as const,
  );
  const readFrom = (source: Pick<NpyFrames, "read">) => (request: ReadRequest) => {
    requestedEntry(catalogue[request.split], request);
    const { sequence, start } = placeOf(request.split, request.sequence);
    return source.read(sequence, start + request.offset, request.frames);
  };
  const warnings = [...file.warnings, ...targets?.warnings ?? []];
  return {
    name,
    frameShape: frameShape as FrameShape,
    description: `${sequences} ${sequences === 1 ? "sequence" : "sequences"} of ${frames} ` +
      `${frames === 1 ? "frame" : "frames"} ` +
      `of ${frameShape.join("x")} from ${path}, axes ${layout} of (${shape.join(", ")})` +
      `${scaleInWords && `, ${scaleInWords}`}, ${inWords}` +
      (targets ? `, with the answers of ${targetPath}, ${targets.inWords}` : ""),
    unit: name === "npy" ? "1" : "white",
    ...(warnings.length > 0 && { warnings }),
    ...(file.hasMissing && { hasMissing: true }),
    catalogue: (split) => catalogue[split],
    read: readFrom(file),
    ...(targets && {
      targetShape: targets.targetShape,
      ...(targets.classes && { classes: targets.classes }),
      ...(targets.hasMissing && { hasMissingTargets: true }),
      readTargets: readFrom(targets),
    }),
    close() {
      file.close();
      targets?.close();
    },
  };
}
