/** Datasets by name: the one place that knows them all, and the options of each. */
import { OptionError, type Options, type OptionSpec, resolveOptions } from "../net/options.ts";
import { type DatasetName, datasetNames } from "../net/run_configuration.ts";
import { augmented } from "./augmentation.ts";
import { bouncingBalls } from "./bouncing_balls.ts";
import { type Dataset, DatasetError } from "./dataset.ts";
import { openFrameFolder } from "./frame_folder.ts";
import { type VideosBy, videosChoices } from "./frame_names.ts";
import { openImageFolder } from "./image_folder.ts";
import { openMnistImages } from "./mnist_images.ts";
import { type MovingMnistOptions, openMovingMnist } from "./moving_mnist.ts";
import { movingPoints } from "./moving_points.ts";
import { openNpyDataset } from "./npy_dataset.ts";
import { type ValueRange, valueRanges } from "./npy_frames.ts";
import { openRadar, type RadarOptions } from "./radar.ts";
import { odimQuantities } from "./radar_frame.ts";
import { openSevir } from "./sevir.ts";
import { type SevirLayout, sevirLayouts } from "./sevir_layout.ts";
import { type SequenceSplit, sequenceSplits } from "./sequence_parts.ts";
import type { FileSplit } from "./split_ranges.ts";

export { datasetNames };

export interface DatasetOptions extends MovingMnistOptions, RadarOptions {
  /** One of `datasetNames`. */
  readonly name: string;
  /** Those of the dataset's own that were given. */
  readonly options?: Options;
}

interface DatasetDefinition {
  readonly options: readonly OptionSpec[];
  /** What `--data` has to name, where the dataset is nothing without it. */
  readonly needs?: string;
  /** Why its sequences are never flipped or rotated, where that would make their answers wrong. */
  readonly keptUpright?: string;
  /** @param own every declared option */
  open(options: DatasetOptions, own: Options, seed: number): Promise<Dataset> | Dataset;
}

const augmentation: readonly OptionSpec[] = [
  { name: "flips", default: false, meaning: "training sequences flipped at random" },
  { name: "rotations", default: false, meaning: "training sequences turned by quarters at random" },
];

const frameSize = (rows: number, columns: number): readonly OptionSpec[] => [
  { name: "rows", default: rows, min: 1, max: 4096, meaning: "height of frames" },
  { name: "columns", default: columns, min: 1, max: 4096, meaning: "width of frames" },
];
const sizeOf = (own: Options) => [own.rows as number, own.columns as number] as const;

/** Options that mean nothing for what is generated. */
function ofFiles(specs: readonly OptionSpec[]): readonly OptionSpec[] {
  return specs.map((spec) => ({ ...spec, ofFiles: true }));
}

const sequenceSplitOption: OptionSpec = {
  name: "split",
  default: "parts",
  choices: sequenceSplits,
  meaning: "sequences are cut into training, validation and test, are all for test, or each is " +
    "cut along its time",
};
/** Options that describe a NumPy file of sequences. */
const sequenceFile = ofFiles([
  {
    name: "layout",
    default: "",
    meaning: "the file's axes in order, by letters of NTCHW: sequences, frames, channels, rows, " +
      "columns; where the shape does not tell",
  },
  { name: "array", default: "", meaning: "name of the frames in an .npz file" },
  sequenceSplitOption,
  { name: "test-frames", default: 0, min: 0, meaning: "last ones, of split=time; 0 for a tenth" },
  {
    name: "validation-frames",
    default: 0,
    min: 0,
    meaning: "those before, of split=time; 0 for a tenth",
  },
]);
const sequenceFileOf = (own: Options) => ({
  layout: own.layout as string,
  array: own.array as string,
  fileSplit: own.split as SequenceSplit,
  testFrames: own["test-frames"] as number || undefined,
  validationFrames: own["validation-frames"] as number || undefined,
});

