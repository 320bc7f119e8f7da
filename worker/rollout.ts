/**
 * Forecasts of several frames by a network that predicts one: along a sequence its state is carried
 * over the true frames, and from chosen moments on a copy of that state goes on with the network's own
 * predictions in place of frames that it has not seen.
 */
import type { Engine, ExecutionMode } from "../engine/engine.ts";
import { type Tensor, tf } from "../engine/tf.ts";
import { applyModel } from "../models/check_model.ts";
import { observedFrames } from "../models/missing_values.ts";
import type { Model } from "../models/model.ts";
import type { SequenceSpan } from "./sequence_predictor.ts";
import { middleNoise, splitParameters } from "./step_functions.ts";
import { sizeOf } from "./window_batch.ts";

export interface RolloutOptions {
  readonly engine: Engine;
  /** With a window of one frame, as `frameByFrame` gives it. */
  readonly model: Model;
  /** All of them in one vector; stays the caller's. */
  readonly parameters: Tensor;
  /** True frames before the first forecast. */
  readonly contextFrames: number;
  /** Frames of each forecast; the next one begins where it ends. */
  readonly leads: number;
  /** Whether true frames may be NaN where values are missing. */
  readonly hasMissing?: boolean;
  readonly mode?: ExecutionMode;
}

/** One forecast out of a sequence. */
export interface RolledOut {
  /** Its first frame: those before are true ones. */
  readonly start: number;
  /** [leads, height, width, channels] */
  readonly predictions: Float32Array;
}

export interface Rollout {
  readonly contextFrames: number;
  readonly leads: number;
  /** Forecasts that end within the sequence; `read` is asked for single frames, in order. */
  forecasts(
    frames: number,
    read: (offset: number, count: number) => Promise<SequenceSpan>,
  ): AsyncGenerator<RolledOut, void, undefined>;
  /**
   * The forecast of what comes after the last of `frames` frames: [leads, height, width, channels].
   * `read` is asked for single frames, in order.
   */
  after(
    frames: number,
    read: (offset: number, count: number) => Promise<SequenceSpan>,
  ): Promise<Float32Array>;
  dispose(): void;
}

/** Whether a network can go on with its own predictions: it predicts the next frame, and remembers. */
export function canRollOut({ window, persistence, outputShape, frameShape }: Model): boolean {
  return window.carriesState && window.frames === 2 && window.predictions === 1 &&
    persistence !== undefined && `${outputShape}` === `${frameShape}`;
}

/**
 * @param single the same model frame by frame, where that is the same network; else itself
 * @returns undefined where it can go on with its own predictions
 */
export function noRolloutBecause(model: Model, single: Model): string | undefined {
  if (canRollOut(single)) return undefined;
  const { frames, predictions, advance, carriesState } = model.window;
  if (frames - predictions > 1) return `it forecasts ${predictions} frames at once as it is`;
  if (carriesState && model.persistence !== undefined && single.window.advance > 1) {
    return `its window is fixed at ${advance} frames, and it would have to read one at a time; ` +
      "give it windows of any length, a model.json by saving null for its time";
  }
  return "only a network that predicts the next frame, and carries its state, can go on with its " +
    "own predictions";
}

/** @throws {RangeError} for a network that predicts no next frame */
export function createRollout(options: RolloutOptions): Rollout {
  const { engine, model, parameters, contextFrames, leads, hasMissing = false, mode } = options;
  if (!canRollOut(model)) {
    throw new RangeError(
      `Cannot feed model "${model.name}" its own predictions: its window is ` +
        JSON.stringify(model.window),
    );
  }
  const size = sizeOf(model.frameShape);
  const next = engine.compile("rollout", ([flat, frame, ...state]) => {
    // The second frame of a window is what the prediction is compared with.
    const frames = tf.concat([frame, tf.zerosLike(frame)], 1);
    const noise = middleNoise(model, 1);
    const output = applyModel(model, splitParameters(model, flat), state, {
      ...(hasMissing ? observedFrames(frames) : { frames }),
      ...{ noise, training: false },
    });
    return [output.predictions, ...output.state];
  }, { mode });

  async function forecast(prediction: Tensor, state: readonly Tensor[]): Promise<Float32Array> {
    const all = new Float32Array(leads * size);
    let current = [prediction, ...state];
    for (let lead = 0; lead < leads; lead++) {
      if (lead > 0) {
        const after = await next([parameters, ...current]);
        if (lead > 1) tf.dispose(current);
        current = after;
      }
      all.set(current[0].dataSync() as Float32Array, lead * size);
    }
    // The first ones are the caller's.
    if (leads > 1) tf.dispose(current);
    return all;
  }

  /** Reads true frames up to `end`, and forecasts where `isStart` says so. */
  async function* alongFrames(
    end: number,
    read: (offset: number, count: number) => Promise<SequenceSpan>,
    isStart: (start: number) => boolean,
  ): AsyncGenerator<RolledOut, void, undefined> {
    let state: Tensor[] = model.state.map(({ shape }) => tf.zeros([1, ...shape]));
    try {
      for (let start = 1; start <= end; start++) {
        const { frames: seen } = await read(start - 1, 1);
        const frame = tf.tensor(seen, [1, 1, ...model.frameShape], "float32");
        const [prediction, ...after] = await next([parameters, frame, ...state]);
        tf.dispose([frame, ...state]);
        state = after;
        const predictions = isStart(start) ? await forecast(prediction, state) : undefined;
        prediction.dispose();
        if (predictions) yield { start, predictions };
      }
    } finally {
      tf.dispose(state);
    }
  }

  return {
    contextFrames,
    leads,
    forecasts: (frames, read) =>
      alongFrames(frames - leads, read, (start) => {
        const since = start - contextFrames;
        return since >= 0 && since % leads === 0;
      }),
    async after(frames, read) {
      for await (const { predictions } of alongFrames(frames, read, (start) => start === frames)) {
        return predictions;
      }
      throw new RangeError("Cannot forecast from no frames: the state of a network comes of some");
    },
    dispose: () => next.dispose(),
  };
}
