/**
 * The training loop of one worker: epochs of the plan, step by step, with checkpoints, validation
 * and a stop at the step that all workers agree on. What it tells and asks goes through `hooks`, so
 * that the loop reads as what it does.
 */
import type { Clock } from "../net/clock.ts";
import type { Tally } from "../net/messages.ts";
import type { Dataset } from "../datasets/dataset.ts";
import { type Plan, planEpoch, planEpochInTurns, type PlanOptions } from "../datasets/plan.ts";
import { prefetch } from "../datasets/prefetch.ts";
import type { WindowShape } from "../datasets/window_shape.ts";
import type { RunConfiguration } from "../net/run_configuration.ts";
import { isPictureStep } from "./picture_steps.ts";
import type { Position } from "./position.ts";
import type { RunTrainer } from "./opened_run.ts";
import { countStep, emptyTally, meanLoss, nextEpoch } from "./tally.ts";
import { turnEventLoop } from "./turn_event_loop.ts";
import { readWindows, type WindowBatch, type WindowSource } from "./window_batch.ts";

/** Reads of windows in flight ahead of the compute; enough to hide decoding, small in memory. */
const readAheadMax = 4;

export interface StepProgress {
  readonly position: Position;
  /** Steps of this epoch's plan, and of the whole run where it is known. */
  readonly planSteps: number;
  readonly loss: number;
  /** Mean over the epoch so far, each step weighted by its frames; NaN where none counted. */
  readonly epochLoss: number;
  readonly learningRate: number;
  /** Predicted frames that counted in this step, over all lanes. */
  readonly frames: number;
  /** What of the step was not finite, so that nothing of it was applied; empty where all was. */
  readonly fault: string;
  readonly seconds: number;
  readonly paddedShare: number;
}

export interface TrainingHooks {
  /** Whether the run was asked to stop; read before each step. */
  stopRequested(): boolean;
  /** Whether this worker leaves, and what it has done is to outlive it; read before each step. */
  keepRequested?(): boolean;
  progress(report: StepProgress): void;
  /** An epoch or the run is over: its validation is due. */
  validate(position: Position): Promise<void>;
  /**
   * Keeps parameters, slots and the states of this worker's lanes to go back to.
   * @param save returns when they are a checkpoint on disk
   */
  snapshot(position: Position, save: boolean, tally: Tally): Promise<void>;
  /** Predictions of test sequences are due, to look at. */
  picture(position: Position): Promise<void>;
  /** Has all workers go back to the last snapshot, because of a step that is not finite. */
  rollback(step: number, fault: string): Promise<never>;
}

/** What of a run's configuration the loop goes by. */
export type TrainingConfiguration = Pick<
  RunConfiguration,
  | "lanes"
  | "shards"
  | "shuffle"
  | "seed"
  | "epochs"
  | "steps"
  | "onNan"
  | "snapshotSteps"
  | "checkpointSteps"
  | "imageSteps"
>;

export interface TrainingOptions {
  readonly configuration: TrainingConfiguration;
  readonly dataset: Dataset;
  readonly window: WindowShape;
  readonly trainer: RunTrainer;
  readonly shards: readonly number[];
  readonly start: Position;
  /** What was counted up to there. @default {nothing} */
  readonly tally?: Tally;
  /** Steps up to this one have been gone back for already. */
  readonly skipUpTo: number;
  readonly learningRate: (step: number) => number;
  readonly clock: Clock;
  readonly hooks: TrainingHooks;
}

export interface TrainingEnd {
  readonly reason: "done" | "stopped";
  readonly position: Position;
}

