/**
 * Opens what a run has trained: a checkpoint's parameters, and the engine, dataset and model of its
 * configuration. Flags may name other data, or another engine, than the run was trained with.
 */
import { resolve } from "node:path";
import { readCheckpoint, readManifest, type SavedCheckpoint } from "../coordinator/checkpoint.ts";
import { classDifference } from "../coordinator/class_names.ts";
import { latestCheckpoint, listCheckpoints } from "../coordinator/checkpoint_folder.ts";
import { dataDifference } from "../coordinator/data_difference.ts";
import { diskFileSystem } from "../coordinator/file_system.ts";
import type { Dataset, Split } from "../datasets/dataset.ts";
import { identityOf } from "../datasets/data_identity.ts";
import { datasetOptions, datasetPaths, openDataset } from "../datasets/open_dataset.ts";
import type { Engine } from "../engine/engine.ts";
import { openEngine } from "../engine/open_engine.ts";
import { type Tensor, tf } from "../engine/tf.ts";
import { buildModel, findModel } from "../models/build_model.ts";
import { defaultLoss } from "../models/losses.ts";
import type { Model } from "../models/model.ts";
import { flatParameters } from "../models/parameter_arrays.ts";
import { readRunConfiguration } from "../net/configuration_schema.ts";
import { OptionError, type Options } from "../net/options.ts";
import {
  type DatasetConfiguration,
  type DatasetName,
  isModelFile,
  type LossName,
  type RunConfiguration,
} from "../net/run_configuration.ts";
import { type FlagTable, type GivenFlags, UsageError } from "./flags.ts";
import { checkIdleFlags } from "./idle_flags.ts";
import { refuseLinksOut } from "./links_out.ts";
import { namedModel } from "./named_model.ts";
import { absolutePaths, runFlags, sequenceCounts } from "./run_flags.ts";
import { newestRun } from "./run_options.ts";
import { mayMiss } from "../worker/window_batch.ts";

/** What `evaluate` and `predict` share. */
export const trainedFlags = {
  run: {
    kind: "text",
    value: "DIR",
    help: "a run's folder, or that of one checkpoint",
    defaultText: "the newest run",
  },
  best: {
    kind: "switch",
    help: "the run's checkpoint with the lowest validation loss in place of the newest",
  },
  split: {
    kind: "choice",
    choices: ["train", "validation", "test"],
    help: "which sequences",
    defaultText: "test",
  },
  dataset: {
    ...runFlags.dataset,
    help: "what --data holds, where the run was trained on something else",
    defaultText: "the run's",
  },
  data: { ...runFlags.data, defaultText: "what the run was trained with" },
  "dataset-options": { ...runFlags["dataset-options"], defaultText: "the run's" },
  digits: { ...runFlags.digits, defaultText: "the run's" },
  "sequence-frames": { ...runFlags["sequence-frames"], defaultText: "the run's" },
  "test-sequences": { ...runFlags["test-sequences"], defaultText: "the run's" },
  model: {
    kind: "text",
    value: "FILE",
    help:
      "the run's own module, which a checkpoint alone may not have run, or where its files are now",
    defaultText: "the run's, unless it is a module",
  },
  engine: runFlags.engine,
  threads: runFlags.threads,
  json: { kind: "switch", help: "one JSON object on standard output at the end" },
  help: { kind: "switch", help: "show this" },
} as const satisfies FlagTable;

/** What `openTrained` opens. */
export interface TrainedOptions {
  /** A run's folder, or that of one checkpoint. */
  readonly run: string;
  /** The run's checkpoint with the lowest validation loss in place of the newest. */
  readonly best?: boolean;
  /** @default {"test"} */
  readonly split?: Split;
  /** Another dataset than the run was trained on, with none of its options. */
  readonly dataset?: DatasetName;
  /** Other data than the run was trained with. */
  readonly data?: string;
  /** What differs from the run's; all that there is of another dataset. */
  readonly datasetOptions?: Options;
  /** Of a generated dataset: other digits, lengths and numbers of sequences than the run's. */
  readonly digits?: number;
  readonly sequenceFrames?: number;
  readonly testSequences?: number;
  /** The module that it was trained with, which is run; a checkpoint alone may not have one run. */
  readonly model?: string;
  /** @default {"auto"} */
  readonly engine?: RunConfiguration["engine"] | "auto";
  /** @default {1} */
  readonly threads?: number;
}

