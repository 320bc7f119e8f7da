/**
 * Frames as one NumPy array in any layout, of any type of numbers: uint8 (255 is 1), uint16 (65535 is
 * 1), bool, and all others as they are. They are read when they are asked for, so the file may be
 * larger than the memory.
 */
import { compareNeighbours } from "./alike_neighbours.ts";
import { DatasetError, type FrameShape } from "./dataset.ts";
import { type NpyFile, openNpy } from "./npy.ts";
import { frameArray } from "./npy_blocks.ts";
import { channelsMax, extentsOf, type FirstAxis, inWords } from "./npy_layout.ts";
import { scanNpy } from "./npy_scan.ts";
import { npyNumbers, type NpyType, npyValues } from "./npy_values.ts";

/**
 * Which numbers are taken: those in [0, 1] alone, which PSNR, SSIM and cross-entropy take for granted
 * and would score wrong without a word; any, as where data is standardized; or grey levels from 0 to
 * 255, which are divided by 255.
 */
export type ValueRange = "unit" | "any" | "grey";
export const valueRanges: readonly ValueRange[] = ["unit", "any", "grey"];

/** For what rounding leaves of resized frames beyond 0 and 1. */
const unitTolerance = 1e-5;

export interface NpyFramesOptions {
  readonly path: string;
  /** Its name, in an `.npz` file. @default {""} */
  readonly array?: string;
  /** `auto`: grey levels where one is above 1, else in [0, 1]. */
  readonly range: ValueRange | "auto";
  /** A number that stands for what was not observed, "nan", or "" for NaN where it is found. */
  readonly missing: string;
  /** @throws {DatasetError} where the shape does not tell */
  readonly layoutOf: (shape: readonly number[], path: string) => string;
  /** Which order of sequences and frames was taken for granted; undefined where it was told. */
  readonly assumed?: FirstAxis;
}

export interface NpyFrames {
  readonly path: string;
  readonly layout: string;
  /** As stored. */
  readonly shape: readonly number[];
  readonly sequences: number;
  /** Of each sequence. */
  readonly frames: number;
  readonly frameShape: FrameShape;
  /** Whether there are values that nobody observed: NaN. */
  readonly hasMissing: boolean;
  /** For descriptions, where values were changed: "divided by 255", else empty. */
  readonly scaleInWords: string;
  readonly warnings: readonly string[];
  /**
   * [frames, rows, columns, channels]
   * @throws {DatasetError} where the file has become shorter or holds what is no number, or one out
   *   of range
   */
  read(sequence: number, offset: number, frames: number): Promise<Float32Array>;
  close(): void;
}

/** @throws {DatasetError} if the file is malformed, its shape is another one, or a value unusable */
export async function openNpyFrames(options: NpyFramesOptions): Promise<NpyFrames> {
  const file = await openNpy(options.path, options.array);
  try {
    return await framesOf(file, options);
  } catch (error) {
    file.close();
    throw error;
  }
}

async function framesOf(file: NpyFile, options: NpyFramesOptions): Promise<NpyFrames> {
  const { path, shape, type } = file;
  const layout = options.layoutOf(shape, path);
  const missing = missingNumber(options.missing);
  const scanned = await valuesIn(file, options.range, missing);
  const { range } = scanned;
  const hasMissing = scanned.hasNaN || options.missing !== "";
  const array = frameArray(file, layout, conversion(range, missing));
  const { extents } = array;
  const frameSize = extents.H * extents.W * extents.C;
  if (options.assumed) await checkOrder(file, layout, options.assumed, array);
  const warnings = [];
  if (extents.C > channelsMax) {
    warnings.push(
      `Frames of "${path}" have ${extents.C} channels: its axes (${shape.join(", ")}) were taken ` +
        `as ${inWords([layout], shape)}; name others with --dataset-options layout=`,
    );
  }
  if (type === "uint16" && range !== "grey" && scanned.largest > 0 && scanned.largest <= 255) {
    warnings.push(
      `The largest value of "${path}" is ${scanned.largest} of 65535, which is nearly black; where ` +
        "255 is white, give --dataset-options range=grey",
    );
  }
  return {
    ...{ path, layout, shape, sequences: extents.N, frames: extents.T, hasMissing, warnings },
    frameShape: [extents.H, extents.W, extents.C],
    scaleInWords: range === "grey" && type !== "uint8" ? "grey levels divided by 255" : "",
    async read(sequence, offset, count) {
      const values = await array.read(sequence, offset, count);
      const wrong = values.findIndex((value) =>
        Number.isNaN(value) ? !hasMissing : !isUsable(value, range)
      );
      if (wrong >= 0) {
        throw new DatasetError(
          `Cannot use "${path}": sequence ${sequence} holds ${values[wrong]} in its frame ` +
            `${offset + Math.floor(wrong / frameSize)}${advice(values[wrong], range)}`,
        );
      }
      return values;
    },
    close: () => file.close(),
  };
}

