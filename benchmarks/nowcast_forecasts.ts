/** Forecasts of whole composites: those of a network that was trained on tiles, and those to beat. */
import { persistence } from "../baselines/persistence.ts";
import { radarExtrapolation } from "../baselines/radar_extrapolation.ts";
import type { Split } from "../datasets/dataset.ts";
import type { RadarComposites } from "../datasets/radar_composites.ts";
import { tf } from "../engine/tf.ts";
import { UsageError } from "../launch/flags.ts";
import type { TrainedModel } from "../launch/trained_model.ts";
import { buildModel, findModel } from "../models/build_model.ts";
import { splitParameters } from "../worker/step_functions.ts";
import { type ObservedArea, readArea } from "./nowcast_area.ts";

/** Forecasts that start from one scan, [leads, height, width] each; NaN where nothing is known. */
export interface Nowcast {
  readonly from: number;
  readonly seen: Float32Array;
  readonly truth: Float32Array;
  readonly model: Float32Array;
  readonly persistence: Float32Array;
  readonly flow: Float32Array;
}

/**
 * Last scans seen, each with all that a forecast reads and is compared with, without a gap.
 * @throws {UsageError} for a model that is no forecaster, or a split with too few scans
 */
export function startsOf(
  { minutes, intervalMinutes, scans }: RadarComposites,
  split: Split,
  { model: { name, window } }: TrainedModel,
): number[] {
  const inputs = window.frames - window.predictions;
  if (window.carriesState || inputs < 2 || window.predictions < 2) {
    throw new UsageError(
      `Cannot forecast with model "${name}": it does not read two scans or more and answer with ` +
        "several; choose a forecaster such as shi-convlstm",
    );
  }
  const [from, before] = scans(split);
  const starts: number[] = [];
  for (let scan = from + inputs - 1; scan + window.predictions < before; scan++) {
    const [first, last] = [scan - inputs + 1, scan + window.predictions];
    if (minutes[last] - minutes[first] === (last - first) * intervalMinutes) starts.push(scan);
  }
  if (starts.length > 0) return starts;
  throw new UsageError(
    `Cannot forecast: the ${
      before - from
    } scans of ${split} hold no ${window.frames} that follow ` +
      "each other; give --dataset-options test-scans=N, or context-scans=N",
  );
}

export async function* nowcasts(
  { engine, configuration, model: trainedModel, parameters }: TrainedModel,
  composites: RadarComposites,
  area: ObservedArea,
  starts: readonly number[],
): AsyncGenerator<Nowcast, void, undefined> {
  const { height, width } = area;
  const size = height * width;
  const { frames, predictions: leads } = trainedModel.window;
  const inputs = frames - leads;
  const definition = await findModel(configuration.model.name);
  const data = { frameShape: [height, width, 1] as const };
  const model = buildModel(configuration.model, data, configuration.windowFrames, definition);
  const shapes = ({ parameters }: typeof model) => JSON.stringify(parameters);
  if (shapes(model) !== shapes(trainedModel)) {
    throw new UsageError(
      `Cannot use the parameters of model "${model.name}" on ${height} x ${width} pixels: they ` +
        `belong to frames of ${trainedModel.frameShape.slice(0, 2).join(" x ")}`,
    );
  }
  const forecast = engine.compile("nowcast", ([flat, seen, ...state]) => {
    const values = splitParameters(model, flat);
    return [model.apply(values, state, { frames: seen, noise: [], training: false }).predictions];
  });
  const state = model.state.map(({ shape }) => tf.zeros([1, ...shape]));
  try {
    for (const from of starts) {
      const all = await readArea(composites, area, from - inputs + 1, frames);
      const seen = all.subarray(0, inputs * size);
      // What is to be forecast is not even shown; what is not observed counts as dry.
      const shown = new Float32Array(all.length);
      seen.forEach((value, i) => shown[i] = Number.isNaN(value) ? 0 : value);
      const tensor = tf.tensor5d(shown, [1, frames, height, width, 1]);
      const [predictions] = await forecast([parameters, tensor, ...state]);
      const predicted = predictions.dataSync().slice() as Float32Array;
      tf.dispose([tensor, predictions]);
      yield {
        ...{ from, seen, truth: all.subarray(inputs * size), model: predicted },
        persistence: persistence(seen, size, leads),
        flow: radarExtrapolation(seen, [height, width], leads, "unknown"),
      };
    }
  } finally {
    tf.dispose(state);
    forecast.dispose();
  }
}
