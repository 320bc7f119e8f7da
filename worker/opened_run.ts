/**
 * What a worker needs of an opened run: data, and something that trains on it. The trainer of the
 * product computes with an engine (`open_run.ts`); everything around it needs no tensor.
 */
import type { AllReduce } from "../collective/reduction.ts";
import type { Dataset } from "../datasets/dataset.ts";
import type { WindowShape } from "../datasets/window_shape.ts";
import type { ReadyRequest } from "../net/messages.ts";
import type { WindowBatch } from "./window_batch.ts";

/** What a step came to, the same on every worker. */
export interface StepReport {
  /** Weighted mean error over all lanes. */
  readonly loss: number;
  /**
   * How many predictions' worth of errors counted, where data may miss values. None leaves the step
   * without effect on the weights.
   */
  readonly counted?: number;
  /** Some worker asked for the run to stop after this step. */
  readonly stop: boolean;
  /** Some worker leaves, and asked for this step to be kept. */
  readonly keep?: boolean;
  /**
   * What of the step is not finite, in words. Nothing of it was applied then: parameters and slots are
   * as before, and the lanes in `lanesReset`, of this worker's, have begun anew with zeros.
   */
  readonly fault?: string;
  readonly lanesReset?: readonly number[];
}

/** A worker's copy of the parameters and slots, its lanes' states, and how to make one step. */
export interface RunTrainer {
  /** Each lane's state as one array. */
  readonly states: {
    readLane(lane: number): Float32Array;
    /** The same of all lanes of a shard in their order, where that costs less than one by one. */
    readShard?(shard: number): Float32Array[];
    writeLanes(lanes: ReadonlyMap<number, Float32Array>): void;
  };
  /** Steps applied so far. */
  readonly step: number;
  /** Names of the optimizer's slots, each one value for each parameter. */
  readonly slotNames: readonly string[];
  /** Errors that add up to one prediction's: times the weights, the divisor of a step's loss. */
  readonly errorsPerPrediction: number;
  /** Whether the divisor is only known from the windows, which then come undivided. */
  readonly dividesAfterwards?: boolean;
  /**
   * One step: gradients of the owned shards, their sum with everybody's, one update.
   * @param next gives the windows of each owned shard in ascending order
   * @param stop asks every worker to stop after this step
   * @param keep asks for a checkpoint after it
   */
  trainStep(
    next: () => Promise<WindowBatch>,
    stop: boolean,
    keep?: boolean,
  ): Promise<StepReport>;
  /** Copies for a snapshot. */
  readParameters(): Float32Array;
  readSlots(): Float32Array[];
  restore(step: number, parameters: Float32Array, slots: readonly Float32Array[]): void;
  dispose(): void;
}

/** A shard's part of an evaluation, in float64 so that sums over shards lose nothing. */
export interface ShardLoss {
  readonly shard: number;
  /** sum(weight * error) over the shard's windows, for the model and for the last frame repeated. */
  readonly lossSum: number;
  readonly persistenceSum?: number;
  /** sum(weight * errors of the answers whose class is right), where there are classes. */
  readonly correctSum?: number;
  /** sum(weight) * errors that add up to one prediction's; of those that count, where some do not. */
  readonly weightSum: number;
  /** The same for `persistenceSum`, where the last frame or the truth may miss values. */
  readonly persistenceWeightSum?: number;
}

export interface SequencePrediction {
  readonly label: string;
  /** Frames of truth, [frames, height, width, channels]. */
  readonly frames: number;
  readonly truth: Float32Array;
  /** First frame that is predicted; those before it are only read. */
  readonly firstPredicted: number;
  /** [frames - firstPredicted, height, width, channels] */
  readonly predictions: Float32Array;
  /** There where what is predicted are the dataset's answers: truth and predictions are such. */
  readonly answer?: SequenceAnswer;
}

export interface SequenceAnswer {
  /** Of truth and predictions. */
  readonly channels: number;
  /** Names, where truth and predictions are the numbers of classes; else none. */
  readonly classes: readonly string[];
  /** What is answered, in grey, [frames, height, width]. */
  readonly seen: Float32Array;
}

/** A trainer of some shards for one generation. */
export interface GenerationTrainer {
  readonly trainer: RunTrainer;
  /** Losses of these shards on the validation sequences; none if it is given up in between. */
  evaluate(
    isGivenUp: () => boolean,
    onProgress: (done: number, total: number) => void,
  ): Promise<ShardLoss[]>;
  /** Predictions of a few test sequences. */
  samples(): Promise<SequencePrediction[]>;
}

export interface OpenedRun {
  /** What the coordinator compares between workers. */
  readonly report: ReadyRequest;
  /** Length of the vector that is summed over all workers. */
  readonly reducedElements: number;
  readonly dataset: Dataset;
  readonly window: WindowShape;
  /** The learning rate of a step, counted from 1. */
  readonly learningRate: (step: number) => number;
  createTrainer(shards: readonly number[], allReduce: AllReduce): GenerationTrainer;
  close(): void;
}
