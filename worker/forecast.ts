/**
 * Frames that nobody has seen: what comes after the last frame of a sequence. A network that predicts
 * the next frame goes on with its own predictions, its state carried over the whole sequence; one that
 * forecasts several at once, or the next from a window, reads its own forecasts when it has to go
 * further than it reaches. Where a sequence is cut short, both give the very bits of the rollout, or of
 * the predictions, that the whole one has.
 */
import type { Engine, ExecutionMode } from "../engine/engine.ts";
import type { Tensor } from "../engine/tf.ts";
import type { Model } from "../models/model.ts";
import { canRollOut, createRollout, noRolloutBecause } from "./rollout.ts";
import {
  createPredictor,
  type SequencePredictor,
  type SequenceSpan,
} from "./sequence_predictor.ts";
import { sizeOf } from "./window_batch.ts";

export interface ForecastOptions {
  readonly engine: Engine;
  /** Frame by frame where that is the same network, as `frameByFrame` gives it. */
  readonly model: Model;
  /** All of them in one vector; stays the caller's. */
  readonly parameters: Tensor;
  /** Frames to forecast. */
  readonly leads: number;
  /** Whether frames may be NaN where values are missing. */
  readonly hasMissing?: boolean;
  readonly mode?: ExecutionMode;
}

export interface Forecast {
  /** Frames that it needs at least; of what reads windows, it sees no more than these. */
  readonly framesMin: number;
  /**
   * @param frames of the sequence, or of its end, from a state of zeros
   * @param read asked in order
   * @returns [leads, height, width, channels]
   */
  after(
    frames: number,
    read: (offset: number, count: number) => Promise<SequenceSpan>,
  ): Promise<Float32Array>;
  dispose(): void;
}

/**
 * @param single the same model frame by frame, where that is the same network; else itself
 * @returns undefined where it can forecast what comes after the last frame
 */
export function noForecastBecause(model: Model, single: Model): string | undefined {
  if (model.persistence === undefined || `${model.outputShape}` !== `${model.frameShape}`) {
    return "it predicts no frames that come, but answers or reconstructs those that it sees";
  }
  return model.window.carriesState ? noRolloutBecause(model, single) : undefined;
}

/** @throws {RangeError} for a network that predicts no frames that come */
export function createForecast(options: ForecastOptions): Forecast {
  const { model, leads } = options;
  if (canRollOut(model)) {
    const rollout = createRollout({ ...options, contextFrames: 1 });
    return { framesMin: 1, after: rollout.after, dispose: rollout.dispose };
  }
  const why = noForecastBecause(model, model);
  if (why !== undefined) throw new RangeError(`Cannot forecast with model "${model.name}": ${why}`);
  return forecastByWindows(model, createPredictor(options), leads);
}

function forecastByWindows(model: Model, predictor: SequencePredictor, leads: number): Forecast {
  const { frames: windowFrames, predictions } = model.window;
  const size = sizeOf(model.frameShape);
  // Where each frame predicts its next, only the last is new: those before it follow true frames.
  const isNextFrame = windowFrames - predictions === 1;
  const newFrames = isNextFrame ? 1 : predictions;
  const inputFrames = windowFrames - newFrames;
  return {
    framesMin: inputFrames,
    async after(frames, read) {
      if (frames < inputFrames) {
        throw new RangeError(`Cannot forecast from ${frames} frames: it takes ${inputFrames}`);
      }
      const known = new Float32Array((inputFrames + leads + newFrames) * size);
      const { frames: seen } = await read(frames - inputFrames, inputFrames);
      known.set(seen);
      for (let lead = 0; lead < leads; lead += newFrames) {
        // What is to be predicted is still 0 in it.
        const window = known.slice(lead * size, (lead + windowFrames) * size);
        const spans = (offset: number, count: number) =>
          Promise.resolve({ frames: window.subarray(offset * size, (offset + count) * size) });
        for await (const { frame, prediction } of predictor.predict(windowFrames, spans)) {
          if (frame >= inputFrames) known.set(prediction, (lead + frame) * size);
        }
      }
      return known.slice(inputFrames * size, (inputFrames + leads) * size);
    },
    dispose: () => predictor.dispose(),
  };
}
