/** What values an array holds, so that those that cannot be used are told before anything is trained. */
import type { NpyFile } from "./npy.ts";
import { npyNumbers, npyTypes } from "./npy_values.ts";

/** Bytes of an array that is looked at whole. A longer one is sampled in evenly laid spans. */
export const scannedBytesMax = 256 * 1024 * 1024;
const spanBytes = 4 * 1024 * 1024;

export interface Scan {
  readonly least: number;
  readonly largest: number;
  readonly hasNaN: boolean;
  /** The first number that is not wanted, and where: NumPy's index. */
  readonly unwanted?: { readonly value: number; readonly index: readonly number[] };
  /** Whether every item was looked at. */
  readonly isWhole: boolean;
}

/**
 * @param isWanted asked for each number that is not NaN
 * @param missing a number that stands for nothing, and is passed over
 */
export async function scanNpy(
  file: NpyFile,
  isWanted: (value: number) => boolean,
  missing = NaN,
): Promise<Scan> {
  const items = file.shape.reduce((product, extent) => product * extent, 1);
  const itemBytes = npyTypes[file.type];
  const spanItems = Math.floor(spanBytes / itemBytes);
  const spans = Math.ceil(items / spanItems);
  const spansMax = Math.floor(scannedBytesMax / spanBytes);
  const isWhole = spans <= spansMax;
  const count = Math.min(spans, spansMax);
  let [least, largest, hasNaN] = [Infinity, -Infinity, false];
  let unwanted: Scan["unwanted"];
  for (let each = 0; each < count; each++) {
    // The first and the last among them.
    const span = isWhole ? each : Math.floor(each * (spans - 1) / (count - 1));
    const first = span * spanItems;
    const length = Math.min(spanItems, items - first);
    const numbers = npyNumbers(file.type, await file.read(first, length));
    for (let item = 0; item < length; item++) {
      const value = numbers[item];
      if (value !== value) hasNaN = true;
      else if (value !== missing) {
        if (value < least) least = value;
        if (value > largest) largest = value;
        if (unwanted === undefined && !isWanted(value)) {
          unwanted = { value, index: indexOf(first + item, file) };
        }
      }
    }
  }
  return { least, largest, hasNaN, isWhole, ...(unwanted && { unwanted }) };
}

function indexOf(item: number, { shape, isFortran }: NpyFile): number[] {
  const index: number[] = [];
  let left = item;
  for (const extent of isFortran ? shape : shape.toReversed()) {
    index.push(left % extent);
    left = Math.floor(left / extent);
  }
  return isFortran ? index : index.reverse();
}
