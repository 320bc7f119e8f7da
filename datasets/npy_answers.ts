/** What answers out of an `.npy` file are, images or classes. */
import type { ValueRange } from "./npy_frames.ts";

export interface NpyAnswers {
  /** For descriptions: "images of 64x64x1", or "one of 3 classes for each sequence". */
  readonly inWords: string;
  readonly targetShape: readonly number[];
  /** Where answers are classes. */
  readonly classes?: readonly string[];
  /** Whether there are answers that nobody knows: NaN. */
  readonly hasMissing: boolean;
  readonly warnings: readonly string[];
  /** [frames, ...targetShape] */
  read(sequence: number, offset: number, frames: number): Promise<Float32Array>;
  close(): void;
}

export interface NpyAnswersOptions {
  /** How many there are; 0 for answers that are images. */
  readonly classes: number;
  /** Range of the numbers where answers are images. */
  readonly range: ValueRange | "auto";
  readonly missing: string;
  /** Its name, in an `.npz` file. */
  readonly array?: string;
  /** Empty where the shape tells. */
  readonly layout: string;
  /** The class number that counts nowhere; empty where every class counts. */
  readonly ignoredClass: string;
}