const definitions: { readonly [name in DatasetName]: DatasetDefinition } = {
  "moving-mnist": {
    options: [
      { name: "segmentation", default: false, meaning: "answers are the digit at each pixel" },
      ...sequenceFile,
    ],
    open: (options, own, seed) =>
      openMovingMnist({
        ...options,
        segmentation: own.segmentation as boolean,
        ...sequenceFileOf(own),
      }, seed),
  },
  "radar": {
    options: ofFiles([
      {
        name: "split",
        default: "area",
        choices: ["area", "time"],
        meaning: "recorded scans are split by area, or by time with the last scans for test",
      },
      { name: "test-scans", default: 0, min: 0, meaning: "of a split by time; 0 for a tenth" },
      {
        name: "validation-scans",
        default: 0,
        min: 0,
        meaning: "of a split by time; 0 for a tenth",
      },
      {
        name: "context-scans",
        default: 0,
        min: 0,
        meaning: "of a split by time: earlier scans that validation and test read as input",
      },
      {
        name: "tile-step",
        default: 0,
        min: 0,
        meaning: "pixels from one recorded tile to the next; 0 for side by side",
      },
      {
        name: "wet-share-min",
        default: 0,
        min: 0,
        max: 1,
        fraction: true,
        meaning: "recorded sequences with rain on a smaller share of their pixels are left out",
      },
      {
        name: "observed-share-min",
        default: 1,
        min: 0,
        max: 1,
        fraction: true,
        meaning:
          "recorded tiles are left out of scans that observe less of them; what is missing " +
          "counts nowhere",
      },
      {
        name: "files",
        default: "",
        meaning:
          "of the recorded files, those whose names fit a pattern of * and ?; all without it",
      },
      {
        name: "quantity",
        default: "auto",
        choices: ["auto", ...odimQuantities],
        meaning: "that is read of recorded files, as ODIM names it; by that order without it",
      },
      {
        name: "image",
        default: "",
        meaning: "that is read of files that hold several, e.g. dataset2/data1 or image2",
      },
      {
        name: "accumulation-minutes",
        default: 0,
        min: 0,
        max: 44_640,
        meaning: "over which recorded rain was summed, where the files do not say; 0 for theirs",
      },
    ]),
    open: (options, own, seed) =>
      openRadar({
        ...options,
        split: own.split as "area" | "time",
        testScans: own["test-scans"] as number || undefined,
        validationScans: own["validation-scans"] as number || undefined,
        contextScans: own["context-scans"] as number,
        tileStep: own["tile-step"] as number || undefined,
        wetShareMin: own["wet-share-min"] as number,
        observedShareMin: own["observed-share-min"] as number,
        files: own.files as string || undefined,
        choice: {
          quantity: own.quantity === "auto" ? undefined : own.quantity as string,
          image: own.image as string || undefined,
          accumulationMinutes: own["accumulation-minutes"] as number || undefined,
        },
      }, seed),
  },
  "mnist": {
    options: [
      {
        name: "classes",
        default: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
        min: 0,
        max: 9,
        meaning: "digits to take",
      },
    ],
    open: (options, own) =>
      openMnistImages({ ...options, classes: own.classes as readonly number[] }),
  },
  "bouncing-balls": {
    options: [
      ...frameSize(64, 64),
      { name: "balls", default: 3, min: 1, max: 100, meaning: "balls in the box" },
      {
        name: "anomalies",
        default: false,
        meaning: "events against the laws of motion in half of the test sequences",
      },
    ],
    open: (options, own, seed) =>
      bouncingBalls({
        ...options,
        frameSize: sizeOf(own),
        balls: own.balls as number,
        anomalies: own.anomalies as boolean,
      }, seed),
  },
  "moving-points": {
    options: [
      ...frameSize(50, 130),
      {
        name: "courses",
        default: "varied",
        choices: ["varied", "alike"],
        meaning: "videos of a class differ in height and form, or, as published, by noise alone",
      },
    ],
    keptUpright:
      "they would make an ascending point a descending one, whose answer stays ascending",
    open: (options, own, seed) =>
      movingPoints({
        ...options,
        frameSize: sizeOf(own),
        courses: own.courses as "varied" | "alike",
      }, seed),
  },
  "npy": {
    options: [
      {
        name: "targets",
        default: "",
        isPath: true,
        meaning: "an .npy or .npz file of answers: an image to each frame, or classes",
      },
      { name: "targets-array", default: "", meaning: "name of the answers in an .npz file" },
      {
        name: "targets-layout",
        default: "",
        meaning: "as layout, of the answers, where their shape does not tell; C is of classes",
      },
      {
        name: "classes",
        default: 0,
        min: 0,
        max: 65_536,
        meaning: "that the answers number, of each sequence, frame or pixel; 0 for images",
      },
      {
        name: "ignored-class",
        default: "",
        meaning: "number that marks what is not labelled, and counts in no loss, e.g. 255 or -1",
      },
      {
        name: "range",
        default: "unit",
        choices: valueRanges,
        meaning:
          "numbers must lie in [0, 1], may be any, where PSNR, SSIM and bce mean little, or " +
          "are grey levels to be divided by 255",
      },
      {
        name: "missing",
        default: "",
        meaning: "number that stands for what was not observed, or nan; NaN is found by itself",
      },
      ...sequenceFile,
    ],
    needs: "an .npy or .npz file of sequences",
    open({ path }, own) {
      const { targets, classes, range, missing } = own;
      if (classes !== 0 && targets === "") {
        throw new DatasetError(
          `Cannot tell ${classes} classes of "${path}": name the file that numbers them with ` +
            "--dataset-options targets=FILE.npy",
        );
      }
      return openNpyDataset({
        path: path!,
        targetPath: targets as string || undefined,
        targetArray: own["targets-array"] as string,
        targetLayout: own["targets-layout"] as string,
        classes: classes as number,
        ignoredClass: own["ignored-class"] as string,
        range: range as ValueRange,
        missing: missing as string,
        ...sequenceFileOf(own),
      });
    },
  },
  "frames": {
    options: [
      ...frameSize(64, 64),
      { name: "channels", default: 1, min: 1, max: 3, meaning: "1 for grey, 3 for colour" },
      {
        name: "classes",
        default: false,
        meaning: "the folder above each sequence is its class",
      },
      {
        name: "images",
        default: false,
        meaning: "each file is a sequence of one frame; its folder, if it has one, is its class",
      },
      {
        name: "videos",
        default: "auto",
        choices: videosChoices,
        meaning: "each folder is a video, or each text before the number in its files' names",
      },
      sequenceSplitOption,
    ],
    needs: "a folder of folders of PNG or JPEG frames",
    open({ path, onBadFile }, own) {
      const { channels, classes, images, split } = own;
      if (channels !== 1 && channels !== 3) {
        throw new DatasetError(`Cannot read frames of ${channels} channels: give 1 or 3`);
      }
      const given = { path: path!, onBadFile, frameSize: sizeOf(own), channels } as const;
      const ofClasses = { ...given, classes: classes as boolean };
      const videos = own.videos as VideosBy;
      if (!images) {
        return openFrameFolder({ ...ofClasses, videos, fileSplit: split as SequenceSplit });
      }
      if (videos !== "auto" || split === "time") {
        throw new DatasetError(
          `Cannot take videos=${videos},split=${split} with images=true: single images are no ` +
            "videos and have no time; leave them out",
        );
      }
      return openImageFolder({ ...ofClasses, fileSplit: split as FileSplit });
    },
  },
  "sevir": {
    options: [
      ...frameSize(384, 384),
      {
        name: "layout",
        default: "auto",
        choices: ["auto", ...sevirLayouts],
        meaning:
          "axes of vil, where its shape does not tell: N events, T frames, H rows, W columns",
      },
    ],
    needs: "a folder of SEVIR's files",
    open: ({ path, onBadFile }, own) =>
      openSevir({
        ...{ path: path!, frameSize: sizeOf(own), onBadFile },
        layout: own.layout === "auto" ? undefined : own.layout as SevirLayout,
      }),
  },
};