function missingNumber(missing: string): number {
  if (missing === "" || missing.toLowerCase() === "nan") return NaN;
  const number = Number(missing);
  if (missing.trim() !== "" && Number.isFinite(number)) return number;
  throw new DatasetError(
    `Cannot take missing=${missing}: give the number that stands for what was not observed, or nan`,
  );
}

/** The values that a file holds. It is not read where its type has no wrong values. */
async function valuesIn(file: NpyFile, asked: ValueRange | "auto", missing: number) {
  const { type, path } = file;
  const isPicture = type === "uint8" || type === "bool";
  const range = asked === "auto" ? "unit" : asked;
  if (isPicture) return { range, hasNaN: false, largest: 1 };
  const isWanted = (value: number) => isUsable(toRange(value, type, range), range);
  const scan = await scanNpy(file, isWanted, missing);
  const { unwanted, ...rest } = scan;
  if (scan.isWhole && scan.least > scan.largest) {
    throw new DatasetError(
      `Cannot use "${path}": every value in it is NaN, or stands for what was not observed; look at ` +
        "how it was made",
    );
  }
  const isDark = type === "uint16" && rest.largest > 0 && rest.largest <= 255;
  if (asked === "auto" && isDark) return { ...rest, range: "grey" as const };
  if (unwanted === undefined) return { ...rest, range };
  const isGrey = asked === "auto" && rest.largest > 1 && rest.largest <= 255 && rest.least >= 0;
  if (isGrey) return { ...rest, range: "grey" as const };
  throw new DatasetError(
    `Cannot use "${path}": it holds ${unwanted.value} at [${unwanted.index.join(", ")}]` +
      advice(unwanted.value, range),
  );
}

function toRange(value: number, type: NpyType, range: ValueRange): number {
  if (range === "grey" && type !== "bool") return value / 255;
  return type === "uint16" ? value / 65_535 : value;
}

function conversion(range: ValueRange, missing: number) {
  return (type: NpyType, bytes: Uint8Array): Float32Array => {
    const isPlain = range !== "grey" || type === "uint8" || type === "bool";
    if (Number.isNaN(missing) && isPlain) return npyValues(type, bytes);
    const numbers = npyNumbers(type, bytes);
    const values = isPlain
      ? npyValues(type, bytes)
      : Float32Array.from(numbers, (value) => value / 255);
    // A number that stands for nothing is found before it is rounded.
    for (let i = 0; i < values.length; i++) if (numbers[i] === missing) values[i] = NaN;
    return values;
  };
}

function isUsable(value: number, range: ValueRange): boolean {
  if (range === "any") return Number.isFinite(value);
  return value >= -unitTolerance && value <= 1 + unitTolerance;
}

function advice(value: number, range: ValueRange): string {
  if (Number.isNaN(value)) {
    return "; where that is what was not observed, say so with --dataset-options missing=nan";
  }
  if (!Number.isFinite(value)) return ", which is no number that can be learnt";
  if (range === "grey") return ", expected grey levels from 0 to 255";
  return ", expected values in [0, 1], as losses and scores take them; have grey levels from 0 to " +
    "255 divided with --dataset-options range=grey, or any values taken as they are with range=any";
}

async function checkOrder(
  { path, shape }: NpyFile,
  layout: string,
  assumed: FirstAxis,
  array: ReturnType<typeof frameArray>,
): Promise<void> {
  if (!/^(?:NT|TN)/.test(layout)) return;
  const { acrossSequences, alongFrames, tell } = await compareNeighbours(array);
  const other = layout[1] + layout[0] + layout.slice(2);
  const ask = (why: string) =>
    new DatasetError(
      `Cannot tell the axes of "${path}": read as ${layout}, (${
        shape.join(", ")
      }) ${why}; name them ` +
        `with --dataset-options layout=${inWords([other], shape)}, or ` +
        `layout=${inWords([layout], shape)}`,
    );
  if (tell === "the other way round") {
    const figure = (value: number) => value.toPrecision(2);
    throw ask(
      `has frames that differ by ${figure(alongFrames)} from one to the next, and by ` +
        `${figure(acrossSequences)} from one sequence to the next`,
    );
  }
  // Published sequences of moving digits have 20 frames.
  const { T, N, H } = extentsOf(layout, shape);
  if (tell === "nothing" && assumed === "T" && H >= 8 && T !== 20 && N === 20) {
    throw ask(`has sequences of ${T} frames, where published ones have 20`);
  }
}
