/**
 * Opens what a run has trained: a checkpoint's parameters, and the engine, dataset and model of its
 * configuration. Flags may name other data, or another engine, than the run was trained with.
 */
import { readCheckpoint, readManifest, type SavedCheckpoint } from "../coordinator/checkpoint.ts";
import { latestCheckpoint, listCheckpoints } from "../coordinator/checkpoint_folder.ts";
import { diskFileSystem } from "../coordinator/file_system.ts";
import type { Dataset, Split } from "../datasets/dataset.ts";
import { datasetOptions, openDataset } from "../datasets/open_dataset.ts";
import type { Engine } from "../engine/engine.ts";
import { openEngine } from "../engine/open_engine.ts";
import { type Tensor, tf } from "../engine/tf.ts";
import { buildModel, findModel } from "../models/build_model.ts";
import { defaultLoss } from "../models/losses.ts";
import type { Model } from "../models/model.ts";
import { OptionError } from "../net/options.ts";
import type { LossName, RunConfiguration } from "../net/run_configuration.ts";
import { parameterCount } from "../worker/trainer.ts";
import { type FlagTable, type GivenFlags, UsageError } from "./flags.ts";
import { runFlags } from "./run_flags.ts";
import { newestRun } from "./run_options.ts";

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
  data: { ...runFlags.data, defaultText: "what the run was trained with" },
  "dataset-options": { ...runFlags["dataset-options"], defaultText: "the run's" },
  engine: runFlags.engine,
  threads: runFlags.threads,
  json: { kind: "switch", help: "one JSON object on standard output at the end" },
  help: { kind: "switch", help: "show this" },
} as const satisfies FlagTable;

export interface TrainedModel {
  /** The checkpoint's folder. */
  readonly path: string;
  readonly step: number;
  readonly parametersSha256: string;
  readonly configuration: RunConfiguration;
  readonly engine: Engine;
  readonly dataset: Dataset;
  readonly split: Split;
  readonly model: Model;
  readonly loss: LossName;
  /** The same model with another window. */
  build(windowFrames: number): Model;
  /** All of them in one vector. */
  readonly parameters: Tensor;
  close(): void;
}

/**
 * @throws {UsageError} where there is no such run or checkpoint
 * @throws {Error} where the checkpoint's parameters are not those of the model
 */
export async function openTrained(given: GivenFlags): Promise<TrainedModel> {
  const { path, checkpoint } = await findCheckpoint(given);
  const saved = checkpoint.configuration as unknown as RunConfiguration;
  const configuration: RunConfiguration = {
    ...saved,
    // Runs from before there were options have none.
    model: { ...saved.model, options: saved.model.options ?? {} },
    dataset: {
      ...saved.dataset,
      path: given.data as string | undefined ?? saved.dataset.path,
      options: {
        ...saved.dataset.options,
        ...given["dataset-options"] as RunConfiguration["dataset"]["options"] | undefined,
      },
    },
  };
  checkOptions(configuration);
  const threads = given.threads as number | undefined ?? 1;
  const name = given.engine as "auto" | RunConfiguration["engine"] | undefined ?? "auto";
  let engine: Engine | undefined;
  let dataset: Dataset | undefined;
  try {
    engine = await openEngine(name, { threads, precision: configuration.precision });
    const definition = await findModel(configuration.model.name);
    const opened = await openDataset(configuration.dataset, configuration.seed);
    dataset = opened;
    const build = (windowFrames: number) =>
      buildModel(configuration.model, opened, windowFrames, definition);
    const model = build(configuration.windowFrames);
    const parameters = parametersOf(checkpoint, model, path);
    const own = { engine, dataset };
    return {
      ...{ path, configuration, model, build, parameters, ...own },
      step: checkpoint.step,
      parametersSha256: checkpoint.parametersSha256,
      split: given.split as Split | undefined ?? "test",
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
  given: GivenFlags,
): Promise<{ path: string; checkpoint: SavedCheckpoint }> {
  const folder = (given.run as string | undefined ?? await newestRun()).replace(/\/+$/, "");
  if (await diskFileSystem.entry(`${folder}/manifest.json`) !== undefined) {
    return { path: folder, checkpoint: await readCheckpoint(diskFileSystem, folder) };
  }
  const checkpoints = `${folder}/checkpoints`;
  if (given.best === true) {
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

function parametersOf(checkpoint: SavedCheckpoint, model: Model, path: string): Tensor {
  const inWords = (specs: readonly { name: string; shape: readonly number[] }[]) =>
    specs.map(({ name, shape }) => `${name} [${shape}]`).join(", ");
  const [found, wanted] = [inWords(checkpoint.parameters), inWords(model.parameters)];
  if (found !== wanted) {
    throw new Error(
      `Cannot use ${path}: it holds ${found.slice(0, 300)}, but model "${model.name}" has ` +
        `${wanted.slice(0, 300)}; has its module or the data's shape changed?`,
    );
  }
  const flat = new Float32Array(parameterCount(model));
  let offset = 0;
  for (const { values } of checkpoint.parameters) {
    flat.set(values, offset);
    offset += values.length;
  }
  return tf.keep(tf.tensor(flat, [flat.length], "float32"));
}
