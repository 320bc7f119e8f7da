/**
 * Answers to the frames of an `.npy` file, as a file of their own with the same sequences and frames.
 * Without classes they are images, in the types of the frames; with N classes they number those, or
 * are one-hot.
 */
import { DatasetError } from "./dataset.ts";
import { openNpyClasses } from "./npy_classes.ts";
import type { NpyAnswers, NpyAnswersOptions } from "./npy_answers.ts";
import { type NpyFrames, openNpyFrames } from "./npy_frames.ts";
import { extentsOf, inWords, layoutOf } from "./npy_layout.ts";

/**
 * @throws {DatasetError} if the file is malformed or does not fit the frames
 */
export async function openNpyTargets(
  path: string,
  options: NpyAnswersOptions,
  frames: NpyFrames,
): Promise<NpyAnswers> {
  if (options.classes > 0) return await openNpyClasses(path, options, frames);
  if (options.ignoredClass !== "") {
    throw new DatasetError(
      `Cannot ignore class ${options.ignoredClass} of "${path}": its answers are images; give ` +
        "classes=N too, or missing=VALUE for images",
    );
  }
  const { array, range, missing } = options;
  const images = await openNpyFrames({
    ...{ path, array, range, missing },
    layoutOf: (shape, path) => imageLayout(shape, path, options.layout, frames),
  });
  const { frameShape, warnings, hasMissing, read, close } = images;
  return {
    ...{ warnings, hasMissing, read, close, targetShape: frameShape },
    inWords: `images of ${frameShape.join("x")}`,
  };
}

/** That in which sequences, frames, rows and columns are those of the frames. */
function imageLayout(
  shape: readonly number[],
  path: string,
  given: string,
  { layout, path: framesPath, sequences, frames, frameShape }: NpyFrames,
): string {
  const wanted = [sequences, frames, ...frameShape.slice(0, 2)];
  const fits = (each: string) => {
    if (each.length !== shape.length) return false;
    const { N, T, H, W } = extentsOf(each, shape);
    return `${[N, T, H, W]}` === `${wanted}`;
  };
  if (given !== "") {
    const told = layoutOf(shape, path, {
      ...{ layout: given, first: "N", isOneVideo: false, option: "targets-layout" },
    });
    if (fits(told)) return told;
  }
  // As the frames are stored, with other channels perhaps.
  const plain = layout.replace("C", "");
  const own = layout.includes("C") ? [layout, plain] : [plain, `${plain}C`];
  const order = plain.slice(0, -2);
  const others = ["NT", "TN", order].flatMap((order) =>
    ["HW", "HWC", "CHW"].map((frame) => order + frame)
  );
  const fitting = given === "" ? [...new Set([...own, ...others])].filter(fits) : [];
  if (fitting.length === 1 || own.includes(fitting[0])) return fitting[0];
  if (fitting.length > 1) {
    throw new DatasetError(
      `Cannot tell the axes of "${path}": shape (${shape.join(", ")}) may be ` +
        `${inWords(fitting, shape)}; name them with --dataset-options ` +
        `targets-layout=${fitting[0]}`,
    );
  }
  throw new DatasetError(
    `Cannot use "${path}" as answers to "${framesPath}": expected (${wanted.join(", ")}) of ` +
      `sequences, frames, rows and columns, found (${shape.join(", ")})` +
      (given === "" ? "" : ` with targets-layout=${given}`) +
      "; where the answers are classes, say how many with --dataset-options classes=N",
  );
}
