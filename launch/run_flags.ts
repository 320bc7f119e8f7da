/**
 * The flags that describe a run, their defaults, and the run's configuration made from them. On a
 * resume, what is not given keeps the value that the checkpoint was made with.
 */
import { resolve } from "node:path";
import {
  checkRunConfiguration,
  type DatasetConfiguration,
  type DatasetName,
  datasetNames,
  isModelFile,
  lossNames,
  modelNames,
  onBadFileNames,
  onNanNames,
  optimizerNames,
  precisionNames,
  type RunConfiguration,
  scheduleNames,
} from "../net/run_configuration.ts";
import { datasetOptionSpecs } from "../datasets/open_dataset.ts";
import type { Options } from "../net/options.ts";
import { otherFile } from "../models/keras/other_files.ts";
import { defaultShards } from "./default_shards.ts";
import { type FlagTable, type FlagValue, type GivenFlags, UsageError } from "./flags.ts";

const seedMax = 2 ** 32 - 1;

export const runFlags = {
  dataset: {
    kind: "choice",
    choices: datasetNames,
    help: "what to train on",
    defaultText: "moving-mnist",
  },
  data: {
    kind: "text",
    value: "PATH",
    help: "file or folder to read the dataset from",
    defaultText: "generated",
  },
  "on-bad-file": {
    kind: "choice",
    choices: onBadFileNames,
    help: "a data file that cannot be decoded ends the run, or ends the sequences that reach it",
    defaultText: "stop",
  },
  size: {
    kind: "integer",
    value: "PIXELS",
    min: 8,
    max: 1024,
    help: "height and width of frames, or of radar tiles",
    defaultText: "64",
  },
  digits: {
    kind: "integer",
    value: "N",
    min: 1,
    max: 10,
    help: "digits in a generated sequence",
    defaultText: "2",
  },
  "sequence-frames": {
    kind: "integer",
    value: "FRAMES",
    min: 2,
    max: 100_000,
    help: "length of generated sequences",
    defaultText: "41",
  },
  "sequence-frames-min": {
    kind: "integer",
    value: "FRAMES",
    min: 2,
    max: 100_000,
    help: "shortest generated sequence, lengths vary up to --sequence-frames",
    defaultText: "--sequence-frames",
  },
  sequences: {
    kind: "integer",
    value: "N",
    min: 1,
    max: 10_000_000,
    help: "generated training sequences for each epoch, or the first digits of mnist",
    defaultText: "240, all of mnist",
  },
  "validation-sequences": {
    kind: "integer",
    value: "N",
    min: 1,
    max: 1_000_000,
    help: "generated validation sequences, or the first digits of mnist",
    defaultText: "24, all of mnist",
  },
  "test-sequences": {
    kind: "integer",
    value: "N",
    min: 1,
    max: 1_000_000,
    help: "generated test sequences, or the first digits of mnist",
    defaultText: "24, all of mnist",
  },
  endless: { kind: "switch", help: "new generated training sequences every epoch" },
  "dataset-options": {
    kind: "options",
    value: "NAME=VALUE,...",
    help: "options of the dataset; --dataset NAME --help lists them",
    defaultText: "the dataset's own",
  },
  model: {
    kind: "choice",
    choices: modelNames,
    value: "FILE.ts|model.json",
    orFile: /\.(?:ts|js|mjs|json)$/,
    otherwise: otherFile,
    help: "the network, a module that exports one, or one of Keras layers",
    defaultText: "convlstm",
  },
  "model-options": {
    kind: "options",
    value: "NAME=VALUE,...",
    help: "options of the network; --model NAME --help lists them",
    defaultText: "the network's own",
  },
  filters: {
    kind: "integers",
    value: "N,N,...",
    min: 1,
    max: 4096,
    help: "filters of each ConvLSTM layer",
    defaultText: "16,16",
  },
  kernel: {
    kind: "integer",
    value: "N",
    min: 1,
    max: 31,
    help: "side of the convolution kernels, odd",
    defaultText: "3",
  },
  "input-frames": {
    kind: "integer",
    value: "FRAMES",
    min: 1,
    max: 10_000,
    help: "frames that a forecaster reads",
    defaultText: "10",
  },
  "output-frames": {
    kind: "integer",
    value: "FRAMES",
    min: 1,
    max: 10_000,
    help: "frames that a forecaster predicts",
    defaultText: "10",
  },
  window: {
    kind: "integer",
    value: "FRAMES",
    min: 1,
    max: 10_000,
    help: "frames that gradients flow through (truncated BPTT)",
    defaultText: "10",
  },
  stride: {
    kind: "integer",
    value: "FRAMES",
    min: 1,
    max: 10_000,
    help: "frames from one window to the next, for models without carried state",
    defaultText: "windows side by side",
  },
  loss: {
    kind: "choice",
    choices: lossNames,
    help: "error to minimize",
    defaultText: "the model's own",
  },
  optimizer: {
    kind: "choice",
    choices: optimizerNames,
    help: "rule of the update",
    defaultText: "adam",
  },
  "learning-rate": {
    kind: "number",
    value: "X",
    min: 0,
    max: 1e6,
    help: "learning rate, the highest of the schedule",
    defaultText: "0.01",
  },
  momentum: {
    kind: "number",
    value: "X",
    min: 0,
    max: 0.999999,
    help: "momentum of sgd and rmsprop",
    defaultText: "0",
  },
  "weight-decay": {
    kind: "number",
    value: "X",
    min: 0,
    max: 1e6,
    help: "decoupled weight decay of adamw",
    defaultText: "0.004",
  },
  "clip-norm": {
    kind: "number",
    value: "X",
    min: 1e-12,
    max: 1e12,
    help: "largest global norm of the gradient",
    defaultText: "no clipping",
  },
  schedule: {
    kind: "choice",
    choices: scheduleNames,
    help: "course of the learning rate",
    defaultText: "constant",
  },
  "warmup-steps": {
    kind: "integer",
    value: "N",
    min: 0,
    max: 1_000_000_000,
    help: "steps of linear warm-up before a constant or cosine schedule",
    defaultText: "0",
  },
  workers: {
    kind: "integer",
    value: "N",
    min: 1,
    max: 1024,
    help: "worker processes",
    defaultText: "one per GPU, else one per CPU core",
  },
  "min-workers": {
    kind: "integer",
    value: "N",
    min: 1,
    max: 1024,
    help: "fewer workers than this do not go on after a loss",
    defaultText: "1",
  },
  "wait-timeout": {
    kind: "integer",
    value: "SECONDS",
    min: 1,
    max: 1_000_000,
    help: "how long a run that lost workers waits for enough of them",
    defaultText: "600",
  },
  "start-timeout": {
    kind: "integer",
    value: "SECONDS",
    min: 1,
    max: 1_000_000,
    help: "how long a run waits for its first workers to join and open their data",
    defaultText: "--wait-timeout, 300 or more",
  },
  "heartbeat-ms": {
    kind: "integer",
    value: "MS",
    min: 10,
    max: 60_000,
    help: "time between two signs of life of a worker",
    defaultText: "250",
  },
  "dead-ms": {
    kind: "integer",
    value: "MS",
    min: 50,
    max: 3_600_000,
    help: "a worker that is silent for this long counts as dead",
    defaultText: "1000, with wasm 120000",
  },
  lanes: {
    kind: "integer",
    value: "N",
    min: 1,
    max: 1_000_000,
    help: "rows of the global batch, each playing its own sequences",
    defaultText: "12",
  },
  shards: {
    kind: "integer",
    value: "N",
    min: 1,
    max: 1_000_000,
    help: "fixed groups of lanes; results depend on it, never on --workers",
    defaultText: "the largest divisor of --lanes up to 12",
  },
  steps: {
    kind: "integer",
    value: "N",
    min: 1,
    max: 1_000_000_000,
    help: "stop after N steps in all",
  },
  epochs: {
    kind: "integer",
    value: "N",
    min: 1,
    max: 1_000_000,
    help: "passes over the training sequences",
    defaultText: "3, or as many as --steps needs",
  },
  shuffle: {
    kind: "choice",
    choices: ["on", "off"],
    help: "training sequences in a new order each epoch, or always in the same; frames in theirs",
    defaultText: "on",
  },
  engine: {
    kind: "choice",
    choices: ["auto", "tensorflow", "wasm"],
    help: "what computes; auto takes tensorflow where its library is found",
    defaultText: "auto",
  },
  precision: {
    kind: "choice",
    choices: precisionNames,
    help: "operands of convolutions and matrix products",
    defaultText: "float32",
  },
  threads: {
    kind: "integer",
    value: "N",
    min: 1,
    max: 1024,
    help: "threads of each worker; results do not depend on it",
    defaultText: "1",
  },
  seed: {
    kind: "integer",
    value: "N",
    min: 0,
    max: seedMax,
    help: "seed of weights, plan and generated data",
    defaultText: "1",
  },
  "on-nan": {
    kind: "choice",
    choices: onNanNames,
    help:
      "a step that is not finite ends the run, is left out, or is first done again from a snapshot",
    defaultText: "stop",
  },
  "snapshot-steps": {
    kind: "integer",
    value: "N",
    min: 1,
    max: 1_000_000_000,
    help: "steps between snapshots in memory, from which a run goes on after a loss",
    defaultText: "20",
  },
  "checkpoint-steps": {
    kind: "integer",
    value: "N",
    min: 1,
    max: 1_000_000_000,
    help: "steps between checkpoints",
    defaultText: "50",
  },
  "images-every": {
    kind: "integer",
    value: "STEPS",
    min: 1,
    max: 1_000_000_000,
    help:
      "steps between pictures of predictions, in the run's folder and TensorBoard; fewer after 512",
    defaultText: "one at the end",
  },
} as const satisfies FlagTable;

