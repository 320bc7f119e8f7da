/**
 * `deno task predict`: what a trained model predicts of the sequences of a split, each from a state
 * that is zero at its beginning and carried to its end. Leaves `.npy` files, pictures and animations.
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
  ...decodeFlags,
  out: {
    kind: "text",
    value: "DIR",
    help: "folder for the predictions",
    defaultText: "predictions/ in the run's or checkpoint's folder",
  },
} as const satisfies FlagTable;

/** Sequences that are drawn, of all that are predicted: an animation takes a second or more. */
const drawnMax = 100;

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
    const lengths = rolloutLengths(given, trained);
    const chosen = chooseSequences(given, trained, lengths);
    predictor = await openPredictor(trained, chosen[0]);
    rollout = lengths && await openRollout(trained, lengths, chosen[0]);
    const readFrames = given.window as number | undefined ?? configuration.windowFrames;
    const decode = await prepareDecoding(given, trained, predictor);
    const out = given.out as string | undefined ?? besideRun(trained.path, "predictions");
    await Deno.mkdir(out, { recursive: true });
    const title = `${dataset.name}, ${modelTitle(configuration.model.name)}, step ${step}`;
    const look = lookOf(trained, rollout !== undefined);
    const drawn: { path: string; sequence: PredictedSequence }[] = [];
    const sequences = [];
    for (const sequence of chosen) {
      const { id, frames } = dataset.catalogue(split, 0)[sequence];
      const read = sequenceReader(trained, sequence);
      const predicted = rollout
        ? await rolledOut(rollout, frames, read, sizeOf(dataset.frameShape))
        : await Array.fromAsync(predictor.predict(frames, read, readFrames));
      const base = `${out}/${id.replaceAll("/", "-")}`;
      const path = `${base}.npy`;
      const predictions = predicted.map(({ prediction }) => prediction);
      const shape = [predictions.length, ...model.outputShape];
      await Deno.writeFile(path, encodeNpy(joined(predictions), shape));
      const latents = predicted.flatMap(({ latent }) => latent ? [latent] : []);
      let latentPath: string | undefined;
      if (latents.length > 0) {
        latentPath = `${base}-latent.npy`;
        const latentShape = [latents.length, latents[0].length];
        await Deno.writeFile(latentPath, encodeNpy(joined(latents), latentShape));
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
    .slice(0, given.sequences as number | undefined ?? (longest === 1 ? imagesMax : 4));
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
