/** A dataset of arrays that are in memory, for programs that make their own. */
import type { Dataset, FrameShape, ReadRequest, Split } from "./dataset.ts";
import { DatasetError } from "./dataset.ts";
import { requestedEntry } from "./requested_entry.ts";

export interface ArrayDatasetOptions {
  readonly name: string;
  /** [height, width, channels] */
  readonly frameShape: FrameShape;
  /**
   * Sequences of each split, [frames, height, width, channels] with values in [0, 1], and NaN where
   * `hasMissing` says so.
   */
  readonly sequences: Readonly<Record<Split, readonly Float32Array[]>>;
  /** What is to be answered; left out where frames are their own answers. */
  readonly targets?: ArrayAnswers | ArrayLabels;
  /** What a value of 1 means. @default {"white"} */
  readonly unit?: string;
  /** Whether frames may be NaN, where nothing was observed, which then counts nowhere. @default {false} */
  readonly hasMissing?: boolean;
  /** Whether answers or labels may be NaN, where they are not known. @default {false} */
  readonly hasMissingTargets?: boolean;
}

/** An answer to every frame. */
export interface ArrayAnswers {
  /** Of one frame's answer, e.g. [height, width, 1] for a mask. */
  readonly shape: readonly number[];
  /** Answers to each sequence, [frames, ...shape]. */
  readonly values: Readonly<Record<Split, readonly Float32Array[]>>;
  /** Names of the classes, where answers are one-hot along the last axis. */
  readonly classes?: readonly string[];
}

/** A class of every sequence. */
export interface ArrayLabels {
  readonly classes: readonly string[];
  /** Index of each sequence's class; NaN for one to ignore, if `hasMissingTargets` says so. */
  readonly labels: Readonly<Record<Split, readonly number[]>>;
}

/**
 * @throws {DatasetError} where arrays are no whole number of frames or hold what is no number, or where
 *   answers do not fit them
 */
export function arrayDataset(options: ArrayDatasetOptions): Dataset {
  const { name, frameShape, sequences, targets, unit = "white" } = options;
  const { hasMissing = false, hasMissingTargets = false } = options;
  const size = frameShape.reduce((product, extent) => product * extent, 1);
  const entriesOf = (split: Split) =>
    sequences[split].map((values, index) => {
      if (values.length === 0 || values.length % size !== 0) {
        throw new DatasetError(
          `Cannot use sequence ${index} of ${split}: its ${values.length} values are no whole ` +
            `number of frames of ${frameShape.join(" x ")}`,
        );
      }
      requireNumbers(values, `sequence ${index} of ${split}`, hasMissing);
      return { id: `${split}/${String(index).padStart(6, "0")}`, frames: values.length / size };
    });
  const catalogue = {
    train: entriesOf("train"),
    validation: entriesOf("validation"),
    test: entriesOf("test"),
  };
  const answers = targets && checkedAnswers(targets, catalogue, hasMissingTargets);
  const counts = Object.values(catalogue).map((entries) => entries.length);
  return {
    name,
    frameShape,
    unit,
    description: `${name}: ${counts[0]} sequences for training, ${counts[1]} for validation, ` +
      `${counts[2]} for test, of ${frameShape.join(" x ")}`,
    ...(hasMissing && { hasMissing }),
    ...(answers && hasMissingTargets && { hasMissingTargets }),
    catalogue: (split) => catalogue[split],
    read(request) {
      requestedEntry(catalogue[request.split], request);
      const { split, sequence, offset, frames } = request;
      const values = sequences[split][sequence];
      return Promise.resolve(values.slice(offset * size, (offset + frames) * size));
    },
    ...(answers && {
      targetShape: answers.shape,
      ...(answers.classes && { classes: answers.classes }),
      readTargets(request: ReadRequest) {
        requestedEntry(catalogue[request.split], request);
        return Promise.resolve(answers.read(request));
      },
    }),
    close() {},
  };
}

type Catalogue = Readonly<Record<Split, readonly { readonly frames: number }[]>>;