export type RunFlag = keyof typeof runFlags;

/**
 * @param given the flags given, `engine` not "auto"
 * @param base the configuration to keep where nothing is given: defaults, or a checkpoint's
 * @throws {UsageError} where the values contradict each other
 */
export function configureRun(given: GivenFlags, base: RunConfiguration): RunConfiguration {
  const read = <T extends FlagValue>(name: RunFlag, fallback: T): T =>
    (given[name] as T | undefined) ?? fallback;
  const readOrNull = <T extends FlagValue>(name: RunFlag, fallback: T | null): T | null =>
    (given[name] as T | undefined) ?? fallback;
  const lanes = read("lanes", base.lanes);
  const sequenceFrames = read("sequence-frames", base.dataset.sequenceFrames);
  // Options are of one dataset and one model: of others they mean nothing.
  const dataset = read("dataset", base.dataset.name);
  const counts = sequenceCounts(dataset, base.dataset);
  const model = modelName(read("model", base.model.name));
  const found = given["model-source"] as string | undefined;
  // A file may have been moved, where its source tells that it is the same.
  const isSameModel = model === base.model.name ||
    found !== undefined && found === base.model.source;
  const source = isSameModel ? base.model.source : found;
  const configuration: RunConfiguration = {
    dataset: {
      name: dataset,
      path: given.data === undefined ? base.dataset.path : resolve(given.data as string),
      frameSize: read("size", base.dataset.frameSize),
      digits: read("digits", base.dataset.digits),
      sequenceFrames,
      sequenceFramesMin: read(
        "sequence-frames-min",
        sequenceFrames === base.dataset.sequenceFrames
          ? base.dataset.sequenceFramesMin
          : sequenceFrames,
      ),
      sequences: read("sequences", counts.sequences),
      validationSequences: read("validation-sequences", counts.validationSequences),
      testSequences: read("test-sequences", counts.testSequences),
      endless: read("endless", base.dataset.endless),
      onBadFile: read("on-bad-file", base.dataset.onBadFile),
      options: given["dataset-options"] === undefined
        ? (dataset === base.dataset.name ? base.dataset.options : {})
        : absolutePaths(dataset, given["dataset-options"] as Options),
    },
    model: {
      name: model,
      ...(source === undefined ? {} : { source }),
      filters: read("filters", base.model.filters),
      kernelSize: read("kernel", base.model.kernelSize),
      inputFrames: read("input-frames", base.model.inputFrames),
      outputFrames: read("output-frames", base.model.outputFrames),
      options: read("model-options", isSameModel ? base.model.options : {}),
    },
    loss: readOrNull("loss", base.loss),
    optimizer: {
      name: read("optimizer", base.optimizer.name),
      learningRate: read("learning-rate", base.optimizer.learningRate),
      momentum: read("momentum", base.optimizer.momentum),
      weightDecay: read("weight-decay", base.optimizer.weightDecay),
      clipNorm: readOrNull("clip-norm", base.optimizer.clipNorm),
      schedule: read("schedule", base.optimizer.schedule),
      warmupSteps: read("warmup-steps", base.optimizer.warmupSteps),
    },
    lanes,
    shards: read("shards", lanes === base.lanes ? base.shards : defaultShards(lanes)),
    windowFrames: read("window", base.windowFrames),
    windowStride: readOrNull("stride", base.windowStride),
    epochs: readOrNull<number>("epochs", given.steps === undefined ? base.epochs : null),
    steps: readOrNull<number>("steps", given.epochs === undefined ? base.steps : null),
    shuffle: given.shuffle === undefined ? base.shuffle : given.shuffle === "on",
    seed: read("seed", base.seed),
    initialWeights: base.initialWeights,
    engine: read("engine", base.engine),
    precision: read("precision", base.precision),
    threads: read("threads", base.threads),
    workers: read("workers", base.workers),
    onNan: read("on-nan", base.onNan),
    membership: {
      workersMin: read("min-workers", base.membership.workersMin),
      heartbeatMs: read("heartbeat-ms", base.membership.heartbeatMs),
      silenceMsMax: readOrNull("dead-ms", base.membership.silenceMsMax),
      waitTimeoutMs: given["wait-timeout"] === undefined
        ? base.membership.waitTimeoutMs
        : 1000 * read("wait-timeout", 0),
      startTimeoutMs: given["start-timeout"] === undefined
        ? base.membership.startTimeoutMs
        : 1000 * read("start-timeout", 0),
    },
    snapshotSteps: read("snapshot-steps", base.snapshotSteps),
    checkpointSteps: read("checkpoint-steps", base.checkpointSteps),
    imageSteps: readOrNull("images-every", base.imageSteps),
  };
  try {
    checkRunConfiguration(configuration);
  } catch (cause) {
    if (cause instanceof RangeError) throw new UsageError(cause.message, { cause });
    throw cause;
  }
  return configuration;
}

