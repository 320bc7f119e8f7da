/** A trained model made ready to forecast what comes after the last frames of sequences. */
import { createForecast, type Forecast, noForecastBecause } from "../worker/forecast.ts";
import { frameByFrame } from "../worker/frame_by_frame.ts";
import { sizeOf } from "../worker/window_batch.ts";
import { type FlagTable, type GivenFlags, UsageError } from "./flags.ts";
import { isSameFrameByFrame } from "./open_predictor.ts";
import type { TrainedModel } from "./trained_model.ts";

export const forecastFlags = {
  forecast: {
    kind: "integer",
    value: "FRAMES",
    min: 1,
    max: 100_000,
    help: "so many frames after the last one of each sequence, which nobody has seen",
  },
} as const satisfies FlagTable;

/** Bytes of one forecast as float32, which is in memory at once. */
const forecastBytesMax = 2 ** 30;

/** How far a forecast goes, and how many of a sequence's last frames it sees; all where left out. */
export interface ForecastLengths {
  readonly leads: number;
  readonly contextFrames?: number;
}

/**
 * What `--forecast` and `--context` ask for; undefined without `--forecast`.
 * @throws {UsageError} for flags that do nothing beside it
 */
export function forecastLengths(
  given: GivenFlags,
  { model }: TrainedModel,
): ForecastLengths | undefined {
  const leads = given.forecast as number | undefined;
  if (leads === undefined) return undefined;
  for (const other of ["rollout", "window", "decode", "decode-grid"]) {
    if (given[other] === undefined) continue;
    throw new UsageError(
      `Cannot use --${other} with --forecast, which has no use for it; leave one of them out`,
    );
  }
  const bytes = 4 * leads * sizeOf(model.frameShape);
  if (bytes > forecastBytesMax) {
    throw new UsageError(
      `Cannot forecast ${leads} frames of ${
        model.frameShape.join("x")
      }: they take ${bytes} bytes, ` +
        `at most ${forecastBytesMax} are held in memory; give less --forecast`,
    );
  }
  const contextFrames = given.context as number | undefined;
  return { leads, ...(contextFrames === undefined ? {} : { contextFrames }) };
}

/**
 * @param sequence of the split, on which is tried whether the network is the same frame by frame
 * @throws {UsageError} where the model predicts no frames that come
 */
export async function openForecast(
  trained: TrainedModel,
  { leads, contextFrames }: ForecastLengths,
  sequence: number,
): Promise<Forecast> {
  const { engine, model, build, parameters, hasMissing } = trained;
  const refuse = (flag: string, why: string) =>
    new UsageError(`Cannot use ${flag} with ${model.name}: ${why}; leave it out`);
  const single = frameByFrame(model, build);
  const why = noForecastBecause(model, single);
  if (why !== undefined) throw refuse(`--forecast ${leads}`, why);
  if (single !== model && !await isSameFrameByFrame(trained, single, sequence)) {
    throw refuse(`--forecast ${leads}`, "it predicts otherwise where its window is one frame");
  }
  const forecast = createForecast({ engine, model: single, parameters, leads, hasMissing });
  if (contextFrames !== undefined && forecast.framesMin > 1) {
    forecast.dispose();
    throw refuse(
      `--context ${contextFrames}`,
      `it reads the last ${forecast.framesMin} frames, whatever more there are`,
    );
  }
  return forecast;
}
