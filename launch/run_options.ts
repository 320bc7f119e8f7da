/**
 * From the command line of `train` or `coordinator` to a resolved run: which folder, whether it
 * resumes, and under which configuration.
 */
import { resolve } from "node:path";
import type { RunRecord } from "../coordinator/run_folder.ts";
import { listCheckpoints } from "../coordinator/checkpoint_folder.ts";
import { diskFileSystem } from "../coordinator/file_system.ts";
import { digitSize } from "../datasets/mnist_digits.ts";
import { datasetOptions } from "../datasets/open_dataset.ts";
import { hidesAllGpus, showsAllGpus } from "../engine/tensorflow/visible_devices.ts";
import { ConfigurationError, readRunConfiguration } from "../net/configuration_schema.ts";
import { OptionError } from "../net/options.ts";
import {
  type InitialWeightsConfiguration,
  isModelModule,
  modelTitle,
  type RunConfiguration,
} from "../net/run_configuration.ts";
import { parseJson } from "../net/strict_json.ts";
import { shardsWarning } from "./default_shards.ts";
import {
  flagsFromObject,
  type FlagTable,
  type GivenFlags,
  parseFlags,
  UsageError,
} from "./flags.ts";
import { checkIdleFlags } from "./idle_flags.ts";
import { findInitialWeights, initFlag } from "./initial_weights.ts";
import { refuseLinksOut } from "./links_out.ts";
import { namedModel } from "./named_model.ts";
import { configureRun, defaultRun, runFlags } from "./run_flags.ts";
import { shellWord } from "./shell_word.ts";

export const commandFlags = {
  ...runFlags,
  out: {
    kind: "text",
    value: "DIR",
    help: "the run's folder",
    defaultText: "a new one in runs/",
  },
  resume: {
    kind: "switch",
    choices: ["auto"],
    help:
      "go on from --out's newest checkpoint, or the last run's; =auto: begin where there is none",
  },
  init: initFlag,
  config: { kind: "text", value: "FILE.json", help: "flags from a file; the command line wins" },
  json: { kind: "switch", help: "one JSON object on standard output at the end" },
  help: { kind: "switch", help: "show this" },
} as const satisfies FlagTable;

export interface RunOptions {
  readonly configuration: RunConfiguration;
  /** The run's folder. */
  readonly out: string;
  /** It did not exist before. */
  readonly isNew: boolean;
  readonly resume: boolean;
  readonly json: boolean;
  /** Nobody has said what computes: the first worker to join does. */
  readonly isEngineOpen: boolean;
  /** What was given and cannot do as one would expect, a sentence each. */
  readonly warnings: readonly string[];
}

const runsFolder = "runs";

/** The flags given on the command line and in `--config`'s file. */
export async function readFlags(args: readonly string[], table: FlagTable): Promise<GivenFlags> {
  const given = parseFlags(args, table);
  if (typeof given.config !== "string") return given;
  let object: unknown;
  try {
    object = parseJson(await Deno.readTextFile(given.config));
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new UsageError(`Cannot read --config ${given.config}: ${why}`, { cause });
  }
  const fromFile = flagsFromObject(object, table, given.config);
  if (given.model === undefined && typeof fromFile.model === "string") {
    checkModelOfFile(fromFile.model, given.config);
  }
  return { ...fromFile, ...given };
}

/** @throws {UsageError} where a file that others may have written would have code run */
function checkModelOfFile(model: string, config: string): void {
  if (!isModelModule(model)) return;
  throw new UsageError(
    `Cannot take the model of --config ${config}: ${model} is a module, and a file of flags has no ` +
      `code run; if you trust that module, add --model ${shellWord(model)}`,
  );
}

/** What the flags ask for, before anything is looked for, fetched or created. */
export interface RunRequest {
  readonly flags: GivenFlags;
  readonly resume: boolean;
  /** Named or found; undefined for a new run in `runs/`. */
  readonly out: string | undefined;
  /** What the run to go on with was made with. */
  readonly saved: RunConfiguration | undefined;
  /** SHA-256 of the source of its model, where that is a file and `run.json` tells it. */
  readonly savedSource: string | undefined;
  /** What the run begins with, where it is named. */
  readonly initialWeights: InitialWeightsConfiguration | null;
  /** "auto" where it depends on what is found on this machine. */
  readonly engine: "auto" | RunConfiguration["engine"];
  /** As far as it is decided. */
  readonly configuration: RunConfiguration;
}

/**
 * Reads and checks everything that can be checked before anything is set up.
 * @throws {UsageError} where flags contradict each other or there is nothing to resume
 */
