/**
 * Classes of sequences, frames or pixels, as one NumPy array of numbers below the count of classes, or
 * one-hot with an axis of that extent. An answer that nobody knows is NaN for every class.
 */
import { DatasetError } from "./dataset.ts";
import { type NpyFile, openNpy } from "./npy.ts";
import type { NpyAnswers, NpyAnswersOptions } from "./npy_answers.ts";
import { frameArray } from "./npy_blocks.ts";
import type { NpyFrames } from "./npy_frames.ts";
import { extentsOf } from "./npy_layout.ts";
import { scanNpy } from "./npy_scan.ts";

import { npyNumbers, npyTypes } from "./npy_values.ts";

/** @throws {DatasetError} if the file is malformed, does not fit the frames, or has other classes */
export async function openNpyClasses(
  path: string,
  options: Omit<NpyAnswersOptions, "range" | "missing">,
  frames: NpyFrames,
): Promise<NpyAnswers> {
  const ignored = ignoredNumber(options.ignoredClass);
  const file = await openNpy(path, options.array);
  try {
    const layout = await layoutOfClasses(file, options, frames);
    return await classesOf(file, layout, options.classes, ignored);
  } catch (error) {
    file.close();
    throw error;
  }
}

async function classesOf(
  file: NpyFile,
  layout: string,
  classes: number,
  ignored: number | undefined,
): Promise<NpyAnswers> {
  const { path, shape } = file;
  const extents = extentsOf(layout, shape);
  const isOneHot = extents.C > 1;
  const isWanted = isOneHot
    ? (value: number) => value === 0 || value === 1 || value === ignored
    : (value: number) => isClass(value, classes) || value === ignored;
  const { unwanted, hasNaN, least, largest } = await scanNpy(file, isWanted);
  if (unwanted !== undefined) {
    throw new DatasetError(
      `Cannot use "${path}": it has class ${unwanted.value} at [${unwanted.index.join(", ")}], ` +
        (isOneHot
          ? `expected 0 or 1 along its axis of ${classes} classes`
          : `expected 0 to ${classes - 1}; ${otherwise(unwanted.value, least, largest, classes)}`),
    );
  }
  const array = frameArray(
    file,
    layout,
    (type, bytes) => Float32Array.from(npyNumbers(type, bytes)),
  );
  const isOfPixels = layout.includes("H");
  const isOfSequences = !layout.includes("T");
  const perFrame = extents.H * extents.W;
  const each = isOfSequences ? "sequence" : isOfPixels ? "pixel" : "frame";
  const refuse = (what: string, sequence: number, frame: number) =>
    new DatasetError(
      `Cannot use "${path}": sequence ${sequence} has ${what}` +
        (isOfSequences ? "" : ` in its frame ${frame}`) +
        `, expected 0 to ${classes - 1}; raise classes in --dataset-options or correct the file`,
    );
  return {
    inWords: `one of ${classes} classes for each ${each}` +
      (isOneHot ? `, one-hot in axes ${layout}` : "") +
      (ignored === undefined ? "" : `, of which ${ignored} is ignored`),
    targetShape: [...(isOfPixels ? [extents.H, extents.W] : []), classes],
    classes: Array.from({ length: classes }, (_, index) => `${index}`),
    hasMissing: hasNaN || ignored !== undefined,
    warnings: [],
    async read(sequence, offset, count) {
      const stored = isOfSequences
        ? await array.read(sequence, 0, 1)
        : await array.read(sequence, offset, count);
      const depth = extents.C;
      const places = stored.length / depth;
      const answers = new Float32Array(count * perFrame * classes);
      for (let place = 0; place < count * perFrame; place++) {
        const from = (place % places) * depth;
        const given = isOneHot
          ? oneHotClass(stored.subarray(from, from + depth), ignored)
          : stored[from];
        const start = place * classes;
        if (Number.isNaN(given) || given === ignored) {
          answers.fill(NaN, start, start + classes);
        } else if (isClass(given, classes)) {
          answers[start + given] = 1;
        } else {
          const what = isOneHot ? "no class or several" : `class ${given}`;
          throw refuse(what, sequence, offset + Math.floor(place / perFrame));
        }
      }
      return answers;
    },
    close: () => file.close(),
  };
}

function isClass(value: number, classes: number): boolean {
  return Number.isInteger(value) && value >= 0 && value < classes;
}