export async function runTraining(options: TrainingOptions): Promise<TrainingEnd> {
  const { configuration, trainer, hooks } = options;
  const stepsMax = configuration.steps ?? Infinity;
  const epochsMax = configuration.epochs ?? Infinity;
  let position = options.start;
  let tally = options.tally ?? emptyTally;
  const pause = turnEventLoop(options.clock);
  let validatedAt = -1;
  const validate = async () => {
    if (validatedAt === position.step) return;
    validatedAt = position.step;
    await hooks.validate(position);
  };
  // Whatever happens to the first steps, there is something to go back to, and a full disk is found
  // before anything was computed.
  if (position.step === 0) await hooks.snapshot(position, true, tally);
  while (position.epoch < epochsMax && position.step < stepsMax) {
    await options.dataset.catalogueInTurns?.("train", position.epoch, pause);
    const plan = await planEpochInTurns(planOptions(options, position.epoch), pause);
    if (position.planStep > plan.steps) throw new Error(beyondPlan(position, plan.steps));
    const windows = readAhead(options, plan, position, pause);
    try {
      for (let planStep = position.planStep; planStep < plan.steps; planStep++) {
        const started = options.clock.nowMs();
        const next = async () => (await windows.next()).value as WindowBatch;
        const report = await trainer.trainStep(
          next,
          hooks.stopRequested(),
          hooks.keepRequested?.(),
        );
        const { loss, stop, fault = "" } = report;
        if (fault !== "") await decideOn(fault, tally, options);
        const frames = plan.weightSum(planStep);
        tally = countStep(tally, { loss, frames: report.counted ?? frames, fault });
        position = { step: trainer.step, epoch: position.epoch, planStep: planStep + 1 };
        hooks.progress({
          position,
          planSteps: plan.steps,
          loss,
          epochLoss: meanLoss(tally),
          learningRate: options.learningRate(trainer.step),
          frames,
          fault,
          seconds: (options.clock.nowMs() - started) / 1000,
          paddedShare: plan.paddedShare,
        });
        if (stop && position.step < stepsMax) {
          await hooks.snapshot(position, true, tally);
          return { reason: "stopped", position };
        }
        if (position.step >= stepsMax) break;
        const { imageSteps } = configuration;
        // That of the run's end has an occasion of its own.
        const isEnd = position.planStep === plan.steps && position.epoch + 1 >= epochsMax;
        if (isPictureStep(position.step, imageSteps) && !isEnd) {
          await hooks.picture(position);
        }
        if (position.planStep < plan.steps) {
          const save = report.keep === true ||
            position.step % configuration.checkpointSteps === 0;
          const due = position.step % configuration.snapshotSteps === 0;
          if (save || due) await hooks.snapshot(position, save, tally);
        }
      }
    } finally {
      await windows.return(undefined);
    }
    if (position.planStep >= plan.steps) {
      position = { step: position.step, epoch: position.epoch + 1, planStep: 0 };
      tally = nextEpoch(tally);
    }
    await validate();
    await hooks.snapshot(position, true, tally);
  }
  return { reason: "done", position };
}

/** A checkpoint that says so is of other data, or was written by nobody who trains. */
function beyondPlan({ step, epoch, planStep }: Position, steps: number): string {
  return `Cannot go on from step ${step}: it stands at step ${planStep} of epoch ${epoch}, whose plan ` +
    `has ${steps}; go on from another checkpoint`;
}

/**
 * A run of which so many steps in a row were not finite does not get over it by leaving out one more: its
 * weights, which no such step changed, or all of its data are at fault.
 */
export const faultsInARowMax = 10;

/**
 * What becomes of a step that is not finite, of which nothing was applied. Every worker decides the
 * same, because every worker found the same. Going back mends what a passing fault has done, such as
 * an error in memory; what is in the data or the weights comes again, and then is left out.
 * @param tally of the steps before
 * @throws {Error} where the run is to stop, or gives up
 */
async function decideOn(
  fault: string,
  { faultsInARow }: Tally,
  { configuration, trainer, hooks, skipUpTo }: TrainingOptions,
): Promise<void> {
  const { step } = trainer;
  if (configuration.onNan === "stop") {
    // Of a run that made no step nothing is left to resume.
    const again = step <= 1 ? "start again" : "resume";
    throw new Error(
      `Cannot apply step ${step}: ${fault}; ${again} with --on-nan skip to leave it out, or start ` +
        "anew with a lower --learning-rate or with --clip-norm",
    );
  }
  if (configuration.onNan === "rollback" && step > skipUpTo) await hooks.rollback(step, fault);
  if (faultsInARow + 1 < faultsInARowMax) return;
  throw new Error(
    `Gave up at step ${step}: ${faultsInARowMax} steps in a row were not finite, the last because ` +
      `${fault}; start anew with a lower --learning-rate or with --clip-norm, or look at the data`,
  );
}

type PlannedTraining = Pick<TrainingOptions, "configuration" | "dataset" | "window">;

/** The plan of a training epoch, the same in every process. */
export function planTraining(options: PlannedTraining, epoch: number): Plan {
  return planEpoch(planOptions(options, epoch));
}

function planOptions(
  { configuration: { lanes, seed, shuffle }, dataset, window }: PlannedTraining,
  epoch: number,
): PlanOptions {
  return { sequences: dataset.catalogue("train", epoch), window, lanes, seed, epoch, shuffle };
}

function readAhead(
  { configuration, dataset, window, trainer, shards }: TrainingOptions,
  plan: Plan,
  position: Position,
  pause: () => Promise<void>,
): AsyncGenerator<WindowBatch> {
  const source: WindowSource = {
    dataset,
    split: "train",
    epoch: position.epoch,
    plan,
    window,
    lanesPerShard: configuration.lanes / configuration.shards,
    pause,
  };
  const reads = function* () {
    for (let step = position.planStep; step < plan.steps; step++) {
      const divisor = trainer.dividesAfterwards
        ? 1
        : plan.weightSum(step) * trainer.errorsPerPrediction;
      for (const shard of shards) yield () => readWindows(source, step, shard, divisor);
    }
  };
  return prefetch(reads(), { aheadMax: Math.max(readAheadMax, shards.length) });
}
