/**
 * `deno task predict`: what a trained model predicts of the sequences of a split, each from a state
 * that is zero at its beginning and carried to its end. Leaves `.npy` files and, where frames are
 * predicted, a picture.
 */
import type { ReadRequest } from "../datasets/dataset.ts";
import { encodeNpy } from "../datasets/npy_encoding.ts";
import { isRainDataset } from "../datasets/rain_dataset.ts";
import { windowCount } from "../datasets/window_shape.ts";
import { modelTitle } from "../net/run_configuration.ts";
import { type PredictedSequence, predictionKind } from "../report/predicted_sequence.ts";
import { renderPredictions } from "../report/prediction_picture.ts";
import { areSameNetwork, frameByFrame } from "../worker/frame_by_frame.ts";
import { createPredictor, type SequencePredictor } from "../worker/sequence_predictor.ts";
import { exitCodes, runCommand } from "./exit_codes.ts";
import { type FlagTable, type GivenFlags, helpText, parseFlags, UsageError } from "./flags.ts";
import { openTrained, trainedFlags, type TrainedModel } from "./trained_model.ts";

export const predictFlags = {
  ...trainedFlags,
  sequences: {
    kind: "integer",
    value: "N",
    min: 1,
    max: 1_000_000,
    help: "the first N sequences of the split",
    defaultText: "4",
  },
  window: {
    kind: "integer",
    value: "FRAMES",
    min: 1,
    max: 100_000,
    help: "frames read at a time; predictions do not depend on it",
    defaultText: "the run's",
  },
  out: {
    kind: "text",
    value: "DIR",
    help: "folder for the predictions",
    defaultText: "predictions/ in the run's or checkpoint's folder",
  },
} as const satisfies FlagTable;

/** A picture of more tells less; still images stand side by side. */
const picturedMax = { sequences: 4, images: 10 } as const;

if (import.meta.main) {
  await runCommand(async () => {
    const given = parseFlags(Deno.args, predictFlags);
    if (given.help) {
      console.log(helpText("Usage: deno task predict [flags]", predictFlags));
      return exitCodes.done;
    }
    return await predict(given);
  });
}

async function predict(given: GivenFlags): Promise<number> {
  const trained = await openTrained(given);
  const { dataset, split, model, configuration, step } = trained;
  let predictor: SequencePredictor | undefined;
  try {
    const catalogue = dataset.catalogue(split, 0);
    const chosen = [...catalogue.keys()]
      .filter((index) => windowCount(catalogue[index].frames, model.window) > 0)
      .slice(0, given.sequences as number | undefined ?? 4);
    if (chosen.length === 0) {
      throw new UsageError(
        `Cannot predict: none of ${catalogue.length} ${split} sequences is long enough for a window`,
      );
    }
    predictor = await openPredictor(trained, chosen[0]);
    const readFrames = given.window as number | undefined ?? configuration.windowFrames;
    const out = given.out as string | undefined ?? defaultFolder(trained.path);
    await Deno.mkdir(out, { recursive: true });
    const pictured: PredictedSequence[] = [];
    const sequences = [];
    for (const sequence of chosen) {
      const { id, frames } = catalogue[sequence];
      const read = reader(trained, sequence);
      const predicted: { frame: number; prediction: Float32Array }[] = [];
      const latents: Float32Array[] = [];
      for await (const each of predictor.predict(frames, read, readFrames)) {
        predicted.push(each);
        if (each.latent) latents.push(each.latent);
      }
      const path = `${out}/${id.replaceAll("/", "-")}.npy`;
      const predictions = predicted.map(({ prediction }) => prediction);
      const shape = [predictions.length, ...model.outputShape];
      await Deno.writeFile(path, encodeNpy(joined(predictions), shape));
      let latentPath: string | undefined;
      if (latents.length > 0) {
        latentPath = path.replace(/\.npy$/, "-latent.npy");
        const latentShape = [latents.length, latents[0].length];
        await Deno.writeFile(latentPath, encodeNpy(joined(latents), latentShape));
      }
      const frameIndexes = predicted.map(({ frame }) => frame);
      sequences.push({ id, path, latentPath, frames: frameIndexes });
      console.error(`${id}: frames ${inRanges(frameIndexes)} in ${path}`);
      if (pictured.length < picturedMax[frames === 1 ? "images" : "sequences"]) {
        const { frames: truth } = await read(0, frames);
        const picture = pictureOf(trained, id, truth, predicted);
        if (picture) pictured.push(picture);
      }
    }
    const picture = await draw(trained, pictured, `${out}/${split}.png`);
    if (picture) console.error(`Picture: ${picture}`);
    if (given.json) {
      const summary = { checkpoint: trained.path, step, split, picture, sequences };
      console.log(JSON.stringify(summary));
    }
    return exitCodes.done;
  } finally {
    predictor?.dispose();
    trained.close();
  }
}