/** NaN where it is not known, -1 where it is no one-hot row. */
function oneHotClass(row: Float32Array, ignored: number | undefined): number {
  if (row.every((value) => Number.isNaN(value) || value === ignored) && !isOneHotRow(row)) {
    return NaN;
  }
  return isOneHotRow(row) ? row.indexOf(1) : -1;
}

function isOneHotRow(row: ArrayLike<number>): boolean {
  let ones = 0;
  for (let i = 0; i < row.length; i++) {
    if (row[i] === 1) ones++;
    else if (row[i] !== 0) return false;
  }
  return ones === 1;
}

function ignoredNumber(given: string): number | undefined {
  if (given === "") return undefined;
  if (/^-?\d{1,9}$/.test(given)) return Number(given);
  throw new DatasetError(
    `Cannot take ignored-class=${given}: give the whole number that marks what is not labelled, ` +
      "e.g. 255 or -1",
  );
}

function otherwise(value: number, least: number, largest: number, classes: number): string {
  const mark = [255, -1].find((mark) => mark === value);
  if (mark !== undefined) {
    return `where ${mark} marks what is not labelled, give --dataset-options ignored-class=${mark}`;
  }
  if (least === 1 && largest === classes) return "where they count from 1, save a - 1";
  return "raise classes in --dataset-options or correct the file";
}

/** An axis of classes alone is read whole to tell what it is. */
const toldBytesMax = 64 * 1024 * 1024;

/** That in which the axes fit the frames; C is of 1 or of all classes. */
async function layoutOfClasses(
  file: NpyFile,
  { classes, layout: given }: Pick<NpyAnswersOptions, "classes" | "layout">,
  frames: NpyFrames,
): Promise<string> {
  const { path, shape } = file;
  const [rows, columns] = frames.frameShape;
  const wanted = { N: frames.sequences, T: frames.frames, H: rows, W: columns };
  const fits = (layout: string) =>
    layout.length === shape.length &&
    [...layout].every((axis, index) =>
      axis === "C"
        ? shape[index] === 1 || shape[index] === classes
        : shape[index] === wanted[axis as keyof typeof wanted]
    );
  const own = frames.layout.replace(/[CHW]/g, "");
  const orders = [...new Set([own, "NT", "TN"])];
  const all = [
    ...["N", "NC"],
    ...orders.flatMap((order) => [order, `${order}C`]),
    ...orders.flatMap((order) => [`${order}HW`, `${order}HWC`, `${order}CHW`]),
  ];
  const known = given === ""
    ? [...new Set(all)]
    : all.filter((each) => each === given.toUpperCase());
  const fitting = known.filter(fits);
  if (fitting.length === 0) {
    const { N, T, H, W } = wanted;
    throw new DatasetError(
      `Cannot use "${path}" as classes of "${frames.path}": expected one for each sequence ` +
        `(${N}), frame (${N}, ${T}) or pixel (${
          [N, T, H, W].join(", ")
        }), or one-hot with an axis ` +
        `of ${classes} behind, found (${shape.join(", ")})` +
        (given === "" ? "" : ` with targets-layout=${given}`),
    );
  }
  const [first, ...others] = fitting;
  const oneHot = fitting.find((layout) => layout === "NC" && extentsOf(layout, shape).C > 1);
  if (oneHot === undefined || others.length === 0) return first;
  // As many frames as classes: one-hot rows are told from classes by what they hold.
  const perFrame = fitting.find((layout) => layout !== oneHot)!;
  const items = shape[0] * shape[1];
  if (items * npyTypes[file.type] <= toldBytesMax) {
    const numbers = npyNumbers(file.type, await file.read(0, items));
    const rows = Array.from(
      { length: shape[0] },
      (_, row) =>
        Array.from(
          { length: shape[1] },
          (_, column) =>
            numbers[file.isFortran ? column * shape[0] + row : row * shape[1] + column],
        ),
    );
    if (!rows.every(isOneHotRow)) return perFrame;
    // With two classes, a row of a 0 and a 1 may be either.
    if (classes > 2) return oneHot;
  }
  throw new DatasetError(
    `Cannot tell the classes of "${path}": shape (${shape.join(", ")}) may be ` +
      `${oneHot}, a one-hot row of each sequence, or ${perFrame}, a class of each frame; name one ` +
      `with --dataset-options targets-layout=${oneHot} or targets-layout=${perFrame}`,
  );
}
