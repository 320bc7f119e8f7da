/**
 * Predictions of a few whole test sequences, for the picture at the end of a run: window by window
 * with carried state, as in training.
 */
import type { Dataset } from "../datasets/dataset.ts";
import { windowCount } from "../datasets/window_shape.ts";
import { tf } from "../engine/tf.ts";
import type { Model } from "../models/model.ts";
import { brightness } from "../report/brightness.ts";
import { classMap } from "../report/class_map.ts";
import type { SequencePrediction } from "./opened_run.ts";
import { createLaneStates } from "./lane_states.ts";
import { disposeWindows, type Trainer, uploadWindows } from "./trainer.ts";
import { emptyTargets, frameSize, sizeOf } from "./window_batch.ts";

export interface SampleOptions {
  readonly trainer: Trainer;
  readonly model: Model;
  readonly dataset: Dataset;
  readonly lanesPerShard: number;
  /** At most this many sequences, one on each lane of a shard, and frames of each. */
  readonly sequencesMax: number;
  readonly framesMax: number;
  /** Between two windows, which may be large. @default {nothing} */
  readonly pause?: () => Promise<void>;
}

const imagesMax = 10;

/** Nothing where what the model predicts is no picture. */
export async function samplePredictions(options: SampleOptions): Promise<SequencePrediction[]> {
  const { model, dataset, sequencesMax, framesMax } = options;
  const channels = answerChannels(model, dataset);
  if (channels === undefined && `${model.outputShape}` !== `${dataset.frameShape}`) return [];
  const catalogue = dataset.catalogue("test", 0);
  // All of one length, so that they stand below each other in one picture.
  const longest = catalogue.reduce((most, entry) => Math.max(most, entry.frames), 0);
  const frames = Math.min(longest, Math.max(framesMax, model.window.frames));
  // Of single images as many as of a sequence's frames: they stand side by side.
  const countMax = longest === 1 ? imagesMax : sequencesMax;
  const samples: SequencePrediction[] = [];
  for (const [index, entry] of catalogue.entries()) {
    if (samples.length === countMax) break;
    if (entry.frames < frames || windowCount(frames, model.window) === 0) continue;
    const request = { split: "test", epoch: 0, sequence: index, offset: 0, frames } as const;
    const sequence = { label: entry.id, frames, truth: await dataset.read(request) };
    const sample = await predictSequence(options, sequence);
    if (channels === undefined) samples.push(sample);
    else samples.push(answered(sample, dataset, await dataset.readTargets!(request), channels));
  }
  return samples;
}

/**
 * Of a picture of the dataset's answers; undefined where the model repeats frames, or its answers are
 * none, as the classes of whole frames.
 */
function answerChannels(
  { outputShape, persistence }: Model,
  { frameShape, targetShape, classes }: Dataset,
): number | undefined {
  if (`${outputShape}` !== `${targetShape}` || persistence) return undefined;
  if (`${outputShape.slice(0, 2)}` !== `${frameShape.slice(0, 2)}`) return undefined;
  const channels = classes ? 1 : outputShape[2];
  return outputShape.length === 3 && (channels === 1 || channels === 3) ? channels : undefined;
}

/** With the answers as truth, which are classes where the dataset names some. */
function answered(
  sample: SequencePrediction,
  { frameShape, classes }: Dataset,
  answers: Float32Array,
  channels: number,
): SequencePrediction {
  const [height, width, frameChannels] = frameShape;
  const pictured = (values: Float32Array) => classes ? classMap(values, classes.length) : values;
  return {
    ...sample,
    truth: pictured(answers).subarray(0, sample.frames * height * width * channels),
    predictions: pictured(sample.predictions),
    answer: { channels, classes: classes ?? [], seen: brightness(sample.truth, frameChannels) },
  };
}

/** Runs the sequence on the first lane of a shard; the other lanes idle on zeros. */
async function predictSequence(
  { trainer, model, lanesPerShard, dataset, pause }: SampleOptions,
  sequence: { label: string; frames: number; truth: Float32Array },
): Promise<SequencePrediction> {
  const { window } = model;
  const size = frameSize(dataset);
  const predictionSize = sizeOf(model.outputShape);
  const context = window.frames - window.predictions;
  // A window-based model predicts one window here; a stateful one goes along the sequence.
  const windows = window.carriesState ? windowCount(sequence.frames, window) : 1;
  const frames = Math.min(sequence.frames, context + windows * window.predictions);
  const predictions = new Float32Array((frames - context) * predictionSize);
  const states = createLaneStates(model.state, [0], lanesPerShard);
  try {
    for (let index = 0; index < windows; index++) {
      await pause?.();
      const offset = index * window.advance;
      const batch = {
        step: index,
        shard: 0,
        frames: new Float32Array(lanesPerShard * window.frames * size),
        resets: new Float32Array(lanesPerShard).fill(index === 0 ? 1 : 0),
        weights: new Float32Array(lanesPerShard * window.predictions),
        // With no weight: of what is answered here, no error is taken.
        targets: emptyTargets(dataset, lanesPerShard * window.frames),
      };
      batch.frames.set(
        sequence.truth.subarray(offset * size, Math.min(frames, offset + window.frames) * size),
      );
      const windowTensors = uploadWindows(batch, model, lanesPerShard);
      const result = await trainer.functions.evaluate(
        trainer.parameters(),
        states.ofShard(0),
        windowTensors,
      );
      states.replace(0, result.state);
      const firstLane = (result.predictions.dataSync() as Float32Array)
        .subarray(0, window.predictions * predictionSize);
      const start = offset * predictionSize;
      predictions.set(firstLane.subarray(0, predictions.length - start), start);
      const { losses, predictions: drawn, counts } = result;
      tf.dispose([losses, drawn, ...Object.values(counts ?? {}).filter((each) => each)]);
      disposeWindows(windowTensors);
    }
  } finally {
    states.dispose();
  }
  const truth = sequence.truth.subarray(0, frames * size);
  return { label: sequence.label, frames, truth, firstPredicted: context, predictions };
}
