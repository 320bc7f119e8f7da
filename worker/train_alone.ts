/**
 * Training in one process, for programs that use Lockstep as a library: the trainer, plan and sums of
 * the cluster with a world of one, so the weights are those of a cluster with as many lanes and shards.
 */
import { createAllReduce } from "../collective/all_reduce.ts";
import type { Dataset } from "../datasets/dataset.ts";
import { requireWindows } from "../datasets/plan.ts";
import type { Engine } from "../engine/engine.ts";
import { tellsClasses } from "../models/last_answer.ts";
import { defaultLoss } from "../models/losses.ts";
import type { Model } from "../models/model.ts";
import { buildOptimizer } from "../models/optimizers/build_optimizer.ts";
import { buildSchedule } from "../models/schedules.ts";
import { systemClock } from "../net/clock.ts";
import { isAllFinite } from "../net/finite.ts";
import { createMemoryBroker } from "../net/memory_transport.ts";
import type { LossName, OptimizerConfiguration } from "../net/run_configuration.ts";
import { evaluateSplit } from "./evaluation.ts";
import { fingerprint } from "./fingerprint.ts";
import { meanLosses } from "./mean_losses.ts";
import { runTraining, type StepProgress } from "./run_training.ts";
import { createTrainer, reducedLength, type Trainer } from "./trainer.ts";
import { mayMiss } from "./window_batch.ts";
import { trainingSteps } from "./training_span.ts";

export interface TrainAloneOptions {
  readonly engine: Engine;
  readonly dataset: Dataset;
  readonly model: Model;
  /** Passes over the training sequences. @default {1} */
  readonly epochs?: number;
  /** Rows of the batch, each playing its own sequences. @default {8} */
  readonly lanes?: number;
  /** Fixed groups of lanes, a divisor of `lanes`. @default {1} */
  readonly shards?: number;
  /** Whether each epoch plays the training sequences in a new order. @default {true} */
  readonly shuffle?: boolean;
  /** @default {1} */
  readonly seed?: number;
  /** Weights to begin with, as `TrainedAlone.parameters` has them. @default {drawn by `seed`} */
  readonly initialParameters?: Float32Array;
  /** The model's own, else "mse". */
  readonly loss?: LossName;
  /** What differs from Adam at a constant rate of 0.01 without clipping. */
  readonly optimizer?: Partial<OptimizerConfiguration>;
  readonly onStep?: (step: StepProgress) => void;
}

export interface TrainedAlone {
  /** In the order of `model.parameters`, one after the other. */
  readonly parameters: Float32Array;
  /** SHA-256 of them, as runs of a cluster print it. */
  readonly parametersSha256: string;
  readonly steps: number;
  /** Mean error on the validation sequences. */
  readonly validationLoss: number;
  /** That of repeating the last frame; left out where the model forecasts nothing. */
  readonly persistenceLoss?: number;
  /** Share of their answers whose class is right; left out where there are no classes. */
  readonly accuracy?: number;
}

const plainAdam: OptimizerConfiguration = {
  name: "adam",
  learningRate: 0.01,
  momentum: 0,
  weightDecay: 0,
  clipNorm: null,
  schedule: "constant",
  warmupSteps: 0,
};
const aheadMax = 4;
/** Nobody else is waited for. */
const reduceTimeoutMs = 10_000;

/** @throws {Error} where a step is not finite, the data cannot be read or nothing can be planned */
export async function trainAlone(options: TrainAloneOptions): Promise<TrainedAlone> {
  const { engine, dataset, model, epochs = 1, lanes = 8, shards: shardCount = 1 } = options;
  const { seed = 1, loss = model.loss ?? defaultLoss, onStep = () => {} } = options;
  const rule = { ...plainAdam, ...options.optimizer };
  const configuration = {
    lanes,
    shards: shardCount,
    shuffle: options.shuffle ?? true,
    seed,
    epochs,
    steps: null,
    onNan: "stop" as const,
    snapshotSteps: Infinity,
    checkpointSteps: Infinity,
    imageSteps: null,
  };
  const { window } = model;
  const hasMissing = mayMiss(dataset);
  requireWindows(dataset.catalogue("train", 0), window, "train");
  requireWindows(dataset.catalogue("validation", 0), window, "validation");
  const shards = Array.from({ length: shardCount }, (_, shard) => shard);
  const broker = createMemoryBroker({ clock: systemClock });
  const allReduce = createAllReduce({
    transport: broker.connect({ noEcho: true }),
    subjectPrefix: "alone",
    rank: 0,
    members: ["alone"],
    generation: 1,
    owners: shards.map(() => 0),
    elements: reducedLength(model, hasMissing),
    firstStep: 1,
    timeoutMs: reduceTimeoutMs,
    clock: systemClock,
  });
  await allReduce.ready();
  const schedule = buildSchedule(rule, trainingSteps(configuration, dataset, window));
  const lanesPerShard = lanes / shardCount;
  const hasTargets = dataset.targetShape !== undefined;
  const optimizer = buildOptimizer(rule);
  const trainer = createTrainer({
    ...{ engine, model, loss, optimizer, schedule, seed, lanesPerShard, shards, allReduce },
    ...{ hasTargets, hasMissing, tellsClasses: tellsClasses(model, dataset) },
  });
  const { initialParameters } = options;
  try {
    if (initialParameters !== undefined) beginWith(trainer, initialParameters);
    const { position } = await runTraining({
      ...{ configuration, dataset, window, trainer, shards, learningRate: schedule },
      start: { step: 0, epoch: 0, planStep: 0 },
      skipUpTo: 0,
      clock: systemClock,
      hooks: {
        stopRequested: () => false,
        progress: onStep,
        validate: () => Promise.resolve(),
        snapshot: () => Promise.resolve(),
        picture: () => Promise.resolve(),
        rollback: (step) => Promise.reject(new Error(`Cannot go back from step ${step}`)),
      },
    });
    const losses = await evaluateSplit({
      ...{ trainer, model, dataset, lanes, lanesPerShard, shards, aheadMax },
      split: "validation",
    });
    const { loss: validationLoss, ...besides } = meanLosses(losses);
    const parameters = trainer.readParameters();
    return {
      parameters,
      parametersSha256: fingerprint(parameters),
      steps: position.step,
      validationLoss,
      ...besides,
    };
  } finally {
    trainer.dispose();
    allReduce.close();
    broker.stop();
  }
}

/** @throws {RangeError} where they are not as many as the model has, or one is not finite */
function beginWith(trainer: Trainer, given: Float32Array): void {
  if (given.length !== trainer.parameterCount || !isAllFinite(given)) {
    throw new RangeError(
      `Cannot begin with ${given.length} parameters: the model has ${trainer.parameterCount}, and ` +
        "all of them must be finite",
    );
  }
  trainer.restore(0, given.slice(), trainer.readSlots());
}