export async function requestRun(given: GivenFlags): Promise<RunRequest> {
  const { engine: wanted, ...flags } = given;
  const resume = given.resume === "auto"
    ? await hasCheckpoint(given.out as string | undefined)
    : given.resume === true;
  const out = given.out as string | undefined ?? (resume ? await newestRun() : undefined);
  if (out !== undefined) refuseLinksOut(out);
  const { configuration: saved, modelSource: savedSource } = resume
    ? await savedRun(out!)
    : { configuration: undefined, modelSource: undefined };
  if (saved && flags.model === undefined) namedModel(saved.model, undefined, `resume ${out}`);
  const engine = wanted === undefined || wanted === "auto"
    ? saved?.engine ?? ("auto" as const)
    : wanted as RunConfiguration["engine"];
  const initialWeights = await namedWeights(given, out, saved);
  const request = { flags, resume, out, saved, savedSource, engine, initialWeights };
  const configuration = configure(request, engine === "auto" ? "tensorflow" : engine);
  return { ...request, configuration };
}

/** @throws {UsageError} where there are none, or a run that goes on has begun with others */
async function namedWeights(
  { init }: GivenFlags,
  out: string | undefined,
  saved: RunConfiguration | undefined,
): Promise<InitialWeightsConfiguration | null> {
  if (init === undefined) return saved?.initialWeights ?? null;
  if (saved === undefined) return await findInitialWeights(init as string);
  // Whoever starts a run or its coordinator again gives it the same flags: the file, or the folder that
  // it is in.
  const named = resolve(init as string);
  const path = saved.initialWeights?.path;
  if (path === named || path?.startsWith(`${named.replace(/\/$/, "")}/`)) {
    return saved.initialWeights;
  }
  throw new UsageError(
    `Cannot use --init ${init} with --resume: ${out} has begun, and goes on from its own weights; ` +
      "leave one of them out",
  );
}

/**
 * Decides what the request left open, and takes a folder for a new run.
 * @param hasTensorFlow whether workers of this machine find it; undefined where workers of other
 * machines tell
 * @throws {UsageError} where flags contradict each other or there is nothing to resume
 */
export async function resolveRun(
  given: GivenFlags,
  hasTensorFlow?: () => Promise<boolean>,
): Promise<RunOptions> {
  const request = await requestRun(given);
  const { engine: wanted, resume, out } = request;
  const isEngineOpen = wanted === "auto" && hasTensorFlow === undefined;
  const isFound = isEngineOpen || await hasTensorFlow?.();
  const engine = wanted !== "auto" ? wanted : isFound ? "tensorflow" : "wasm";
  const configuration = configure(request, engine);
  const warning = resume ? undefined : shardsWarning(given, configuration);
  const name = `${configuration.dataset.name}-${modelTitle(configuration.model.name)}`;
  return {
    configuration,
    isNew: out === undefined || await isMissing(out),
    out: out ?? await newRun(name),
    resume,
    json: given.json === true,
    isEngineOpen,
    warnings: warning === undefined ? [] : [warning],
  };
}

function configure(
  { flags, saved, initialWeights }: Pick<RunRequest, "flags" | "saved" | "initialWeights">,
  engine: RunConfiguration["engine"],
): RunConfiguration {
  const configuration = configureRun(
    // Each worker needs a shard, and how many there are follows from the other flags.
    { ...flags, engine, workers: flags.workers ?? saved?.workers ?? 1 },
    { ...(saved ?? defaultRun), initialWeights },
  );
  checkIdleFlags(flags, configuration);
  checkSize(configuration);
  checkDatasetOptions(configuration);
  if (flags.workers !== undefined || saved) return configuration;
  return { ...configuration, workers: Math.min(defaultWorkers(), configuration.shards) };
}

/** @throws {UsageError} for options that the dataset does not have */
function checkDatasetOptions({ dataset }: RunConfiguration): void {
  try {
    datasetOptions(dataset);
  } catch (cause) {
    if (!(cause instanceof OptionError)) throw cause;
    throw new UsageError(cause.message, { cause });
  }
}

/** @throws {UsageError} for a canvas that no digit fits on */
function checkSize({ dataset: { name, path, frameSize } }: RunConfiguration): void {
  const drawsDigits = name === "moving-mnist" && !path?.endsWith(".npy");
  if (!drawsDigits || frameSize >= digitSize) return;
  throw new UsageError(
    `Cannot draw digits with --size ${frameSize}: a digit is ${digitSize} pixels high and wide; ` +
      `give at least ${digitSize}`,
  );
}

/**
 * Whether a start that may be the first one or a later one finds something to go on from.
 * @throws {UsageError} without a folder, which the next start would have to guess
 */
async function hasCheckpoint(out: string | undefined): Promise<boolean> {
  if (out === undefined) {
    throw new UsageError(
      "Give --out DIR with --resume=auto, so that every start finds the same run",
    );
  }
  return (await listCheckpoints(diskFileSystem, `${out}/checkpoints`)).length > 0;
}

