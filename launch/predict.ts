/**
 * `deno task predict`: what a trained model predicts of the sequences of a split, each from a state
 * that is zero at its beginning and carried to its end, or with `--forecast` of what comes after them.
 * Leaves `.npy` files, pictures and animations, never over those of an earlier call.
 */
import { encodeNpy } from "../datasets/npy_encoding.ts";
import { windowCount } from "../datasets/window_shape.ts";
import { modelTitle } from "../net/run_configuration.ts";
import type { PredictedSequence } from "../report/predicted_sequence.ts";
import type { Rollout } from "../worker/rollout.ts";
import type { SequencePredictor, SequenceSpan } from "../worker/sequence_predictor.ts";
import { sequenceReader } from "../worker/sequence_reader.ts";
import { sizeOf } from "../worker/window_batch.ts";
import { decodeFlags, prepareDecoding } from "./decode_latent.ts";
import { exitCodes, runCommand } from "./exit_codes.ts";
import { type FlagTable, type GivenFlags, helpText, parseFlags, UsageError } from "./flags.ts";
import { forecastSequence, sequencesToForecast } from "./forecast_sequences.ts";
import {
  forecastFlags,
  type ForecastLengths,
  forecastLengths,
  openForecast,
} from "./open_forecast.ts";
import {
  openPredictor,
  openRollout,
  rolloutFlags,
  type RolloutLengths,
  rolloutLengths,
} from "./open_predictor.ts";
import { optionsHelp } from "./options_help.ts";
import {
  classInWords,
  drawSequences,
  imagesMax,
  joined,
  lookOf,
  pictured,
  type PredictedFrame,
} from "./predicted_pictures.ts";
import {
  fileNames,
  latentEnding,
  predictionFolder,
  sequenceLabel,
  writeNewFile,
} from "./prediction_files.ts";
import {
  besideRun,
  openTrained,
  trainedFlags,
  type TrainedModel,
  trainedOptions,
} from "./trained_model.ts";

export const predictFlags = {
  ...trainedFlags,
  sequences: {
    kind: "integer",
    value: "N",
    min: 1,
    max: 1_000_000,
    help: "the first N sequences of the split",
    defaultText: "4, or 10 single images",
  },
  window: {
    kind: "integer",
    value: "FRAMES",
    min: 1,
    max: 100_000,
    help: "frames read at a time; predictions do not depend on it",
    defaultText: "the run's",
  },
  ...rolloutFlags,
  ...forecastFlags,
  ...decodeFlags,
  out: {
    kind: "text",
    value: "DIR",
    help: "folder for the predictions",
    defaultText: "a new one in predictions/ of the run's or checkpoint's folder",
  },
} as const satisfies FlagTable;

/** Sequences that are drawn, of all that are predicted: an animation takes a second or more. */
const drawnMax = 100;
/** Sequences of several frames that are predicted unless told otherwise. */
const sequencesUsually = 4;

if (import.meta.main) {
  await runCommand(async () => {
    const given = parseFlags(Deno.args, predictFlags);
    if (given.help) {
      console.log(
        helpText("Usage: deno task predict [flags]", predictFlags) +
          await optionsHelp({ dataset: given.dataset }),
      );
      return exitCodes.done;
    }
    return await predict(given);
  });
}

