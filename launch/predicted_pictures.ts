/** How the predictions of a model look: in grey, rain, VIL, its own colours or those of classes. */
import { brightness } from "../report/brightness.ts";
import { classMap } from "../report/class_map.ts";
import { frameScale } from "../report/frame_scale.ts";
import { type PredictedSequence, predictionKind } from "../report/predicted_sequence.ts";
import { renderPredictionAnimation } from "../report/prediction_animation.ts";
import { type PredictionPicture, renderPredictions } from "../report/prediction_picture.ts";
import { writeNewFile } from "./prediction_files.ts";
import type { TrainedModel } from "./trained_model.ts";

/** What was predicted of one frame. */
export interface PredictedFrame {
  readonly frame: number;
  readonly prediction: Float32Array;
  readonly truth: Float32Array;
}

export type Look = Pick<PredictionPicture, "predicts" | "scale" | "classes">;

/** Undefined where there is nothing to look at: neither images nor classes are predicted. */
export function lookOf(
  { dataset, model }: Pick<TrainedModel, "dataset" | "model">,
  isRollout: boolean,
): Look | undefined {
  const { outputShape, window, persistence } = model;
  const [height, width, channels] = dataset.frameShape;
  const isDrawn = (count: number) => count === 1 || count === 3;
  const scale = frameScale(dataset.name);
  const isAnswer = `${outputShape}` === `${dataset.targetShape}`;
  if (!isDrawn(channels)) return undefined;
  if (isAnswer && dataset.classes) {
    if (outputShape.length === 1) return { predicts: "nothing", scale };
    return { predicts: "answer", scale: "classes", classes: dataset.classes };
  }
  if (outputShape.length !== 3 || !isDrawn(outputShape[2])) return undefined;
  if (`${outputShape.slice(0, 2)}` !== `${[height, width]}`) return undefined;
  if (isAnswer && !persistence) return { predicts: "answer", scale };
  const context = window.frames - window.predictions;
  return { predicts: isRollout ? "forecast" : predictionKind(context), scale };
}

/**
 * A sequence up to the first frame of which nothing is predicted.
 * @param frames [frames, height, width, channels] of the whole sequence
 */
export function pictured(
  { dataset, model }: Pick<TrainedModel, "dataset" | "model">,
  look: Look,
  label: string,
  frames: Float32Array,
  predicted: readonly PredictedFrame[],
): PredictedSequence {
  const [height, width, ownChannels] = dataset.frameShape;
  const size = height * width * ownChannels;
  const sides = { height, width };
  if (look.predicts === "nothing") {
    const count = frames.length / size;
    const named = `${label}: ${classInWords(predicted.at(-1)!, dataset.classes!)}`;
    return {
      ...{ label: named, ...sides, frames: count, inputFrames: count, channels: ownChannels },
      ...{ truth: frames, predictions: new Float32Array() },
    };
  }
  // Windows of a forecaster leave gaps: the first of them is shown.
  const [{ frame: first }] = predicted;
  const until = predicted.findIndex(({ frame }, index) => frame !== first + index);
  const shown = until < 0 ? predicted : predicted.slice(0, until);
  const channels = look.scale === "classes" ? 1 : model.outputShape[2];
  const valuesOf = (values: Float32Array) =>
    look.scale === "classes" ? classMap(values, look.classes!.length) : values;
  const predictions = joined(shown.map(({ prediction }) => valuesOf(prediction)));
  const truth = joined(shown.map(({ truth }) => valuesOf(truth)));
  if (look.predicts === "answer") {
    const seen = frames.subarray(first * size, (first + shown.length) * size);
    return {
      ...{ label, ...sides, frames: shown.length, inputFrames: 0, channels, truth, predictions },
      seen: brightness(seen, ownChannels),
    };
  }
  return {
    ...{ label, ...sides, frames: first + shown.length, inputFrames: first, channels, predictions },
    truth: joined([frames.subarray(0, first * size), truth]),
  };
}

/** "true sine, predicted sine (98 %)" */
export function classInWords(
  { prediction, truth }: Pick<PredictedFrame, "prediction" | "truth">,
  classes: readonly string[],
): string {
  const [likely] = classMap(prediction, classes.length);
  const [actual] = classMap(truth, classes.length);
  const share = (100 * prediction[likely]).toFixed(0);
  return `true ${classes[actual] ?? "unknown"}, predicted ${classes[likely]} (${share} %)`;
}

/**
 * Draws each sequence by itself, still and moving, and the first few in one picture. Of single images
 * only that: one image has no course.
 * @param path of a file of the sequence without its ending
 * @returns paths of what was written
 */
export async function drawSequences(
  picture: Omit<PredictionPicture, "sequences">,
  sequences: readonly { readonly path: string; readonly sequence: PredictedSequence }[],
  together: string,
): Promise<string[]> {
  if (sequences.length === 0) return [];
  const written: string[] = [];
  const write = async (path: string, bytes: Uint8Array) => {
    await writeNewFile(path, bytes);
    written.push(path);
  };
  const [{ sequence: { frames } }] = sequences;
  const alike = sequences.filter(({ sequence }) => sequence.frames === frames)
    .map(({ sequence }) => sequence)
    .slice(0, frames === 1 ? imagesMax : sequencesMax);
  await write(together, renderPredictions({ ...picture, sequences: alike }));
  for (const { path, sequence } of sequences) {
    if (sequence.frames === 1) continue;
    const own = { ...picture, sequences: [sequence] };
    await write(`${path}.png`, renderPredictions(own));
    await write(`${path}.gif`, renderPredictionAnimation(own));
  }
  return written;
}

/** In one picture: more tells less. */
const sequencesMax = 4;
export const imagesMax = 10;

export function joined(arrays: readonly Float32Array[]): Float32Array {
  const all = new Float32Array(arrays.reduce((sum, { length }) => sum + length, 0));
  let offset = 0;
  for (const array of arrays) {
    all.set(array, offset);
    offset += array.length;
  }
  return all;
}
