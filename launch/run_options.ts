/**
 * From the command line of `train` or `coordinator` to a resolved run: which folder, whether it
 * resumes, and under which configuration.
 */
import { locateTensorFlow } from "../engine/tensorflow/locate.ts";
import type { RunConfiguration } from "../net/run_configuration.ts";
import {
  flagsFromObject,
  type FlagTable,
  type GivenFlags,
  parseFlags,
  UsageError,
} from "./flags.ts";
import { configureRun, defaultRun, runFlags } from "./run_flags.ts";

export const commandFlags = {
  ...runFlags,
  out: {
    kind: "text",
    value: "DIR",
    help: "the run's folder",
    defaultText: "a new one in runs/",
  },
  resume: { kind: "switch", help: "go on from the newest checkpoint of --out, or of the last run" },
  config: { kind: "text", value: "FILE.json", help: "flags from a file; the command line wins" },
  json: { kind: "switch", help: "one JSON object on standard output at the end" },
  help: { kind: "switch", help: "show this" },
} as const satisfies FlagTable;

export interface RunOptions {
  readonly configuration: RunConfiguration;
  /** The run's folder. */
  readonly out: string;
  readonly resume: boolean;
  readonly json: boolean;
}

const runsFolder = "runs";

/** The flags given on the command line and in `--config`'s file. */
export async function readFlags(args: readonly string[], table: FlagTable): Promise<GivenFlags> {
  const given = parseFlags(args, table);
  if (typeof given.config !== "string") return given;
  let object: unknown;
  try {
    object = JSON.parse(await Deno.readTextFile(given.config));
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new UsageError(`Cannot read --config ${given.config}: ${why}`, { cause });
  }
  return { ...flagsFromObject(object, table, given.config), ...given };
}

/**
 * @throws {UsageError} where flags contradict each other or there is nothing to resume
 */
export async function resolveRun(given: GivenFlags): Promise<RunOptions> {
  const resume = given.resume === true;
  const out = given.out as string | undefined ?? (resume ? await newestRun() : undefined);
  const saved = resume ? await savedConfiguration(out!) : undefined;
  const flags: Record<string, GivenFlags[string]> = { ...given };
  if (flags.engine === "auto") delete flags.engine;
  if (flags.engine === undefined && !saved) {
    flags.engine = await locateTensorFlow() ? "tensorflow" : "wasm";
  }
  if (flags.workers === undefined && !saved) {
    // Each worker needs a shard, and how many there are follows from the other flags.
    const { shards } = configureRun({ ...flags, workers: 1 }, defaultRun);
    flags.workers = Math.min(defaultWorkers(), shards);
  }
  const configuration = configureRun(flags, saved ?? defaultRun);
  const name = `${configuration.dataset.name}-${configuration.model.name}`;
  return {
    configuration,
    out: out ?? await newRun(name),
    resume,
    json: given.json === true,
  };
}

/** One worker for each visible GPU, else one for each CPU core. */
function defaultWorkers(): number {
  return visibleGpus()?.length ?? navigator.hardwareConcurrency;
}

/** Indexes of the GPUs that workers may use, or undefined where there is none. */
export function visibleGpus(): string[] | undefined {
  const visible = Deno.env.get("CUDA_VISIBLE_DEVICES");
  if (visible !== undefined) {
    const gpus = visible.split(",").filter((index) => index !== "" && index !== "-1");
    return gpus.length > 0 ? gpus : undefined;
  }
  try {
    const gpus = [...Deno.readDirSync("/proc/driver/nvidia/gpus")].map((_, index) => `${index}`);
    return gpus.length > 0 ? gpus : undefined;
  } catch {
    return undefined;
  }
}

async function savedConfiguration(out: string): Promise<RunConfiguration> {
  try {
    const record = JSON.parse(await Deno.readTextFile(`${out}/run.json`));
    if (!record?.configuration) throw new Error("run.json holds no configuration");
    return record.configuration as RunConfiguration;
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new UsageError(`Cannot resume ${out}: ${why}; name a run's folder with --out`, { cause });
  }
}

async function newestRun(): Promise<string> {
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
  await Deno.mkdir(runsFolder, { recursive: true });
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