/** What a dataset declares, augmentation included where it has any. */
export function datasetOptionSpecs(name: DatasetName): readonly OptionSpec[] {
  const { options, keptUpright } = definitions[name];
  return keptUpright === undefined ? [...options, ...augmentation] : options;
}

/**
 * All options of a dataset, those that are not given with their defaults.
 * @throws {OptionError} for one that it does not have, or a value out of range
 */
export function datasetOptions(
  { name, path, options = {} }: Pick<DatasetOptions, "name" | "options"> & {
    /** Null where sequences are generated; left out where it does not matter. */
    readonly path?: string | null;
  },
) {
  const { keptUpright } = definitions[name as DatasetName];
  const turn = augmentation.find((spec) => Object.hasOwn(options, spec.name))?.name;
  if (keptUpright !== undefined && turn !== undefined) {
    throw new OptionError(
      `Cannot use ${turn} with --dataset ${name}: ${keptUpright}; leave it out`,
    );
  }
  const specs = datasetOptionSpecs(name as DatasetName);
  const idle = specs.find((spec) => spec.ofFiles && Object.hasOwn(options, spec.name));
  if (path === null && idle !== undefined) {
    throw new OptionError(
      `Cannot use ${idle.name} with --dataset ${name} where its sequences are generated: it is ` +
        "about recorded ones; name them with --data, or leave it out",
    );
  }
  return resolveOptions(specs, options, `--dataset ${name}`);
}

/** Files and folders that the dataset is read from. */
export function datasetPaths(
  { name, path, options }: Pick<DatasetOptions, "name" | "path" | "options">,
): string[] {
  const own = datasetOptions({ name, path, options });
  const named = definitions[name as DatasetName].options
    .flatMap((spec) => spec.isPath ? [own[spec.name] as string] : []);
  return [path ?? "", ...named].filter((each) => each !== "");
}

/**
 * What is missing is told by who reads it; a pipe would be waited for without an end.
 * @throws {DatasetError} for what is neither a file nor a folder
 */
async function requireFiles(path: string): Promise<void> {
  const found = await Deno.stat(path).catch(() => undefined);
  if (found === undefined || found.isFile || found.isDirectory) return;
  throw new DatasetError(
    `Cannot read "${path}": it is a pipe, a socket or a device; name a file or a folder`,
  );
}

/**
 * The same sequences for the same options and seed, on every machine.
 * @throws {DatasetError} if the name is unknown, an option is out of range or the data at
 *   `options.path` cannot be read
 * @throws {OptionError} for an option of its own that the dataset does not have
 */
export async function openDataset(options: DatasetOptions, seed: number): Promise<Dataset> {
  const { name, path } = options;
  if (!Object.hasOwn(definitions, name)) {
    throw new DatasetError(
      `Cannot open dataset "${name}": known datasets are ${datasetNames.join(", ")}`,
    );
  }
  const { needs, open } = definitions[name as DatasetName];
  if (needs !== undefined && path === null) {
    throw new DatasetError(`Cannot open dataset "${name}": name ${needs} with --data`);
  }
  const own = datasetOptions(options);
  for (const named of datasetPaths(options)) await requireFiles(named);
  const dataset = await open(options, own, seed);
  const changes = { flips: own.flips === true, rotations: own.rotations === true };
  return augmented(dataset, changes, seed);
}