/** One frame at a time where that is the same network, so that no window length shows. */
async function openPredictor(trained: TrainedModel, sequence: number): Promise<SequencePredictor> {
  const { engine, model, parameters, dataset, split, build } = trained;
  const open = (of: typeof model) =>
    createPredictor({ engine, model: of, parameters, targetShape: dataset.targetShape });
  const single = frameByFrame(model, build);
  if (single === model) return open(model);
  const [whole, byFrame] = [open(model), open(single)];
  const frames = Math.min(dataset.catalogue(split, 0)[sequence].frames, model.window.frames);
  const isSame = await areSameNetwork(whole, byFrame, frames, reader(trained, sequence));
  (isSame ? whole : byFrame).dispose();
  return isSame ? byFrame : whole;
}

function reader({ dataset, split }: TrainedModel, sequence: number) {
  return async (offset: number, frames: number) => {
    const request: ReadRequest = { split, epoch: 0, sequence, offset, frames };
    const [read, targets] = await Promise.all([
      dataset.read(request),
      dataset.readTargets?.(request),
    ]);
    return { frames: read, ...(targets ? { targets } : {}) };
  };
}

/** A run's own folder of predictions, or one in a checkpoint that lies elsewhere. */
function defaultFolder(checkpoint: string): string {
  return /\/checkpoints\/[^/]+$/.test(checkpoint)
    ? checkpoint.replace(/\/checkpoints\/([^/]+)$/, "/predictions/$1")
    : `${checkpoint}/predictions`;
}

/** Undefined where no frames of one channel are predicted, each once. */
function pictureOf(
  { dataset, model }: TrainedModel,
  label: string,
  truth: Float32Array,
  predicted: readonly { readonly frame: number; readonly prediction: Float32Array }[],
): PredictedSequence | undefined {
  const [height, width, channels] = dataset.frameShape;
  if (`${model.outputShape}` !== `${dataset.frameShape}` || channels !== 1) return undefined;
  // Windows of a forecaster leave gaps: the first of them is shown.
  const [{ frame: first }] = predicted;
  const until = predicted.findIndex(({ frame }, index) => frame !== first + index);
  const shown = until < 0 ? predicted : predicted.slice(0, until);
  const frames = first + shown.length;
  return {
    ...{ label, height, width, frames, inputFrames: first },
    truth: truth.subarray(0, frames * height * width),
    predictions: joined(shown.map(({ prediction }) => prediction)),
  };
}

async function draw(
  { dataset, model, configuration, step }: TrainedModel,
  sequences: readonly PredictedSequence[],
  path: string,
): Promise<string | undefined> {
  const alike = sequences.filter(({ frames }) => frames === sequences[0].frames);
  if (alike.length === 0) return undefined;
  const context = model.window.frames - model.window.predictions;
  const png = renderPredictions({
    sequences: alike,
    scale: isRainDataset(dataset) ? "rain" : "gray",
    title: `${dataset.name}, ${modelTitle(configuration.model.name)}, step ${step}`,
    predicts: predictionKind(context),
  });
  await Deno.writeFile(path, png);
  return path;
}

function joined(arrays: readonly Float32Array[]): Float32Array {
  const all = new Float32Array(arrays.reduce((sum, { length }) => sum + length, 0));
  let offset = 0;
  for (const array of arrays) {
    all.set(array, offset);
    offset += array.length;
  }
  return all;
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
