/**
 * Answers to the frames of an `.npy` file, as a file of their own with the same sequences and frames.
 * Without classes they are images, in the layout and types of the frames. With N classes they are
 * whole numbers below N: one for each sequence, each frame or each pixel, as the array's shape says.
 */
import { DatasetError } from "./dataset.ts";
import { type NpyFile, type NpyType, npyTypes, openNpy } from "./npy.ts";
import { type FloatRange, type NpyFrames, openNpyFrames } from "./npy_frames.ts";

export interface NpyTargets {
  /** For descriptions: "images of 64x64x1", or "one of 3 classes for each sequence". */
  readonly inWords: string;
  readonly targetShape: readonly number[];
  /** Where answers are classes. */
  readonly classes?: readonly string[];
  /** [frames, ...targetShape] */
  read(sequence: number, offset: number, frames: number): Promise<Float32Array>;
  close(): void;
}

export interface NpyTargetsOptions {
  /** How many there are; 0 for answers that are images. */
  readonly classes: number;
  /** Of images. */
  readonly range: FloatRange;
}

/**
 * @throws {DatasetError} if the file is malformed or does not fit the frames
 */
export async function openNpyTargets(
  path: string,
  { classes, range }: NpyTargetsOptions,
  frames: NpyFrames,
): Promise<NpyTargets> {
  return classes === 0
    ? await openImages(path, range, frames)
    : await openClasses(path, classes, frames);
}

async function openImages(
  path: string,
  range: FloatRange,
  frames: NpyFrames,
): Promise<NpyTargets> {
  const images = await openNpyFrames(
    path,
    range,
    "; where the answers are classes, say how many with --dataset-options classes=N",
  );
  const found = [images.sequences, images.frames, ...images.frameShape.slice(0, 2)];
  const wanted = [frames.sequences, frames.frames, ...frames.frameShape.slice(0, 2)];
  if (`${found}` !== `${wanted}`) {
    images.close();
    throw new DatasetError(
      `Cannot use "${path}" as answers to "${frames.path}": expected (${wanted.join(", ")}) of ` +
        `sequences, frames, rows and columns, found (${found.join(", ")})`,
    );
  }
  const { frameShape } = images;
  return { ...images, targetShape: frameShape, inWords: `images of ${frameShape.join("x")}` };
}

const indexTypes: readonly NpyType[] = ["|u1", "<i4", "<i8"];

async function openClasses(path: string, classes: number, frames: NpyFrames): Promise<NpyTargets> {
  const file = await openNpy(path, indexTypes);
  const sides = frames.frameShape.slice(0, 2);
  const whole = [frames.sequences, frames.frames, ...sides];
  const axes = file.shape.length;
  if (![1, 2, 4].includes(axes) || `${file.shape}` !== `${whole.slice(0, axes)}`) {
    file.close();
    throw new DatasetError(
      `Cannot use "${path}" as classes of "${frames.path}": expected one for each sequence ` +
        `(${whole[0]}), frame (${whole.slice(0, 2).join(", ")}) or pixel (${whole.join(", ")}), ` +
        `found (${file.shape.join(", ")})`,
    );
  }
  const perFrame = axes === 4 ? sides[0] * sides[1] : 1;
  const itemBytes = npyTypes[file.type];
  const each = axes === 1 ? "sequence" : axes === 2 ? "frame" : "pixel";
  return {
    inWords: `one of ${classes} classes for each ${each}`,
    targetShape: [...(axes === 4 ? sides : []), classes],
    classes: Array.from({ length: classes }, (_, index) => `${index}`),
    async read(sequence, offset, count) {
      const [first, items] = axes === 1
        ? [sequence, 1]
        : [(sequence * frames.frames + offset) * perFrame, count * perFrame];
      const indices = integersOf(file, await file.read(first * itemBytes, items * itemBytes));
      const answers = new Float32Array(count * perFrame * classes);
      for (let place = 0; place < count * perFrame; place++) {
        const index = indices[place % items];
        if (index < 0 || index >= classes) {
          throw new DatasetError(
            `Cannot use "${path}": sequence ${sequence} has class ${index}` +
              (axes === 1 ? "" : ` in its frame ${offset + Math.floor(place / perFrame)}`) +
              `, expected 0 to ${classes - 1}; raise ` +
              "classes in --dataset-options or correct the file",
          );
        }
        answers[place * classes + Number(index)] = 1;
      }
      return answers;
    },
    close: () => file.close(),
  };
}

function integersOf({ type }: NpyFile, bytes: Uint8Array): ArrayLike<number | bigint> {
  // Aligned, because the bytes have a buffer of their own.
  if (type === "<i4") return new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  if (type === "<i8") return new BigInt64Array(bytes.buffer, bytes.byteOffset, bytes.length / 8);
  return bytes;
}
