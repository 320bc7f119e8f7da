/**
 * The configuration of a run: everything that decides its result. The coordinator resolves it from
 * flags and files, sends it to the workers and writes it into every checkpoint.
 */
import type { Options } from "./options.ts";

export const datasetNames = [
  "moving-mnist",
  "radar",
  "mnist",
  "bouncing-balls",
  "moving-points",
  "npy",
  "frames",
  "sevir",
] as const;
export const modelNames = [
  "convlstm",
  "encoder-forecaster",
  "shi-convlstm",
  "cnn-lstm",
  "convlstm-classifier",
  "conv-autoencoder",
  "vae",
  "seq2seq-convlstm",
  "convlstm-unet",
  "prednet",
  "predrnn",
] as const;
export const lossNames = ["mse", "mae", "bce", "cross-entropy", "balanced"] as const;
export const optimizerNames = ["sgd", "rmsprop", "adam", "adamw"] as const;
export const scheduleNames = ["constant", "cosine", "one-cycle"] as const;
export const engineNames = ["tensorflow", "wasm"] as const;
/** What to do with a step whose loss, gradient, states or update hold NaN or infinity. */
export const onNanNames = ["stop", "skip", "rollback"] as const;
/** What to do with a data file that cannot be decoded when the dataset is opened. */
export const onBadFileNames = ["stop", "skip"] as const;
export const precisionNames = ["float32", "bfloat16"] as const;

export type DatasetName = typeof datasetNames[number];
export type ModelName = typeof modelNames[number];
export type LossName = typeof lossNames[number];
export type OptimizerName = typeof optimizerNames[number];
export type ScheduleName = typeof scheduleNames[number];

export interface DatasetConfiguration {
  readonly name: DatasetName;
  /** File or folder to read from; null for generated sequences. */
  readonly path: string | null;
  /** Height and width of a frame in pixels. */
  readonly frameSize: number;
  /** Digits in each generated MovingMNIST sequence. */
  readonly digits: number;
  /** Longest and shortest generated sequence in frames. */
  readonly sequenceFrames: number;
  readonly sequenceFramesMin: number;
  /** Generated training sequences for each epoch. */
  readonly sequences: number;
  readonly validationSequences: number;
  readonly testSequences: number;
  /** New generated sequences every epoch. */
  readonly endless: boolean;
  /** With "skip", sequences end before a broken file and begin after it. */
  readonly onBadFile: typeof onBadFileNames[number];
  /** Those of this dataset that were given; it declares which there are. */
  readonly options: Options;
}

export interface ModelConfiguration {
  /** One of `modelNames`, or the absolute path of a module. */
  readonly name: string;
  /** SHA-256 of the source of a module or of layers, as the run was started with. */
  readonly source?: string;
  /** Filters of each layer, bottom first. */
  readonly filters: readonly number[];
  readonly kernelSize: number;
  /** Frames read and frames predicted by an encoder-forecaster. */
  readonly inputFrames: number;
  readonly outputFrames: number;
  /** Those of this model that were given; it declares which there are. */
  readonly options: Options;
}

/** Whether a model's name is a file that defines it. */
export function isModelFile(name: string): boolean {
  return /\.(?:ts|js|mjs|json)$/.test(name);
}

/** Whether a model's name is a file with code, which is run to have the model. */
export function isModelModule(name: string): boolean {
  return isModelFile(name) && !name.endsWith(".json");
}

/** A model's name without folder and extension, for titles and folders. */
export function modelTitle(name: string): string {
  return isModelFile(name) ? name.replace(/^.*[/\\]/, "").replace(/\.[^.]*$/, "") : name;
}

export interface OptimizerConfiguration {
  readonly name: OptimizerName;
  readonly learningRate: number;
  readonly momentum: number;
  readonly weightDecay: number;
  /** Largest global norm of the gradient; null for no clipping. */
  readonly clipNorm: number | null;
  readonly schedule: ScheduleName;
  readonly warmupSteps: number;
}

/** Who must be there, and when somebody counts as gone. */
export interface MembershipConfiguration {
  /** Fewer active workers than this do not go on. */
  readonly workersMin: number;
  /** Between two signs of life of a worker. */
  readonly heartbeatMs: number;
  /** A worker that is silent for this long counts as dead; null for what fits the engine. */
  readonly silenceMsMax: number | null;
  /** How long a run that has lost workers waits for enough of them. */
  readonly waitTimeoutMs: number;
  /** How long it waits for its first ones; null for as long, or somewhat longer. */
  readonly startTimeoutMs: number | null;
}