/** Opened; `close` closes all of it. */
export interface TrainedModel {
  /** The checkpoint's folder. */
  readonly path: string;
  readonly step: number;
  readonly parametersSha256: string;
  readonly configuration: RunConfiguration;
  readonly engine: Engine;
  readonly dataset: Dataset;
  readonly split: Split;
  /** Of the dataset's answers, where it has some. */
  readonly targetShape?: readonly number[];
  /** Whether frames or answers of the dataset may be NaN, for what is missing. */
  readonly hasMissing: boolean;
  readonly model: Model;
  readonly loss: LossName;
  /** The same model with another window. */
  build(windowFrames: number): Model;
  /** All of them in one vector. */
  readonly parameters: Tensor;
  close(): void;
}

/** What flags ask for: the newest run where they name none. */
export async function trainedOptions(given: GivenFlags): Promise<TrainedOptions> {
  return {
    run: given.run as string | undefined ?? await newestRun(),
    best: given.best === true,
    split: given.split as Split | undefined,
    dataset: given.dataset as DatasetName | undefined,
    data: given.data as string | undefined,
    datasetOptions: given["dataset-options"] as Options | undefined,
    digits: given.digits as number | undefined,
    sequenceFrames: given["sequence-frames"] as number | undefined,
    testSequences: given["test-sequences"] as number | undefined,
    model: given.model as string | undefined,
    engine: given.engine as TrainedOptions["engine"],
    threads: given.threads as number | undefined,
  };
}

/**
 * @throws {UsageError} where there is no such run or checkpoint, or its module is not named
 * @throws {ModelError} where the model's file is another than the run's; none of it has been run
 * @throws {ConfigurationError} where its configuration cannot be used
 * @throws {Error} where the checkpoint's parameters are not those of the model
 */
export async function openTrained(options: TrainedOptions): Promise<TrainedModel> {
  const { path, checkpoint } = await findCheckpoint(options);
  const saved = readRunConfiguration(checkpoint.configuration, `Cannot open ${path}: it`);
  const name = namedModel(saved.model, options.model, `open ${path}`);
  const configuration: RunConfiguration = {
    ...saved,
    model: { ...saved.model, name },
    dataset: otherData(saved.dataset, options),
  };
  checkOptions(configuration);
  checkIdle(options, configuration);
  const { engine: engineName = "auto", threads = 1, split = "test" } = options;
  let engine: Engine | undefined;
  let dataset: Dataset | undefined;
  try {
    engine = await openEngine(engineName, { threads, precision: configuration.precision });
    if (isModelFile(name) && saved.model.source === undefined) {
      console.error(`Warning: ${path} records no SHA-256 that ${name} could be compared with`);
    }
    const definition = await findModel(name, saved.model.source);
    const opened = await openDataset(configuration.dataset, configuration.seed);
    for (const warning of opened.warnings ?? []) console.error(`Warning: ${warning}`);
    dataset = opened;
    const difference = classDifference(checkpoint.classes, opened.classes);
    if (difference) {
      throw new UsageError(
        `Cannot use ${path} with this data: ${difference}; name data with the same classes, with ` +
          "--data or --dataset-options",
      );
    }
    await requireSameData(
      { path, trained: checkpoint.data, opened },
      options,
      configuration.dataset,
    );
    const build = (windowFrames: number) =>
      buildModel(configuration.model, opened, windowFrames, definition);
    const model = build(configuration.windowFrames);
    const flat = flatParameters(model, checkpoint.parameters, path);
    const parameters = tf.keep(tf.tensor(flat, [flat.length], "float32"));
    const own = { engine, dataset };
    return {
      ...{ path, configuration, model, build, parameters, ...own },
      step: checkpoint.step,
      parametersSha256: checkpoint.parametersSha256,
      split,
      targetShape: opened.targetShape,
      hasMissing: mayMiss(opened),
      loss: configuration.loss ?? model.loss ?? defaultLoss,
      close() {
        parameters.dispose();
        own.dataset.close();
        own.engine.dispose();
      },
    };
  } catch (error) {
    dataset?.close();
    engine?.dispose();
    throw error;
  }
}

/**
 * What was given by name may be other data than the run's; what the run names itself may not have become
 * other data since.
 * @throws {UsageError} with both
 */
