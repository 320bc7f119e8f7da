/**
 * Predictions of whole sequences, from a state that is zero at a sequence's beginning and carried to
 * its end, as in training. One sequence at a time and one compiled call of a fixed size, so that a
 * sequence's predictions have the same bits however many of its frames are read at once, and whatever
 * else is predicted. (Kernels choose by the size of their batch: other sizes give other last bits.)
 */
import { windowCount, type WindowShape } from "../datasets/window_shape.ts";
import type { Engine, ExecutionMode } from "../engine/engine.ts";
import { type Tensor, tf } from "../engine/tf.ts";
import { applyModel } from "../models/check_model.ts";
import { observedFrames, observedTargets, withMissing } from "../models/missing_values.ts";
import type { Model } from "../models/model.ts";
import { middleNoise, splitParameters } from "./step_functions.ts";
import { sizeOf } from "./window_batch.ts";

/** What was predicted of one frame of a sequence. */
export interface FramePrediction {
  /** Of the sequence, from 0 on. */
  readonly frame: number;
  /** Frames from the last one that was read to this one, less one: 0 for the next frame. */
  readonly lead: number;
  /** [...outputShape] */
  readonly prediction: Float32Array;
  /** What it is compared with, of the same shape; NaN where that is missing. */
  readonly truth: Float32Array;
  /** Of an autoencoder. */
  readonly latent?: Float32Array;
}

/** Frames [frames, height, width, channels] of a sequence, and its answers where it has some. */
export interface SequenceSpan {
  readonly frames: Float32Array;
  readonly targets?: Float32Array;
}

export interface SequencePredictor {
  /** What one call reads and predicts. */
  readonly window: WindowShape;
  /**
   * All that the model predicts of a sequence of `frames` frames, in order.
   * @param read gives `count` frames from `offset` on; asked in order
   * @param readFrames at most so many at a time, but no less than one call needs
   */
  predict(
    frames: number,
    read: (offset: number, count: number) => Promise<SequenceSpan>,
    readFrames?: number,
  ): AsyncGenerator<FramePrediction, void, undefined>;
  dispose(): void;
}

export interface PredictorOptions {
  readonly engine: Engine;
  readonly model: Model;
  /** All of them in one vector; stays the caller's. */
  readonly parameters: Tensor;
  readonly targetShape?: readonly number[];
  /** Whether frames or answers may be NaN, for what is missing; the truth then is too. */
  readonly hasMissing?: boolean;
  readonly mode?: ExecutionMode;
}

export function createPredictor(options: PredictorOptions): SequencePredictor {
  const { engine, model, parameters, targetShape, hasMissing = false, mode } = options;
  const { window } = model;
  const frameSize = sizeOf(model.frameShape);
  const targetSize = targetShape ? sizeOf(targetShape) : 0;
  const context = window.frames - window.predictions;
  const run = engine.compile("predict", ([flat, frames, ...rest]) => {
    const given = targetShape ? rest.shift() : undefined;
    const noise = middleNoise(model, 1);
    const values = splitParameters(model, flat);
    const seen = hasMissing ? observedFrames(frames) : { frames };
    const output = applyModel(model, values, rest, { ...seen, noise, training: false });
    const { predictions, latent, state } = output;
    const truth = hasMissing
      ? withMissing(observedTargets(model, frames, given))
      : model.targets(frames, given);
    return [predictions, truth, ...(latent ? [latent] : []), ...state];
  }, { mode });

  async function* predict(
    frames: number,
    read: (offset: number, count: number) => Promise<SequenceSpan>,
    readFrames: number = window.frames,
  ): AsyncGenerator<FramePrediction, void, undefined> {
    const windows = windowCount(frames, window);
    const span = createSpan(frames, read, Math.max(readFrames, window.frames));
    let state = zeroState(model);
    try {
      for (let index = 0; index < windows; index++) {
        const offset = index * window.advance;
        const count = Math.min(window.frames, frames - offset);
        const { frames: seen, targets } = await span(offset, count);
        if (!window.carriesState && index > 0) {
          tf.dispose(state);
          state = zeroState(model);
        }
        const inputs = [
          padded(seen, frameSize, [window.frames, ...model.frameShape]),
          ...(targetShape ? [padded(targets!, targetSize, [window.frames, ...targetShape])] : []),
        ];
        const outputs = await run([parameters, ...inputs, ...state]);
        tf.dispose([...state, ...inputs]);
        const split = outputs.length - model.state.length;
        state = outputs.slice(split);
        const [predictions, truths, latents] = outputs.slice(0, split)
          .map((tensor) => rowsOf(tensor, window.predictions));
        tf.dispose(outputs.slice(0, split));
        for (let place = 0; place < Math.min(window.predictions, count - context); place++) {
          yield {
            frame: offset + context + place,
            lead: context > 1 ? place : 0,
            prediction: predictions[place],
            truth: truths[place],
            ...(latents ? { latent: latents[place] } : {}),
          };
        }
      }
    } finally {
      tf.dispose(state);
    }
  }

  /** Reads ahead within what may be read at a time, and keeps what the next window needs. */
  function createSpan(
    frames: number,
    read: (offset: number, count: number) => Promise<SequenceSpan>,
    readFrames: number,
  ) {
    let [start, end] = [0, 0];
    let held: SequenceSpan = { frames: new Float32Array() };
    return async (offset: number, count: number): Promise<SequenceSpan> => {
      if (offset + count > end) {
        [start, end] = [offset, Math.min(frames, offset + readFrames)];
        held = await read(start, end - start);
      }
      const part = (values: Float32Array, size: number) =>
        values.subarray((offset - start) * size, (offset - start + count) * size);
      return {
        frames: part(held.frames, frameSize),
        ...(held.targets ? { targets: part(held.targets, targetSize) } : {}),
      };
    };
  }

  return { window, predict, dispose: () => run.dispose() };
}

function zeroState(model: Model): Tensor[] {
  return model.state.map(({ shape }) => tf.zeros([1, ...shape]));
}

/** One lane's frames, the missing ones at the end zero. */
function padded(values: Float32Array, size: number, shape: readonly number[]): Tensor {
  const all = new Float32Array(shape[0] * size);
  all.set(values);
  return tf.tensor(all, [1, ...shape], "float32");
}

/** A tensor's values cut into `count` equal parts. */
function rowsOf(tensor: Tensor, count: number): Float32Array[] {
  const values = tensor.dataSync() as Float32Array;
  const size = values.length / count;
  return Array.from({ length: count }, (_, row) => values.slice(row * size, (row + 1) * size));
}
