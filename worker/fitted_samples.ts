/**
 * Sample predictions as a picture shows them: of frames that are larger than a picture has room for,
 * each square of pixels becomes one. What was written whole would be more than a message or a picture
 * may hold, and nobody could look at it.
 */
import type { SequencePrediction } from "./opened_run.ts";

/** Pixels along a frame's longer side. */
export const pictureSideMax = 512;
/** Values in one sequence's frames, and in all together; the coordinator takes as many. */
const sequenceValuesMax = 2 ** 24;
const allValuesMax = 2 ** 25;
/** Frames with shorter sides show nothing. */
const sideMin = 16;

export interface FittedSamples {
  /** As many as there is room for, the first ones. */
  readonly count: number;
  /** Size of the samples' frames after `reduce`. */
  readonly height: number;
  readonly width: number;
  /** One of them at that size. A large one takes a good part of a second. */
  reduce(sample: SequencePrediction): SequencePrediction;
}

/**
 * @param size of the samples' frames
 * @param channels of truth and predictions where these are frames
 */
export function fitSamples(
  samples: readonly SequencePrediction[],
  [height, width]: readonly number[],
  channels: number,
): FittedSamples {
  const longer = Math.max(height, width);
  for (let step = Math.max(1, Math.ceil(longer / pictureSideMax));; step++) {
    const size = { height: Math.ceil(height / step), width: Math.ceil(width / step) };
    const count = countThatFit(samples, size.height * size.width, channels);
    const isTooSmall = step > 1 && longer / step < sideMin;
    if (count === 0 && samples.length > 0 && !isTooSmall) continue;
    const reduce = (sample: SequencePrediction) => reduced(sample, height, width, step);
    return { ...size, count: isTooSmall ? 0 : count, reduce };
  }
}

/** None unless the first does. */
function countThatFit(
  samples: readonly SequencePrediction[],
  pixels: number,
  channels: number,
): number {
  let all = 0;
  const end = samples.findIndex(({ frames, answer }) => {
    const values = frames * pixels * (answer?.channels ?? channels);
    all += values;
    return values > sequenceValuesMax || all > allValuesMax;
  });
  return end === -1 ? samples.length : end;
}

function reduced(
  sample: SequencePrediction,
  height: number,
  width: number,
  step: number,
): SequencePrediction {
  if (step === 1) return sample;
  const { frames, firstPredicted, truth, predictions, answer } = sample;
  const isNumbers = answer !== undefined && answer.classes.length > 0;
  const smaller = (values: Float32Array, count: number, isOfClasses: boolean) =>
    reduceFrames(values, { frames: count, height, width, step, isOfClasses });
  return {
    ...sample,
    truth: smaller(truth, frames, isNumbers),
    predictions: smaller(predictions, frames - firstPredicted, isNumbers),
    ...(answer && { answer: { ...answer, seen: smaller(answer.seen, frames, false) } }),
  };
}

/** The mean of what was observed in each square; numbers of classes have none, and one stands for all. */
function reduceFrames(
  values: Float32Array,
  { frames, height, width, step, isOfClasses }: {
    readonly frames: number;
    readonly height: number;
    readonly width: number;
    readonly step: number;
    readonly isOfClasses: boolean;
  },
): Float32Array {
  const channels = values.length / (frames * height * width);
  const [rows, columns] = [Math.ceil(height / step), Math.ceil(width / step)];
  const result = new Float32Array(frames * rows * columns * channels);
  if (isOfClasses) {
    let to = 0;
    for (let frame = 0; frame < frames; frame++) {
      for (let y = 0; y < height; y += step) {
        for (let x = 0; x < width; x += step) {
          const from = ((frame * height + y) * width + x) * channels;
          for (let channel = 0; channel < channels; channel++) {
            result[to++] = values[from + channel];
          }
        }
      }
    }
    return result;
  }
  const sums = new Float64Array(columns * channels);
  const counts = new Uint32Array(columns * channels);
  for (let row = 0; row < frames * rows; row++) {
    sums.fill(0);
    counts.fill(0);
    const top = Math.floor(row / rows) * height + (row % rows) * step;
    const end = Math.min(top + step, (Math.floor(row / rows) + 1) * height);
    for (let y = top; y < end; y++) addRow(values, y * width * channels, sums, counts, step, width);
    const to = row * columns * channels;
    for (let i = 0; i < sums.length; i++) result[to + i] = sums[i] / counts[i];
  }
  return result;
}

/** A row of pixels from `from` on, `step` of them into each sum; not observed ones are passed over. */
function addRow(
  values: Float32Array,
  from: number,
  sums: Float64Array,
  counts: Uint32Array,
  step: number,
  width: number,
): void {
  const columns = Math.ceil(width / step);
  const channels = sums.length / columns;
  for (let column = 0; column < columns; column++) {
    const end = Math.min(column * step + step, width);
    for (let x = column * step; x < end; x++) {
      for (let channel = 0; channel < channels; channel++) {
        const value = values[from + x * channels + channel];
        if (Number.isNaN(value)) continue;
        sums[column * channels + channel] += value;
        counts[column * channels + channel]++;
      }
    }
  }
}
