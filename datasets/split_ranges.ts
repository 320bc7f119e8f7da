/** How recorded data is split: the first 80 % train, the next 10 % validation, the last 10 % test. */
import { DatasetError, type Split } from "./dataset.ts";

export type SplitRanges = Readonly<Record<Split, readonly [first: number, end: number]>>;

/**
 * Index ranges of `count` items in a fixed order; validation and test have at least one each.
 * @param what names the items and their origin in the error
 * @throws {DatasetError} if there are fewer than 3 items
 */
export function splitRanges(count: number, what: string): SplitRanges {
  if (count < 3) {
    throw new DatasetError(
      `Cannot split ${what} into training, validation and test: found ${count}, ` +
        `at least 3 are needed`,
    );
  }
  const held = Math.max(1, Math.floor(count / 10));
  return {
    train: [0, count - 2 * held],
    validation: [count - 2 * held, count - held],
    test: [count - held, count],
  };
}