async function predict(given: GivenFlags): Promise<number> {
  const trained = await openTrained(await trainedOptions(given));
  const { dataset, split, model, configuration, step } = trained;
  let predictor: SequencePredictor | undefined;
  let rollout: Rollout | undefined;
  try {
    const future = forecastLengths(given, trained);
    if (future) return await forecastBeyond(given, trained, future);
    const lengths = rolloutLengths(given, trained);
    const chosen = chooseSequences(given, trained, lengths);
    predictor = await openPredictor(trained, chosen[0]);
    rollout = lengths && await openRollout(trained, lengths, chosen[0]);
    const readFrames = given.window as number | undefined ?? configuration.windowFrames;
    const decode = await prepareDecoding(given, trained, predictor);
    const { out, bases } = await placesOf(given, trained, chosen);
    const title = `${dataset.name}, ${modelTitle(configuration.model.name)}, step ${step}`;
    const look = lookOf(trained, rollout !== undefined);
    const drawn: { path: string; sequence: PredictedSequence }[] = [];
    const sequences = [];
    for (const [place, sequence] of chosen.entries()) {
      const { id: own, frames } = dataset.catalogue(split, 0)[sequence];
      const id = sequenceLabel(own, configuration.dataset.path);
      const read = sequenceReader(trained, sequence);
      const predicted = rollout
        ? await rolledOut(rollout, frames, read, sizeOf(dataset.frameShape))
        : await Array.fromAsync(predictor.predict(frames, read, readFrames));
      const base = bases[place];
      const path = `${base}.npy`;
      const predictions = predicted.map(({ prediction }) => prediction);
      const shape = [predictions.length, ...model.outputShape];
      await writeNewFile(path, encodeNpy(joined(predictions), shape));
      const latents = predicted.flatMap(({ latent }) => latent ? [latent] : []);
      let latentPath: string | undefined;
      if (latents.length > 0) {
        latentPath = `${base}${latentEnding}.npy`;
        const latentShape = [latents.length, latents[0].length];
        await writeNewFile(latentPath, encodeNpy(joined(latents), latentShape));
      }
      const frameIndexes = predicted.map(({ frame }) => frame);
      const answer = look?.predicts === "nothing"
        ? classInWords(predicted.at(-1)!, dataset.classes!)
        : undefined;
      sequences.push({ id, path, latentPath, frames: frameIndexes, answer });
      const told = answer === undefined ? "" : `: ${answer}`;
      console.error(`${id}: frames ${inRanges(frameIndexes)} in ${path}${told}`);
      if (look && drawn.length < drawnMax) {
        const { frames: all } = await read(0, frames);
        drawn.push({ path: base, sequence: pictured(trained, look, id, all, predicted) });
      }
    }
    const pictures = [
      ...(look ? await drawSequences({ title, ...look }, drawn, `${out}/${split}.png`) : []),
      ...await decode({ out, title }),
    ];
    for (const picture of pictures) console.error(`Picture: ${picture}`);
    if (given.json) {
      const summary = { checkpoint: trained.path, step, split, pictures, sequences };
      console.log(JSON.stringify(summary));
    }
    return exitCodes.done;
  } finally {
    predictor?.dispose();
    rollout?.dispose();
    trained.close();
  }
}

/** What comes after the last frames of the first sequences. */
async function forecastBeyond(
  given: GivenFlags,
  trained: TrainedModel,
  lengths: ForecastLengths,
): Promise<number> {
  const { dataset, split, configuration, step } = trained;
  const catalogue = dataset.catalogue(split, 0);
  const frames = catalogue.map((sequence) => sequence.frames);
  const longest = frames.indexOf(frames.reduce((most, each) => Math.max(most, each), 0));
  if (longest < 0) throw new UsageError(`Cannot forecast: there are no ${split} sequences`);
  const forecast = await openForecast(trained, lengths, longest);
  try {
    const wanted = given.sequences as number | undefined ?? sequencesUsually;
    const chosen = sequencesToForecast(trained, lengths, forecast.framesMin, wanted);
    const { out, bases } = await placesOf(given, trained, chosen);
    const look = lookOf(trained, true);
    const drawn: { path: string; sequence: PredictedSequence }[] = [];
    const sequences = [];
    for (const [place, sequence] of chosen.entries()) {
      const base = bases[place];
      const label = sequenceLabel(catalogue[sequence].id, configuration.dataset.path);
      const named = { base, label };
      const { file, shown } = await forecastSequence(trained, forecast, lengths, sequence, named);
      sequences.push(file);
      console.error(
        `${label}: frames ${inRanges(file.frames)} in ${file.path}, not seen by anybody`,
      );
      if (look && drawn.length < drawnMax) drawn.push({ path: base, sequence: shown });
    }
    const title = `${dataset.name}, ${modelTitle(configuration.model.name)}, step ${step}`;
    const picture = look && { ...look, title, predicts: "future" as const };
    const pictures = picture ? await drawSequences(picture, drawn, `${out}/${split}.png`) : [];
    for (const each of pictures) console.error(`Picture: ${each}`);
    if (given.json) {
      console.log(JSON.stringify({ checkpoint: trained.path, step, split, pictures, sequences }));
    }
    return exitCodes.done;
  } finally {
    forecast.dispose();
  }
}

