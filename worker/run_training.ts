/**
 * The training loop of one worker: epochs of the plan, step by step, with checkpoints, validation
 * and a stop at the step that all workers agree on. What it tells and asks goes through `hooks`, so
 * that the loop reads as what it does.
 */
import type { Clock } from "../net/clock.ts";
import type { Dataset } from "../datasets/dataset.ts";
import { type Plan, planEpoch } from "../datasets/plan.ts";
import { prefetch } from "../datasets/prefetch.ts";
import type { Model } from "../models/model.ts";
import type { RunConfiguration } from "../net/run_configuration.ts";
import { evaluateSplit, type ShardLoss } from "./evaluation.ts";
import type { Position } from "./position.ts";
import type { Trainer } from "./trainer.ts";
import { frameSize, readWindows, type WindowBatch, type WindowSource } from "./window_batch.ts";

/** Reads of windows in flight ahead of the compute; enough to hide decoding, small in memory. */
const readAheadMax = 4;

export interface StepProgress {
  readonly position: Position;
  /** Steps of this epoch's plan, and of the whole run where it is known. */
  readonly planSteps: number;
  readonly loss: number;
  readonly learningRate: number;
  /** Predicted frames that counted in this step, over all lanes. */
  readonly frames: number;
  readonly seconds: number;
  readonly paddedShare: number;
}

export interface TrainingHooks {
  /** Whether the run was asked to stop; read before each step. */
  stopRequested(): boolean;
  progress(report: StepProgress): void;
  /** How far a validation is; not asked for where nobody looks. */
  validating?(done: number, total: number): void;
  /** Without losses where this worker gave the validation up because of a stop. */
  validated(position: Position, losses: readonly ShardLoss[]): Promise<void>;
  /** Saves parameters, slots and the states of this worker's lanes. */
  checkpoint(position: Position): Promise<void>;
}

export interface TrainingOptions {
  readonly configuration: RunConfiguration;
  readonly dataset: Dataset;
  readonly model: Model;
  readonly trainer: Trainer;
  readonly shards: readonly number[];
  readonly start: Position;
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
  let validatedAt = -1;
  const validate = async () => {
    if (validatedAt === position.step) return;
    validatedAt = position.step;
    await hooks.validated(position, await validationLosses(options));
  };
  // Whatever happens to the first steps, there is something to go back to, and a full disk is found
  // before anything was computed.
  if (position.step === 0) await hooks.checkpoint(position);
  while (position.epoch < epochsMax && position.step < stepsMax) {
    const plan = planTraining(options, position.epoch);
    const windows = readAhead(options, plan, position);
    try {
      for (let planStep = position.planStep; planStep < plan.steps; planStep++) {
        const started = options.clock.nowMs();
        const next = async () => (await windows.next()).value as WindowBatch;
        const { loss, stop } = await trainer.trainStep(next, hooks.stopRequested());
        position = { step: trainer.step, epoch: position.epoch, planStep: planStep + 1 };
        hooks.progress({
          position,
          planSteps: plan.steps,
          loss,
          learningRate: options.learningRate(trainer.step),
          frames: plan.weightSum(planStep),
          seconds: (options.clock.nowMs() - started) / 1000,
          paddedShare: plan.paddedShare,
        });
        if (stop && position.step < stepsMax) {
          await hooks.checkpoint(position);
          return { reason: "stopped", position };
        }
        if (position.step >= stepsMax) break;
        const due = position.step % configuration.checkpointSteps === 0;
        if (due && position.planStep < plan.steps) await hooks.checkpoint(position);
      }
    } finally {
      await windows.return(undefined);
    }
    if (position.planStep >= plan.steps) {
      position = { step: position.step, epoch: position.epoch + 1, planStep: 0 };
    }
    await validate();
    await hooks.checkpoint(position);
  }
  return { reason: "done", position };
}

/** The plan of a training epoch, the same in every process. */
export function planTraining(
  { configuration, dataset, model }: Pick<TrainingOptions, "configuration" | "dataset" | "model">,
  epoch: number,
): Plan {
  return planEpoch({
    sequences: dataset.catalogue("train", epoch),
    window: model.window,
    lanes: configuration.lanes,
    seed: configuration.seed,
    epoch,
    shuffle: true,
  });
}

function readAhead(
  { configuration, dataset, model, shards }: TrainingOptions,
  plan: Plan,
  position: Position,
): AsyncGenerator<WindowBatch> {
  const source: WindowSource = {
    dataset,
    split: "train",
    epoch: position.epoch,
    plan,
    window: model.window,
    lanesPerShard: configuration.lanes / configuration.shards,
  };
  const size = frameSize(dataset);
  const reads = function* () {
    for (let step = position.planStep; step < plan.steps; step++) {
      const divisor = plan.weightSum(step) * size;
      for (const shard of shards) yield () => readWindows(source, step, shard, divisor);
    }
  };
  return prefetch(reads(), { aheadMax: Math.max(readAheadMax, shards.length) });
}

function validationLosses(options: TrainingOptions): Promise<ShardLoss[]> {
  const { configuration, dataset, model, trainer, shards } = options;
  return evaluateSplit({
    trainer,
    model,
    dataset,
    split: "validation",
    lanes: configuration.lanes,
    lanesPerShard: configuration.lanes / configuration.shards,
    shards,
    aheadMax: readAheadMax,
    isGivenUp: options.hooks.stopRequested,
    onProgress: options.hooks.validating,
  });
}