async function requireSameData(
  { path, trained, opened }: { path: string; trained: string | undefined; opened: Dataset },
  { data, dataset, datasetOptions }: TrainedOptions,
  named: DatasetConfiguration,
): Promise<void> {
  const isOther = [data, dataset, datasetOptions].some((given) => given !== undefined);
  if (trained === undefined || isOther) return;
  const difference = dataDifference(trained, await identityOf(opened, datasetPaths(named)));
  if (difference === undefined) return;
  throw new UsageError(
    `Cannot use ${path} with ${named.path}: ${difference}; put the data back, or name these by ` +
      `--data ${named.path}`,
  );
}

function otherData(saved: DatasetConfiguration, options: TrainedOptions): DatasetConfiguration {
  const { dataset, data, datasetOptions, digits, sequenceFrames, testSequences } = options;
  const isOther = dataset !== undefined && dataset !== saved.name;
  const counts = sequenceCounts(dataset ?? saved.name, saved);
  return {
    ...saved,
    sequences: counts.sequences,
    validationSequences: counts.validationSequences,
    name: dataset ?? saved.name,
    path: data === undefined ? (isOther ? null : saved.path) : resolve(data),
    digits: digits ?? saved.digits,
    sequenceFrames: sequenceFrames ?? saved.sequenceFrames,
    // Of one length, where a length is asked for.
    sequenceFramesMin: sequenceFrames ?? saved.sequenceFramesMin,
    testSequences: testSequences ?? counts.testSequences,
    options: {
      ...(isOther ? {} : saved.options),
      ...absolutePaths(dataset ?? saved.name, datasetOptions ?? {}),
    },
  };
}

/** @throws {UsageError} for what the dataset does not have */
function checkIdle(options: TrainedOptions, configuration: RunConfiguration): void {
  const { data, digits, sequenceFrames, testSequences, split = "test" } = options;
  const given = {
    ...(data !== undefined && { data }),
    ...(digits !== undefined && { digits }),
    ...(sequenceFrames !== undefined && { "sequence-frames": sequenceFrames }),
    ...(testSequences !== undefined && { "test-sequences": testSequences }),
  };
  checkIdleFlags(given, configuration);
  if (testSequences === undefined || split === "test") return;
  throw new UsageError(
    `--test-sequences ${testSequences} does nothing with --split ${split}; leave it out`,
  );
}

function checkOptions({ dataset }: RunConfiguration): void {
  try {
    datasetOptions(dataset);
  } catch (cause) {
    if (cause instanceof OptionError) throw new UsageError(cause.message, { cause });
    throw cause;
  }
}

/** Where what is made of a checkpoint lies: in the run's folder, or in that of a lone checkpoint. */
export function besideRun(checkpoint: string, folder: string): string {
  return /\/checkpoints\/[^/]+$/.test(checkpoint)
    ? checkpoint.replace(/\/checkpoints\/([^/]+)$/, `/${folder}/$1`)
    : `${checkpoint}/${folder}`;
}

async function findCheckpoint(
  options: TrainedOptions,
): Promise<{ path: string; checkpoint: SavedCheckpoint }> {
  const folder = options.run.replace(/\/+$/, "");
  refuseLinksOut(folder.replace(/\/checkpoints\/[^/]+$/, ""));
  if (await diskFileSystem.entry(`${folder}/manifest.json`) !== undefined) {
    return { path: folder, checkpoint: await readCheckpoint(diskFileSystem, folder) };
  }
  const checkpoints = `${folder}/checkpoints`;
  if (options.best) {
    const best = await lowestValidation(checkpoints);
    if (best !== undefined) {
      return { path: best, checkpoint: await readCheckpoint(diskFileSystem, best) };
    }
    throw new UsageError(
      `Cannot take the best checkpoint of ${folder}: none has a validation loss; leave --best out`,
    );
  }
  const warn = (sentence: string) => console.error(`Warning: ${sentence}`);
  const found = await latestCheckpoint(diskFileSystem, checkpoints, { warn });
  if (found) return found;
  throw new UsageError(
    `Cannot open ${folder}: it holds no checkpoint; name a run's folder, or a checkpoint's, with ` +
      "--run",
  );
}

async function lowestValidation(folder: string): Promise<string | undefined> {
  let [lowest, best] = [Infinity, undefined as string | undefined];
  for (const { path } of await listCheckpoints(diskFileSystem, folder)) {
    const { metrics: { validationLoss = Infinity } } = await readManifest(diskFileSystem, path);
    if (validationLoss < lowest) [lowest, best] = [validationLoss, path];
  }
  return best;
}
