/**
 * Several answers of a model to the same windows, as its noise has it, each from the state that its
 * one answer with the middle noise was given too: a forecast of how sure the model is.
 */
import { type Tensor, tf } from "../engine/tf.ts";
import type { Model } from "../models/model.ts";
import { drawSampleNoise } from "./lane_noise.ts";
import type { ShardWindows } from "./step_functions.ts";
import { type Trainer, uploadNoise } from "./trainer.ts";
import type { WindowBatch } from "./window_batch.ts";

export interface SampleOptions {
  /** Answers to each window. */
  readonly count: number;
  /** Of their noise. */
  readonly seed: number;
}

/** Why answers would all be the same one, or would not be scored; undefined where neither is so. */
export function unsampledBecause(
  { noise = [], outputShape, frameShape }: Model,
): string | undefined {
  // A coin is for training alone.
  if (noise.every(({ distribution }) => distribution === "coin")) {
    return "it takes no noise outside of training, so all its answers are the same one";
  }
  return `${outputShape}` === `${frameShape}`
    ? undefined
    : "it predicts no frames, and only frames have a score of several answers";
}

/** @returns each [lanes, predictions, ...outputShape], which the caller disposes */
export async function drawAnswers(
  { count, seed }: SampleOptions,
  { functions, parameters }: Pick<Trainer, "functions" | "parameters">,
  model: Model,
  state: readonly Tensor[],
  { step, shard, resets }: WindowBatch,
  windows: ShardWindows,
): Promise<Tensor[]> {
  const lanes = { first: shard * resets.length, count: resets.length };
  const answers: Tensor[] = [];
  for (let sample = 0; sample < count; sample++) {
    const drawn = drawSampleNoise(model.noise ?? [], seed, { step, sample }, lanes);
    const noise = uploadNoise(drawn, model, lanes.count);
    answers.push(await functions.sample(parameters(), state, { ...windows, noise }));
    tf.dispose(noise);
  }
  return answers;
}
