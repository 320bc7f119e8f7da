/** A sequence with what was predicted of it, as pictures and animations show it. */
import type { ColourScaleName } from "./colour_scale.ts";
import type { Frame } from "./raster.ts";

export interface PredictedSequence {
  /** What it is, e.g. "test/000017". */
  readonly label: string;
  /**
   * [frames, height, width, channels], values in [0, 1]; the numbers of classes where `scale` says so;
   * NaN where nothing was observed.
   */
  readonly truth: Float32Array;
  /** Whether nobody has seen the frames after the input, so that the truth ends with it. */
  readonly isFuture?: boolean;
  /** [frames - inputFrames, height, width, channels]: what was predicted for the frames after the input. */
  readonly predictions: Float32Array;
  readonly inputFrames: number;
  readonly frames: number;
  readonly height: number;
  readonly width: number;
  /** 3 for red, green and blue. @default {1} */
  readonly channels?: number;
  /** [frames, height, width]: what was seen, where that is not the truth of earlier frames. */
  readonly seen?: Float32Array;
}

/**
 * `forecast`: everything after the input frames comes from them alone. `future`: the same where nobody
 * has seen what comes, and there is no truth to compare with. `next-frame`: every frame is
 * predicted from the true frames before it. `reconstruction`: every frame comes from itself, through
 * an autoencoder. `answer`: every frame is answered, e.g. with a class for each pixel. `nothing`:
 * frames alone are shown, whose label says what was predicted.
 */
export type PredictionKind =
  | "forecast"
  | "future"
  | "next-frame"
  | "reconstruction"
  | "answer"
  | "nothing";

/** @param inputFrames that a window has before the first frame that it predicts */
export function predictionKind(inputFrames: number): PredictionKind {
  if (inputFrames === 0) return "reconstruction";
  return inputFrames === 1 ? "next-frame" : "forecast";
}

export interface FrameRow {
  readonly name: string;
  /** Undefined where there is nothing to show yet. */
  frame(index: number): Frame | undefined;
  readonly scale: ColourScaleName;
}

/** What stands below each other, or side by side: the last row is how far the two before are apart. */
export function rowsOf(
  sequence: PredictedSequence,
  predicts: PredictionKind,
  scale: ColourScaleName,
): FrameRow[] {
  const { height, width, inputFrames, channels = 1, truth, predictions, seen } = sequence;
  const part = (values: Float32Array, index: number, depth: number) => {
    const size = height * width * depth;
    return values.subarray(index * size, (index + 1) * size);
  };
  const truthOf = (index: number) => part(truth, index, channels);
  const truthRow: FrameRow = {
    name: predicts === "nothing" ? "frame" : "truth",
    frame: (index) => ({ values: truthOf(index), height, width, channels }),
    scale,
  };
  if (predicts === "nothing") return [truthRow];
  if (predicts === "future") {
    const frame = (index: number) => ({
      values: index < inputFrames
        ? truthOf(index)
        : part(predictions, index - inputFrames, channels),
      ...{ height, width, channels },
    });
    return [{ name: "frame", frame, scale }];
  }
  const predicted = (read: (index: number) => Frame) => (index: number) =>
    index < inputFrames ? undefined : read(index);
  const predictionOf = (index: number) => part(predictions, index - inputFrames, channels);
  return [
    ...(seen
      ? [{
        name: "input",
        frame: (index: number) => ({ values: part(seen, index, 1), height, width }),
        scale: "gray" as const,
      }]
      : []),
    truthRow,
    {
      name: predicts === "reconstruction" ? "reconstruction" : "prediction",
      frame: predicted((index) => ({ values: predictionOf(index), height, width, channels })),
      scale,
    },
    {
      name: "error",
      frame: predicted((index) => ({
        values: errorOf(truthOf(index), predictionOf(index), channels, scale),
        height,
        width,
      })),
      scale: "error",
    },
  ];
}

/** Mean over channels of absolute differences; 1 where a class is another; NaN where none is known. */
function errorOf(
  truth: Float32Array,
  prediction: Float32Array,
  channels: number,
  scale: ColourScaleName,
): Float32Array {
  if (scale === "classes") {
    return truth.map((value, i) => Number.isNaN(value) ? NaN : value === prediction[i] ? 0 : 1);
  }
  const errors = new Float32Array(truth.length / channels);
  truth.forEach((value, i) => {
    errors[Math.floor(i / channels)] += Math.abs(prediction[i] - value) / channels;
  });
  return errors;
}

/** Single images as the frames of one sequence, because they show more side by side. */
export function sideBySide(sequences: readonly PredictedSequence[]): readonly PredictedSequence[] {
  if (sequences.length < 2 || sequences.some(({ frames }) => frames > 1)) return sequences;
  const joined = (read: (sequence: PredictedSequence) => Float32Array) => {
    const parts = sequences.map(read);
    const all = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
    parts.reduce((offset, values) => (all.set(values, offset), offset + values.length), 0);
    return all;
  };
  const [first] = sequences;
  const last = sequences[sequences.length - 1];
  return [{
    ...first,
    label: `${first.label} ... ${last.label}`,
    frames: sequences.length,
    inputFrames: first.inputFrames * sequences.length,
    truth: joined(({ truth }) => truth),
    predictions: joined(({ predictions }) => predictions),
    ...(first.seen ? { seen: joined(({ seen }) => seen!) } : {}),
  }];
}

/** @throws {RangeError} if an array's length contradicts its shape, or the shapes differ */
export function checkShapes(sequences: readonly PredictedSequence[]): void {
  if (sequences.length === 0) throw new RangeError("Cannot draw predictions: no sequences given");
  const shapeOf = ({ frames, inputFrames, height, width, channels = 1 }: PredictedSequence) => [
    ...[frames, inputFrames, height, width, channels],
  ];
  const expectedShape = shapeOf(sequences[0]).join(", ");
  for (const sequence of sequences) {
    const { label, frames, inputFrames, height, width, channels = 1 } = sequence;
    const shape = shapeOf(sequence).join(", ");
    if (shape !== expectedShape) {
      throw new RangeError(
        `Cannot draw "${label}": its frames, input frames, height, width and channels are ` +
          `[${shape}], those of the first sequence [${expectedShape}]`,
      );
    }
    if (channels !== 1 && channels !== 3) {
      throw new RangeError(`Cannot draw "${label}": frames have ${channels} channels, not 1 or 3`);
    }
    const arrays = [
      ["truth", sequence.truth, [
        sequence.isFuture ? inputFrames : frames,
        ...[height, width, channels],
      ]],
      ["predictions", sequence.predictions, [frames - inputFrames, height, width, channels]],
      ...(sequence.seen ? [["seen", sequence.seen, [frames, height, width]] as const] : []),
    ] as const;
    for (const [name, { length }, shape] of arrays) {
      const expected = shape.reduce((product, side) => product * side, 1);
      if (length !== expected) {
        throw new RangeError(
          `Cannot draw "${label}": ${name} has ${length} values, its shape [${shape.join(", ")}] ` +
            `needs ${expected}`,
        );
      }
    }
  }
}
