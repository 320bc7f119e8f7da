/**
 * The same network with the smallest window, where that is the same network: what carries its whole
 * past in its state can be asked for one prediction after the other, and its answers then do not
 * depend on the window that it was trained with.
 */
import type { Model } from "../models/model.ts";
import type { SequencePredictor, SequenceSpan } from "./sequence_predictor.ts";

/**
 * @param build the model with another number of frames in its window
 * @returns the model itself where it needs its window
 */
export function frameByFrame(model: Model, build: (windowFrames: number) => Model): Model {
  if (!model.window.carriesState || model.window.advance === 1) return model;
  let single: Model;
  try {
    single = build(1);
  } catch (error) {
    // A window of its own choice may be too short for it.
    if (error instanceof RangeError) return model;
    throw error;
  }
  const context = ({ window }: Model) => window.frames - window.predictions;
  const hasSame = (read: (model: Model) => unknown) =>
    JSON.stringify(read(single)) === JSON.stringify(read(model));
  const isSame = single.window.carriesState && single.window.advance === 1 &&
    single.window.predictions === 1 && context(single) === context(model) &&
    hasSame(({ parameters, state, outputShape }) => [parameters, state, outputShape]);
  return isSame ? single : model;
}

/** Largest difference that other kernels may make, relative to values of about 1. */
const tolerance = 1e-3;

/**
 * Whether two predictors say the same of a sequence but for rounding: what looks along its window, a
 * convolution over time say, is another network with another window.
 * @param frames to compare, as many as the longer window at least
 */
export async function areSameNetwork(
  one: SequencePredictor,
  two: SequencePredictor,
  frames: number,
  read: (offset: number, count: number) => Promise<SequenceSpan>,
): Promise<boolean> {
  const values = async (predictor: SequencePredictor) => {
    const all: Float32Array[] = [];
    for await (const { prediction } of predictor.predict(frames, read)) all.push(prediction);
    return all;
  };
  const [first, second] = [await values(one), await values(two)];
  return first.length === second.length &&
    first.every((prediction, index) =>
      prediction.every((value, i) =>
        Math.abs(value - second[index][i]) <= tolerance * (1 + Math.abs(value))
      )
    );
}
