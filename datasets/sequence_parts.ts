/** Which sequences of a file, or which part of each along its time, train, validate and test. */
import { DatasetError, type SequenceEntry, type Split } from "./dataset.ts";
import { fileRanges, type FileSplit, type SplitRanges } from "./split_ranges.ts";

/** `time`: each sequence is cut along its time, so that one long video is enough. */
export type SequenceSplit = FileSplit | "time";
export const sequenceSplits: readonly SequenceSplit[] = ["parts", "test", "time"];

/**
 * Frames of each sequence where a split is by time: the last ones test, those before validate.
 * A tenth each if left out.
 */
export interface HeldFrames {
  readonly testFrames?: number;
  readonly validationFrames?: number;
}

export interface SequenceParts {
  readonly catalogue: Readonly<Record<Split, readonly SequenceEntry[]>>;
  /** Where an entry of the catalogue lies in the file. */
  placeOf(split: Split, entry: number): { readonly sequence: number; readonly start: number };
  readonly inWords: string;
}

export const orAlongTime = ", or split=time to cut each along its time";

/** @throws {DatasetError} if there is too little to split */
export function sequenceParts(
  sequences: number,
  frames: number,
  split: SequenceSplit,
  path: string,
  held: HeldFrames,
): SequenceParts {
  if (split !== "time") {
    if (held.testFrames !== undefined || held.validationFrames !== undefined) {
      throw new DatasetError(
        `Cannot hold back frames of each sequence of "${path}": test-frames and ` +
          "validation-frames are of split=time; give it too, or leave them out",
      );
    }
    const { ranges, inWords } = fileRanges(sequences, split, path, orAlongTime);
    return partsOf(
      ranges,
      inWords,
      ([first, end], name) =>
        Array.from({ length: end - first }, (_, index) => ({
          ...{ sequence: first + index, start: 0, frames },
          id: `${name}/${numbered(first + index)}`,
        })),
    );
  }
  const ranges = timeRanges(frames, path, held);
  const [train, validation, test] = Object.values(ranges).map(([first, end]) => end - first);
  const inWords =
    `along time: first ${train} frames of each for training, next ${validation} for ` +
    `validation, last ${test} for test`;
  return partsOf(
    ranges,
    inWords,
    ([first, end], name) =>
      Array.from({ length: sequences }, (_, sequence) => ({
        ...{ sequence, start: first, frames: end - first },
        id: `${name}/${numbered(sequence)}`,
      })),
  );
}

interface Part extends SequenceEntry {
  readonly sequence: number;
  readonly start: number;
}

function partsOf(
  ranges: SplitRanges,
  inWords: string,
  listed: (range: readonly [number, number], name: Split) => readonly Part[],
): SequenceParts {
  const parts = {
    train: listed(ranges.train, "train"),
    validation: listed(ranges.validation, "validation"),
    test: listed(ranges.test, "test"),
  };
  const entries = (split: Split) => parts[split].map(({ id, frames }) => ({ id, frames }));
  return {
    catalogue: {
      train: entries("train"),
      validation: entries("validation"),
      test: entries("test"),
    },
    placeOf: (split, entry) => parts[split][entry],
    inWords,
  };
}

function numbered(sequence: number): string {
  return String(sequence).padStart(6, "0");
}

function timeRanges(frames: number, path: string, held: HeldFrames): SplitRanges {
  const tenth = Math.max(2, Math.floor(frames / 10));
  const testFrom = frames - (held.testFrames ?? tenth);
  const validationFrom = testFrom - (held.validationFrames ?? tenth);
  if (validationFrom < 2) {
    throw new DatasetError(
      `Cannot split the ${frames} frames of "${path}" by time: ${frames - validationFrom} for ` +
        `validation and test leave ${Math.max(0, validationFrom)} for training, at least 2 are ` +
        "needed; name a longer video",
    );
  }
  return {
    train: [0, validationFrom],
    validation: [validationFrom, testFrom],
    test: [testFrom, frames],
  };
}
