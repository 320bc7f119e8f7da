/** A sequence with what was predicted of it, as pictures and animations show it. */
import type { Frame } from "./raster.ts";

export interface PredictedSequence {
  /** What it is, e.g. "test/000017". */
  readonly label: string;
  /** [frames, height, width], values in [0, 1] */
  readonly truth: Float32Array;
  /** [frames - inputFrames, height, width]: what was predicted for the frames after the input. */
  readonly predictions: Float32Array;
  readonly inputFrames: number;
  readonly frames: number;
  readonly height: number;
  readonly width: number;
}

/**
 * `forecast`: everything after the input frames comes from them alone. `next-frame`: every frame is
 * predicted from the true frames before it. `reconstruction`: every frame comes out of its own code.
 */
export type PredictionKind = "forecast" | "next-frame" | "reconstruction";

/** @param inputFrames that a window has before the first frame that it predicts */
export function predictionKind(inputFrames: number): PredictionKind {
  if (inputFrames === 0) return "reconstruction";
  return inputFrames === 1 ? "next-frame" : "forecast";
}

export function rowNames(kind: PredictionKind): readonly string[] {
  return ["truth", kind === "reconstruction" ? kind : "prediction", "error"];
}

/** Truth, prediction or absolute error of one frame, in the order of `rowNames`. */
export function frameOf(sequence: PredictedSequence, row: number, index: number): Frame {
  const { height, width } = sequence;
  return { values: rowValues(sequence, row, index), height, width };
}

function rowValues(sequence: PredictedSequence, row: number, frame: number): Float32Array {
  const pixels = sequence.height * sequence.width;
  const truth = sequence.truth.subarray(frame * pixels, (frame + 1) * pixels);
  if (row === 0) return truth;
  const index = frame - sequence.inputFrames;
  const prediction = sequence.predictions.subarray(index * pixels, (index + 1) * pixels);
  return row === 1 ? prediction : prediction.map((value, i) => Math.abs(value - truth[i]));
}

/** @throws {RangeError} if an array's length contradicts its shape, or the shapes differ */
export function checkShapes(sequences: readonly PredictedSequence[]): void {
  if (sequences.length === 0) throw new RangeError("Cannot draw predictions: no sequences given");
  const [{ frames, inputFrames, height, width }] = sequences;
  for (const sequence of sequences) {
    const shape = [sequence.frames, sequence.inputFrames, sequence.height, sequence.width];
    if (shape.join() !== [frames, inputFrames, height, width].join()) {
      throw new RangeError(
        `Cannot draw "${sequence.label}": its frames, input frames, height and width are ` +
          `[${shape.join(", ")}], those of the first sequence [${
            [frames, inputFrames, height, width].join(", ")
          }]`,
      );
    }
    for (
      const [name, count] of [["truth", frames], ["predictions", frames - inputFrames]] as const
    ) {
      const expected = count * height * width;
      if (sequence[name].length !== expected) {
        throw new RangeError(
          `Cannot draw "${sequence.label}": ${name} has ${sequence[name].length} values, ` +
            `its shape [${count}, ${height}, ${width}] needs ${expected}`,
        );
      }
    }
  }
}

/** Still images, as one sequence that shows them side by side. */
export function sideBySide(images: readonly PredictedSequence[]): PredictedSequence {
  const [first, last] = [images[0], images[images.length - 1]];
  const joined = (name: "truth" | "predictions") => {
    const all = new Float32Array(images.reduce((sum, image) => sum + image[name].length, 0));
    images.forEach((image, index) => all.set(image[name], index * first[name].length));
    return all;
  };
  return {
    ...first,
    label: images.length === 1 ? first.label : `${first.label} ... ${last.label}`,
    frames: images.length,
    truth: joined("truth"),
    predictions: joined("predictions"),
  };
}
