/** Forecasts the frames after the last ones of sequences, and shows them behind those. */
import { encodeNpy } from "../datasets/npy_encoding.ts";
import type { PredictedSequence } from "../report/predicted_sequence.ts";
import type { Forecast } from "../worker/forecast.ts";
import { sequenceReader } from "../worker/sequence_reader.ts";
import { sizeOf } from "../worker/window_batch.ts";
import { UsageError } from "./flags.ts";
import type { ForecastLengths } from "./open_forecast.ts";
import { sequenceLabel, writeNewFile } from "./prediction_files.ts";
import type { TrainedModel } from "./trained_model.ts";

/** Forecast frames in pictures: more would be too small, and an animation too long. */
const shownLeadsMax = 100;
/** Last true frames in pictures. */
const shownInputsMax = 10;

export interface ForecastFile {
  readonly id: string;
  /** `.npy` of [leads, height, width, channels]. */
  readonly path: string;
  /** Numbers that the frames would have in the sequence, from 0 on. */
  readonly frames: readonly number[];
}

/**
 * The first sequences that are long enough; how many are not is told.
 * @param framesMin that the network needs
 * @throws {UsageError} where none is
 */
export function sequencesToForecast(
  { dataset, split, configuration }: TrainedModel,
  { contextFrames = 1 }: ForecastLengths,
  framesMin: number,
  wanted: number,
): number[] {
  const catalogue = dataset.catalogue(split, 0);
  const least = Math.max(framesMin, contextFrames);
  const fitting = [...catalogue.keys()].filter((index) => catalogue[index].frames >= least);
  const short = catalogue.length - fitting.length;
  if (fitting.length === 0) {
    const longest = catalogue.reduce((most, { frames }) => Math.max(most, frames), 0);
    throw new UsageError(
      `Cannot forecast: none of ${catalogue.length} ${split} sequences has the ${least} frames ` +
        `that a forecast starts from, the longest has ${longest}; name longer ones with --data`,
    );
  }
  if (short > 0) {
    const { id } = catalogue.find(({ frames }) => frames < least)!;
    const label = sequenceLabel(id, configuration.dataset.path);
    console.error(
      `Left out: ${short} of ${catalogue.length} ${split} sequences, ${label} the first of them, ` +
        `have fewer than the ${least} frames that a forecast starts from`,
    );
  }
  return fitting.slice(0, wanted);
}

/**
 * One sequence: the file, and what pictures show of it.
 * @param base path of its files without their endings
 */
export async function forecastSequence(
  trained: TrainedModel,
  forecast: Forecast,
  { leads, contextFrames }: ForecastLengths,
  sequence: number,
  { base, label }: { readonly base: string; readonly label: string },
): Promise<{ file: ForecastFile; shown: PredictedSequence }> {
  const { dataset, split, model } = trained;
  const { frames } = dataset.catalogue(split, 0)[sequence];
  const read = sequenceReader(trained, sequence);
  const seen = contextFrames ?? frames;
  const values = await forecast.after(
    seen,
    (offset, count) => read(frames - seen + offset, count),
  );
  const path = `${base}.npy`;
  await writeNewFile(path, encodeNpy(values, [leads, ...model.frameShape]));
  const inputFrames = Math.min(seen, shownInputsMax);
  const shownLeads = Math.min(leads, shownLeadsMax);
  const { frames: truth } = await read(frames - inputFrames, inputFrames);
  const [height, width, channels] = model.frameShape;
  return {
    file: { id: label, path, frames: Array.from({ length: leads }, (_, lead) => frames + lead) },
    shown: {
      ...{ label, truth, inputFrames, height, width, channels, isFuture: true },
      frames: inputFrames + shownLeads,
      predictions: values.subarray(0, shownLeads * sizeOf(model.frameShape)),
    },
  };
}