async function isMissing(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => false, () => true);
}

/** One worker for each visible GPU, else one for each CPU core. */
function defaultWorkers(): number {
  return visibleGpus()?.length ?? navigator.hardwareConcurrency;
}

/**
 * The GPUs that workers may use, as CUDA names them, or undefined where there is none.
 * @throws {UsageError} where CUDA_VISIBLE_DEVICES holds what CUDA would take for no GPU at all
 */
export function visibleGpus(): string[] | undefined {
  const visible = Deno.env.get("CUDA_VISIBLE_DEVICES");
  const count = countGpus();
  if (visible !== undefined && !showsAllGpus(visible)) {
    if (hidesAllGpus(visible)) return undefined;
    const gpus = visible.split(",").map((gpu) => gpu.trim()).filter((gpu) => gpu !== "");
    const broken = gpus.find((gpu) => !/^(-1|\d+|(GPU|MIG)-[0-9A-Za-z/-]+)$/.test(gpu));
    if (broken !== undefined) {
      throw new UsageError(
        `Cannot read CUDA_VISIBLE_DEVICES="${visible}": "${broken}" is neither a GPU's number nor ` +
          "its GPU-... name; correct or unset it, or hide all GPUs with -1",
      );
    }
    const missing = count === 0 ? undefined : gpus.find((gpu) => Number(gpu) >= count);
    if (missing !== undefined) {
      throw new UsageError(
        `Cannot use CUDA_VISIBLE_DEVICES="${visible}": there is no GPU ${missing}, the last one is ` +
          `${count - 1}; correct or unset it`,
      );
    }
    const hidden = gpus.indexOf("-1");
    const shown = hidden < 0 ? gpus : gpus.slice(0, hidden);
    return shown.length > 0 ? shown : undefined;
  }
  return count > 0 ? Array.from({ length: count }, (_, index) => `${index}`) : undefined;
}

/** Number of NVIDIA's GPUs: 0 where there is none, or no way to tell. */
function countGpus(): number {
  const count = (folder: string, pattern: RegExp) => {
    try {
      return [...Deno.readDirSync(folder)].filter(({ name }) => pattern.test(name)).length;
    } catch {
      return 0;
    }
  };
  // Containers may hide the first, and show in the second what they were given.
  return count("/proc/driver/nvidia/gpus", /./) || count("/dev", /^nvidia\d+$/);
}

async function savedRun(
  out: string,
): Promise<{ configuration: RunConfiguration; modelSource: string | undefined }> {
  try {
    const record = parseJson(await Deno.readTextFile(`${out}/run.json`)) as
      | Partial<RunRecord>
      | null;
    if (!record?.configuration) throw new Error("run.json holds no configuration");
    const configuration = readRunConfiguration(record.configuration, "run.json");
    const found: unknown = configuration.model.source ?? record.modelSource;
    return { configuration, modelSource: typeof found === "string" ? found : undefined };
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    const next = cause instanceof ConfigurationError ? "" : "; name a run's folder with --out";
    throw new UsageError(`Cannot resume ${out}: ${why}${next}`, { cause });
  }
}

export async function newestRun(): Promise<string> {
  const runs: { path: string; time: number }[] = [];
  for (const name of await runNames()) {
    const path = `${runsFolder}/${name}`;
    const record = await Deno.stat(`${path}/run.json`).catch(() => undefined);
    if (record) runs.push({ path, time: record.mtime?.getTime() ?? 0 });
  }
  runs.sort((a, b) => b.time - a.time);
  if (runs.length === 0) {
    throw new UsageError(
      `Cannot resume: there is no run in ${runsFolder}/; name its folder with --out`,
    );
  }
  return runs[0].path;
}

/** The first free number, taken at once so that two runs never share a folder. */
async function newRun(name: string): Promise<string> {
  try {
    await Deno.mkdir(runsFolder, { recursive: true });
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`Cannot create the folder ${runsFolder}: ${why}; choose one with --out`, {
      cause,
    });
  }
  const taken = (await runNames()).flatMap((run) => {
    const number = run.startsWith(`${name}-`) ? Number(run.slice(name.length + 1)) : NaN;
    return Number.isInteger(number) ? [number] : [];
  });
  for (let number = Math.max(0, ...taken) + 1;; number++) {
    const path = `${runsFolder}/${name}-${String(number).padStart(3, "0")}`;
    try {
      await Deno.mkdir(path);
      return path;
    } catch (error) {
      if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    }
  }
}

async function runNames(): Promise<string[]> {
  const names: string[] = [];
  try {
    for await (const entry of Deno.readDir(runsFolder)) names.push(entry.name);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return names;
}