/** The folder, and the path of each sequence's files in it without their endings. */
async function placesOf(
  given: GivenFlags,
  { path, dataset, split, configuration }: TrainedModel,
  chosen: readonly number[],
): Promise<{ readonly out: string; readonly bases: readonly string[] }> {
  const catalogue = dataset.catalogue(split, 0);
  const ids = chosen.map((index) => catalogue[index].id);
  const others = [split, "decoded", "decode-grid"];
  const names = fileNames(ids, configuration.dataset.path, others);
  const written = [
    ...[...names, ...names.map((name) => name + latentEnding), ...others],
  ].flatMap((name) => [`${name}.npy`, `${name}.png`, `${name}.gif`]);
  const usual = besideRun(path, "predictions");
  const out = await predictionFolder(given.out as string | undefined, usual, written);
  return { out, bases: names.map((name) => `${out}/${name}`) };
}

/** The first of those that are long enough. */
function chooseSequences(
  given: GivenFlags,
  { dataset, split, model }: TrainedModel,
  lengths: RolloutLengths | undefined,
): number[] {
  const catalogue = dataset.catalogue(split, 0);
  const longest = catalogue.reduce((most, { frames }) => Math.max(most, frames), 0);
  const least = lengths && lengths.contextFrames + lengths.leads;
  const chosen = [...catalogue.keys()]
    .filter((index) => windowCount(catalogue[index].frames, model.window) > 0)
    .filter((index) => least === undefined || catalogue[index].frames >= least)
    .slice(
      0,
      given.sequences as number | undefined ?? (longest === 1 ? imagesMax : sequencesUsually),
    );
  if (chosen.length > 0) return chosen;
  const needs = least === undefined
    ? "a window"
    : `the ${least} frames of --context and --rollout together, the longest has ${longest}`;
  throw new UsageError(
    `Cannot predict: none of ${catalogue.length} ${split} sequences is long enough for ${needs}`,
  );
}

/** The first forecast of a sequence, frame by frame. */
async function rolledOut(
  rollout: Rollout,
  frames: number,
  read: (offset: number, count: number) => Promise<SequenceSpan>,
  size: number,
): Promise<(PredictedFrame & { readonly latent?: Float32Array })[]> {
  for await (const { start, predictions } of rollout.forecasts(frames, read)) {
    const leads = predictions.length / size;
    const { frames: truth } = await read(start, leads);
    return Array.from({ length: leads }, (_, lead) => {
      const part = (values: Float32Array) => values.subarray(lead * size, (lead + 1) * size);
      return { frame: start + lead, prediction: part(predictions), truth: part(truth) };
    });
  }
  throw new RangeError(`Cannot roll out a sequence of ${frames} frames: it is too short`);
}

/** "1-40" or "10-19, 30-39" */
function inRanges(numbers: readonly number[]): string {
  const ranges: [number, number][] = [];
  for (const number of numbers) {
    const last = ranges.at(-1);
    if (last && last[1] === number - 1) last[1] = number;
    else ranges.push([number, number]);
  }
  return ranges.map(([first, end]) => first === end ? `${first}` : `${first}-${end}`).join(", ");
}