interface Answers {
  readonly shape: readonly number[];
  readonly classes?: readonly string[];
  read(request: ReadRequest): Float32Array;
}

function requireNumbers(values: Float32Array, where: string, mayMiss: boolean): void {
  const at = values.findIndex((value) =>
    !Number.isFinite(value) && !(mayMiss && Number.isNaN(value))
  );
  if (at < 0) return;
  throw new DatasetError(
    `Cannot use ${where}: its value ${at} is ${values[at]}` +
      (Number.isNaN(values[at])
        ? "; give hasMissing or hasMissingTargets where NaN stands for what is not known"
        : ""),
  );
}

function checkedAnswers(
  targets: ArrayAnswers | ArrayLabels,
  catalogue: Catalogue,
  hasMissing: boolean,
): Answers {
  return "labels" in targets
    ? labelAnswers(targets, catalogue, hasMissing)
    : frameAnswers(targets, catalogue, hasMissing);
}

function frameAnswers(
  { shape, values, classes }: ArrayAnswers,
  catalogue: Catalogue,
  hasMissing: boolean,
): Answers {
  const size = shape.reduce((product, extent) => product * extent, 1);
  eachSequence(values, catalogue, (answers, frames, where) => {
    requireNumbers(answers, `the answers to ${where}`, hasMissing);
    if (classes && hasMissing) requireWholeAnswers(answers, classes.length, where);
    if (answers.length === frames * size) return;
    throw new DatasetError(
      `Cannot use the answers to ${where}: expected ${frames} frames of ${shape.join(" x ")}, ` +
        `${frames * size} values, found ${answers.length}`,
    );
  });
  if (classes && classes.length !== shape.at(-1)) {
    throw new DatasetError(
      `Cannot use answers of ${shape.join(" x ")} as classes: expected one value for each of the ` +
        `${classes.length} classes along the last axis`,
    );
  }
  return {
    ...{ shape, classes },
    read: ({ split, sequence, offset, frames }) =>
      values[split][sequence].slice(offset * size, (offset + frames) * size),
  };
}

function requireWholeAnswers(answers: Float32Array, classes: number, where: string): void {
  for (let start = 0; start < answers.length; start += classes) {
    const missing = answers.subarray(start, start + classes).filter(Number.isNaN).length;
    if (missing === 0 || missing === classes) continue;
    throw new DatasetError(
      `Cannot use the answers to ${where}: ${missing} of the ${classes} classes from value ${start} on ` +
        "are NaN; an answer that is not known is NaN in all of them",
    );
  }
}

function labelAnswers(
  { classes, labels }: ArrayLabels,
  catalogue: Catalogue,
  hasMissing: boolean,
): Answers {
  eachSequence(labels, catalogue, (label, _, where) => {
    if (hasMissing && Number.isNaN(label)) return;
    if (Number.isInteger(label) && label >= 0 && label < classes.length) return;
    throw new DatasetError(
      `Cannot use label ${label} of ${where}: expected the index of one of ${classes.length} ` +
        "classes",
    );
  });
  return {
    ...{ shape: [classes.length], classes },
    read({ split, sequence, frames }) {
      const answers = new Float32Array(frames * classes.length);
      const label = labels[split][sequence];
      if (Number.isNaN(label)) return answers.fill(NaN);
      for (let i = 0; i < frames; i++) answers[i * classes.length + label] = 1;
      return answers;
    },
  };
}

/** @throws {DatasetError} where there are not as many items as sequences */
function eachSequence<T>(
  items: Readonly<Record<Split, readonly T[]>>,
  catalogue: Catalogue,
  check: (item: T, frames: number, where: string) => void,
): void {
  for (const [split, sequences] of Object.entries(catalogue) as [Split, Catalogue[Split]][]) {
    if (items[split].length !== sequences.length) {
      throw new DatasetError(
        `Cannot answer ${split}: it has ${sequences.length} sequences and ${items[split].length} ` +
          "answers; give one for each",
      );
    }
    items[split].forEach((item, index) =>
      check(item, sequences[index].frames, `sequence ${index} of ${split}`)
    );
  }
}
