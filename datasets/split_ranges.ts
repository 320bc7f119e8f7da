/** How recorded data is split: the first 80 % train, the next 10 % validation, the last 10 % test. */
import { DatasetError, type Split } from "./dataset.ts";

export type SplitRanges = Readonly<Record<Split, readonly [first: number, end: number]>>;

/**
 * Index ranges of `count` items in a fixed order; validation and test have at least one each.
 * @param what names the items and their origin in the error
 * @param otherwise ends the error with what else can be done, e.g. `orAllForTest`
 * @throws {DatasetError} if there are fewer than 3 items
 */
export function splitRanges(count: number, what: string, otherwise = ""): SplitRanges {
  if (count < 3) {
    throw new DatasetError(
      `Cannot split ${what} into training, validation and test: found ${count}, ` +
        `at least 3 are needed${otherwise}`,
    );
  }
  const held = Math.max(1, Math.floor(count / 10));
  return {
    train: [0, count - 2 * held],
    validation: [count - 2 * held, count - held],
    test: [count - held, count],
  };
}

/** What a file or folder of sequences is for: published test sets are not to be cut. */
export type FileSplit = "parts" | "test";

/** Ends an error where there are too few sequences to cut. */
export const orAllForTest =
  ", or give --dataset-options split=test to take them all as test sequences";

/**
 * Index ranges of a file's sequences, and what they are for in words.
 * @param otherwise ends the error about too few of them with what else can be done
 * @throws {DatasetError} if there are fewer than 3, or for test fewer than 1
 */
export function fileRanges(
  count: number,
  fileSplit: FileSplit,
  path: string,
  otherwise = "",
): { readonly ranges: SplitRanges; readonly inWords: string } {
  if (fileSplit === "parts") {
    const ranges = splitRanges(count, `the sequences of "${path}"`, orAllForTest + otherwise);
    const [train, validation, test] = Object.values(ranges).map(([first, end]) => end - first);
    return {
      ranges,
      inWords: `in file order: first ${train} for training, next ${validation} for validation, ` +
        `last ${test} for test`,
    };
  }
  if (count < 1) throw new DatasetError(`Cannot test on "${path}": it holds no sequences`);
  return {
    ranges: { train: [0, 0], validation: [0, 0], test: [0, count] },
    inWords: "all for test",
  };
}