/** Data are found from any folder, by other processes and after a resume too. */
export function absolutePaths(dataset: DatasetName, options: Options): Options {
  const paths = datasetOptionSpecs(dataset).filter(({ isPath }) => isPath).map(({ name }) => name);
  return Object.fromEntries(
    Object.entries(options).map(([name, value]) => [
      name,
      paths.includes(name) && typeof value === "string" && value !== "" ? resolve(value) : value,
    ]),
  );
}

/** A module's path holds wherever its workers are started. */
function modelName(name: string): string {
  return isModelFile(name) ? resolve(name) : name;
}

/** Whether its sequences are the first of those that there are, rather than generated. */
function takesDigits(dataset: string): boolean {
  return dataset === "mnist";
}

type SequenceCounts = Pick<
  DatasetConfiguration,
  "sequences" | "validationSequences" | "testSequences"
>;

/**
 * How many sequences are taken where no flag says it. A number of sequences to generate is none of the
 * digits that there are, and the other way round.
 */
export function sequenceCounts(dataset: DatasetName, base: DatasetConfiguration): SequenceCounts {
  return takesDigits(dataset) === takesDigits(base.name) ? base : defaultCounts(dataset);
}

/** What is generated has no end, so that it needs a number; of what there is, all is taken. */
function defaultCounts(dataset: string): SequenceCounts {
  if (!takesDigits(dataset)) return defaultRun.dataset;
  // More than any folder of digits has.
  const all = 1_000_000;
  return { sequences: all, validationSequences: all, testSequences: all };
}