/** A file of weights that a run begins with. */
export interface InitialWeightsConfiguration {
  /** Absolute, of a .safetensors file. */
  readonly path: string;
  readonly sha256: string;
}

export interface RunConfiguration {
  readonly dataset: DatasetConfiguration;
  readonly model: ModelConfiguration;
  /** Null for the model's own. */
  readonly loss: LossName | null;
  readonly optimizer: OptimizerConfiguration;
  readonly lanes: number;
  readonly shards: number;
  /** Frames that gradients flow through. */
  readonly windowFrames: number;
  /** Frames from one window to the next, for models without carried state; null for their own. */
  readonly windowStride: number | null;
  /** Passes over the training sequences; null for as many as `steps` needs. */
  readonly epochs: number | null;
  /** Stops after this many steps in all; null for whole epochs only. */
  readonly steps: number | null;
  /** Training sequences in a new order each epoch; else always in the catalogue's. */
  readonly shuffle: boolean;
  readonly seed: number;
  /** Null for weights that the seed draws. */
  readonly initialWeights: InitialWeightsConfiguration | null;
  readonly engine: typeof engineNames[number];
  readonly precision: typeof precisionNames[number];
  /** Threads of each worker, each on shards of its own. */
  readonly threads: number;
  readonly workers: number;
  readonly onNan: typeof onNanNames[number];
  readonly membership: MembershipConfiguration;
  /** Steps between snapshots in the coordinator's memory, from which a run goes on after a loss. */
  readonly snapshotSteps: number;
  /** Steps between checkpoints; one is also written at each epoch's end and at the run's. */
  readonly checkpointSteps: number;
  /** Steps between pictures of predictions; null for one at the end of the run. */
  readonly imageSteps: number | null;
}

/** What may change on `--resume` without changing any weight's bits. */
export const resumableFields = [
  "workers",
  "threads",
  // Decides only about steps that otherwise end the run.
  "onNan",
  "membership",
  "epochs",
  "steps",
  "snapshotSteps",
  "checkpointSteps",
  "imageSteps",
] as const;

/**
 * Checks the relations between fields; each field alone is checked where it is read.
 * @throws {RangeError} naming the fields, their values and what to change
 */
export function checkRunConfiguration(run: RunConfiguration): void {
  if (run.lanes % run.shards !== 0) {
    throw new RangeError(
      `Cannot cut ${run.lanes} lanes into ${run.shards} equal shards: make --lanes a multiple of --shards`,
    );
  }
  if (run.workers > run.shards) {
    throw new RangeError(
      `Cannot share ${run.shards} shards among ${run.workers} workers: each worker needs at least ` +
        `one; lower --workers or raise --lanes and --shards`,
    );
  }
  const { workersMin, heartbeatMs, silenceMsMax } = run.membership;
  if (workersMin > run.workers) {
    throw new RangeError(
      `Cannot start with ${run.workers} workers and go on with at least ${workersMin}: lower ` +
        "--min-workers",
    );
  }
  if (silenceMsMax !== null && silenceMsMax < 2 * heartbeatMs) {
    throw new RangeError(
      `Cannot take a worker for dead after ${silenceMsMax} ms when it gives a sign of life every ` +
        `${heartbeatMs} ms: raise --dead-ms to at least twice --heartbeat-ms`,
    );
  }
  if (run.dataset.sequenceFramesMin > run.dataset.sequenceFrames) {
    throw new RangeError(
      `Cannot generate sequences of ${run.dataset.sequenceFramesMin} to ` +
        `${run.dataset.sequenceFrames} frames: --sequence-frames-min is above --sequence-frames`,
    );
  }
  const { optimizer } = run;
  if (optimizer.schedule === "one-cycle" && optimizer.warmupSteps > 0) {
    throw new RangeError(
      `Cannot use --warmup-steps ${optimizer.warmupSteps} with --schedule one-cycle: it has a rise ` +
        "of its own; leave --warmup-steps out, or use cosine",
    );
  }
  if (optimizer.momentum > 0 && optimizer.name !== "sgd" && optimizer.name !== "rmsprop") {
    throw new RangeError(
      `Cannot use --momentum ${optimizer.momentum} with --optimizer ${optimizer.name}: only sgd and ` +
        "rmsprop have one to set",
    );
  }
  if (run.engine === "wasm" && run.precision !== "float32") {
    throw new RangeError(
      "Cannot run --precision bfloat16 on --engine wasm: it computes in float32 only",
    );
  }
  if (run.model.kernelSize % 2 === 0) {
    throw new RangeError(
      `Cannot use --kernel ${run.model.kernelSize}: a 'same' convolution of recurrent state needs an odd size`,
    );
  }
}
