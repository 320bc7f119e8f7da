/** Scores of rollouts by lead time, over all sequences of a split. */
import type { Split } from "../datasets/dataset.ts";
import { isRainDataset } from "../datasets/rain_dataset.ts";
import { createForecastScores, type ForecastResult, type ScoreOptions } from "./forecast_scores.ts";
import type { Rollout } from "./rollout.ts";
import type { SequenceSpan } from "./sequence_predictor.ts";
import { sizeOf } from "./window_batch.ts";

export interface RolloutScoresOptions extends ScoreOptions {
  readonly rollout: Rollout;
  readonly split: Split;
  /** Of the sequence with this index in the split's catalogue. */
  readonly reader: (
    sequence: number,
  ) => (offset: number, count: number) => Promise<SequenceSpan>;
  /** Told after each sequence. */
  readonly onProgress?: (done: number, total: number) => void;
}

export interface RolloutResult extends ForecastResult {
  readonly contextFrames: number;
  readonly leads: number;
  readonly forecasts: number;
}

/** @throws {RangeError} where no sequence is long enough for one forecast */
export async function scoreRollouts(options: RolloutScoresOptions): Promise<RolloutResult> {
  const { dataset, rollout, split, reader, onProgress } = options;
  const { contextFrames, leads } = rollout;
  const size = sizeOf(dataset.frameShape);
  const scores = createForecastScores(options, leads, {
    persistence: true,
    extrapolation: isRainDataset(dataset) && dataset.frameShape[2] === 1 && contextFrames > 1,
  });
  const catalogue = dataset.catalogue(split, 0);
  let forecasts = 0;
  for (const [sequence, { frames }] of catalogue.entries()) {
    const read = reader(sequence);
    for await (const { start, predictions } of rollout.forecasts(frames, read)) {
      const { frames: around } = await read(start - contextFrames, contextFrames + leads);
      const [seen, truth] = [
        around.subarray(0, contextFrames * size),
        around.subarray(contextFrames * size),
      ];
      scores.add(seen, predictions, truth, leads);
      forecasts++;
    }
    onProgress?.(sequence + 1, catalogue.length);
  }
  if (forecasts === 0) {
    throw new RangeError(
      `Cannot score rollouts: none of ${catalogue.length} ${split} sequences has the ` +
        `${contextFrames} + ${leads} frames that one needs; give less --rollout or --context`,
    );
  }
  return { contextFrames, leads, forecasts, ...scores.result() };
}