/** A run without flags: finishes in a few minutes on two cores. */
export const defaultRun: RunConfiguration = {
  dataset: {
    name: "moving-mnist",
    path: null,
    frameSize: 64,
    digits: 2,
    sequenceFrames: 41,
    sequenceFramesMin: 41,
    sequences: 240,
    validationSequences: 24,
    testSequences: 24,
    endless: false,
    onBadFile: "stop",
    options: {},
  },
  model: {
    name: "convlstm",
    filters: [16, 16],
    kernelSize: 3,
    inputFrames: 10,
    outputFrames: 10,
    options: {},
  },
  loss: null,
  optimizer: {
    name: "adam",
    learningRate: 0.01,
    momentum: 0,
    weightDecay: 0.004,
    clipNorm: null,
    schedule: "constant",
    warmupSteps: 0,
  },
  lanes: 12,
  shards: 12,
  windowFrames: 10,
  windowStride: null,
  epochs: 3,
  steps: null,
  shuffle: true,
  seed: 1,
  initialWeights: null,
  engine: "tensorflow",
  precision: "float32",
  threads: 1,
  workers: 1,
  onNan: "stop",
  membership: {
    workersMin: 1,
    heartbeatMs: 250,
    silenceMsMax: null,
    waitTimeoutMs: 600_000,
    startTimeoutMs: null,
  },
  snapshotSteps: 20,
  checkpointSteps: 50,
  imageSteps: null,
};
