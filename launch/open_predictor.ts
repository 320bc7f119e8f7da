/** A trained model made ready to predict whole sequences, or to go on with its own predictions. */
import type { Model } from "../models/model.ts";
import { areSameNetwork, frameByFrame } from "../worker/frame_by_frame.ts";
import { createRollout, noRolloutBecause, type Rollout } from "../worker/rollout.ts";
import { createPredictor, type SequencePredictor } from "../worker/sequence_predictor.ts";
import { sequenceReader } from "../worker/sequence_reader.ts";
import { type FlagTable, type GivenFlags, UsageError } from "./flags.ts";
import type { TrainedModel } from "./trained_model.ts";

/**
 * One frame at a time where that is the same network, so that no window length shows.
 * @param sequence of the split, on which that is tried
 */
export async function openPredictor(
  trained: TrainedModel,
  sequence: number,
): Promise<SequencePredictor> {
  const { model, build } = trained;
  const single = frameByFrame(model, build);
  const tellWhole = () =>
    console.error(
      `Reads whole windows of ${model.window.frames} frames: with shorter ones ${model.name} is ` +
        "another network",
    );
  if (single === model) {
    if (model.window.carriesState && model.window.advance > 1) tellWhole();
    return predictorOf(trained, model);
  }
  const [whole, byFrame] = [predictorOf(trained, model), predictorOf(trained, single)];
  const isSame = await agree(trained, whole, byFrame, sequence);
  (isSame ? whole : byFrame).dispose();
  if (!isSame) tellWhole();
  return isSame ? byFrame : whole;
}

/** Of `evaluate` and `predict`. */
export const rolloutFlags = {
  rollout: {
    kind: "integer",
    value: "FRAMES",
    min: 1,
    max: 100_000,
    help: "go on with a one-step network's own predictions, for so many frames",
    defaultText: "each frame from the true ones before it",
  },
  context: {
    kind: "integer",
    value: "FRAMES",
    min: 1,
    max: 100_000,
    help: "true frames before the first --rollout of a sequence",
    defaultText: "the run's window",
  },
} as const satisfies FlagTable;

/** How far a rollout goes, and how much it sees before. */
export interface RolloutLengths {
  readonly contextFrames: number;
  readonly leads: number;
}

/** What `--rollout` and `--context` ask for; undefined without `--rollout`. */
export function rolloutLengths(
  given: GivenFlags,
  { configuration }: TrainedModel,
): RolloutLengths | undefined {
  const leads = given.rollout as number | undefined;
  const context = given.context as number | undefined;
  if (leads === undefined) {
    if (context === undefined) return undefined;
    throw new UsageError("Cannot use --context without --rollout: it is what a rollout sees first");
  }
  return { leads, contextFrames: context ?? configuration.windowFrames };
}

/**
 * @param sequence of the split, on which is tried whether the network is the same frame by frame
 * @throws {UsageError} where the model predicts no next frame from a state that it carries
 */
export async function openRollout(
  trained: TrainedModel,
  { contextFrames, leads }: RolloutLengths,
  sequence: number,
): Promise<Rollout> {
  const { engine, model, build, parameters, hasMissing } = trained;
  const single = frameByFrame(model, build);
  const refuse = (why: string) =>
    new UsageError(
      `Cannot use --rollout ${leads} with ${model.name}: ${why}; leave --rollout out`,
    );
  const why = noRolloutBecause(model, single);
  if (why !== undefined) throw refuse(why);
  if (single !== model && !await isSameFrameByFrame(trained, single, sequence)) {
    throw refuse("it predicts otherwise where its window is one frame");
  }
  return createRollout({ engine, model: single, parameters, contextFrames, leads, hasMissing });
}

/** @param single the model frame by frame */
export async function isSameFrameByFrame(
  trained: TrainedModel,
  single: Model,
  sequence: number,
): Promise<boolean> {
  const [whole, byFrame] = [predictorOf(trained, trained.model), predictorOf(trained, single)];
  const isSame = await agree(trained, whole, byFrame, sequence);
  whole.dispose();
  byFrame.dispose();
  return isSame;
}

function predictorOf(trained: TrainedModel, model: Model) {
  return createPredictor({ ...trained, model });
}

async function agree(
  trained: TrainedModel,
  whole: SequencePredictor,
  byFrame: SequencePredictor,
  sequence: number,
): Promise<boolean> {
  const { model, dataset, split } = trained;
  const frames = Math.min(dataset.catalogue(split, 0)[sequence].frames, model.window.frames);
  return await areSameNetwork(whole, byFrame, frames, sequenceReader(trained, sequence));
}
