/**
 * A run's folder, `runs/<run>`: `run.json` says what the run is, `checkpoints/` where it stands. A
 * run goes on only under the configuration it was started with, and never starts over its own
 * checkpoints; both mistakes would quietly cost days of computing.
 */
import { resolve } from "node:path";
import { parseJson } from "../net/strict_json.ts";
import type { SavedCheckpoint } from "./checkpoint.ts";
import { latestCheckpoint, listCheckpoints, recoverCheckpoints } from "./checkpoint_folder.ts";
import { assertJson, CheckpointError, type JsonValue } from "./checkpoint_manifest.ts";
import {
  type ConfigurationDifference,
  configurationDifferences,
} from "./configuration_difference.ts";
import { ensureDirectory, type FileSystem, replaceFile } from "./file_system.ts";

/** What `run.json` holds. */
export interface RunRecord {
  /** The resolved configuration: every option with its value. */
  readonly configuration: JsonValue;
  /** By program, e.g. {"lockstep": "0.1.0", "TensorFlow": "2.21.0"}. */
  readonly versions: { readonly [program: string]: string };
  /** In words, e.g. "CPU (2 threads)". */
  readonly device: string;
  /** SHA-256 of the source of a model that is not built in, once a worker has read it. */
  readonly modelSource?: string;
}

export interface RunFolder {
  readonly path: string;
  /** Where `saveCheckpoint` writes; exists. */
  readonly checkpointsPath: string;
  /** Where a resumed run goes on. */
  readonly resumed?: SavedCheckpoint;
  /** Of the source that a resumed run was trained with. */
  readonly modelSource?: string;
}

export interface OpenRunOptions {
  readonly resume: boolean;
  /** Paths into the configuration, such as "epochs", that a resume may change. */
  readonly mayChange: readonly string[];
  /** Those that say where the data lie. */
  readonly dataPaths?: readonly string[];
  /** Called with one sentence for each thing that is wrong but does not stop the run. */
  readonly warn: (sentence: string) => void;
}

/** A folder that cannot be started in or resumed from: says why and what to do. */
export class RunFolderError extends Error {
  override readonly name = "RunFolderError";
}

const DIFFERENCES_SHOWN_MAX = 5;

/**
 * Opens `path` for a new run, or for one that goes on from its newest intact checkpoint, and
 * writes `run.json`.
 * @throws {RunFolderError} if a new run would overwrite checkpoints, there is nothing to resume,
 * all checkpoints are damaged, the configuration differs, or the folder cannot be written
 */
export async function openRunFolder(
  fileSystem: FileSystem,
  path: string,
  record: RunRecord,
  { resume, mayChange, dataPaths = [], warn }: OpenRunOptions,
): Promise<RunFolder> {
  await explain(`Cannot record ${path}`, () => assertJson("configuration", record.configuration));
  const checkpointsPath = `${path}/checkpoints`;
  const resumed = resume
    ? await findResume(fileSystem, path, checkpointsPath, warn)
    : await refuseCheckpoints(fileSystem, path, checkpointsPath);
  if (resumed !== undefined) {
    const { configuration, data } = resumed;
    const isMoved = ({ field, saved, given }: ConfigurationDifference) =>
      dataPaths.includes(field) && isOtherPath(saved, given, data !== undefined);
    const differences = configurationDifferences(configuration, record.configuration, mayChange);
    refuseDifferences(path, differences.filter((each) => !isMoved(each)));
  }
  const modelSource = resumed &&
    await explain(`Cannot read run folder ${path}`, () => recordedSource(fileSystem, path));
  await explain(`Cannot write run folder ${path}`, async () => {
    await ensureDirectory(fileSystem, checkpointsPath);
    await recoverCheckpoints(fileSystem, checkpointsPath, { warn });
    await writeRunRecord(fileSystem, path, { ...record, modelSource });
  });
  return { path, checkpointsPath, resumed, ...(modelSource === undefined ? {} : { modelSource }) };
}

/**
 * Why a run may not go on with the source that its workers have read, in a sentence: another network
 * would take the old one's weights for its own.
 */
export function sourceRefusal(
  { path, modelSource }: Pick<RunFolder, "path" | "modelSource">,
  found: string | undefined,
): string | undefined {
  if (modelSource === undefined || modelSource === found) return undefined;
  return `Cannot resume ${path}: the source of its model has changed since, SHA-256 ` +
    `${modelSource.slice(0, 12)} then and ${found?.slice(0, 12) ?? "none"} now; restore it, or ` +
    "start a new run with --out";
}

/** Undefined where `run.json` holds none, or is not whole. */
async function recordedSource(fileSystem: FileSystem, path: string): Promise<string | undefined> {
  const file = `${path}/run.json`;
  if (await fileSystem.entry(file) === undefined) return undefined;
  const text = new TextDecoder().decode(await fileSystem.readFile(file));
  try {
    const source: unknown = (parseJson(text) as Partial<RunRecord> | null)?.modelSource;
    return typeof source === "string" ? source : undefined;
  } catch {
    return undefined;
  }
}

/** Replaces `run.json` atomically, for instance when the workers have said what they run on. */
export async function writeRunRecord(
  fileSystem: FileSystem,
  path: string,
  { configuration, versions, device, modelSource }: RunRecord,
): Promise<void> {
  const record = { configuration, versions, device, modelSource };
  const text = JSON.stringify(record, undefined, 2) + "\n";
  await replaceFile(fileSystem, `${path}/run.json`, new TextEncoder().encode(text));
}

async function findResume(
  fileSystem: FileSystem,
  path: string,
  checkpointsPath: string,
  warn: (sentence: string) => void,
): Promise<SavedCheckpoint> {
  const found = await explain(
    `Cannot resume ${path}`,
    () => latestCheckpoint(fileSystem, checkpointsPath, { warn }),
  );
  if (found !== undefined) return found.checkpoint;
  throw new RunFolderError(
    `Cannot resume ${path}: ${checkpointsPath} has no checkpoint; start without --resume, or ` +
      "name the right folder with --out",
  );
}

async function refuseCheckpoints(
  fileSystem: FileSystem,
  path: string,
  checkpointsPath: string,
): Promise<undefined> {
  const [newest] = await explain(
    `Cannot read run folder ${path}`,
    () => listCheckpoints(fileSystem, checkpointsPath),
  );
  if (newest === undefined) return;
  throw new RunFolderError(
    `Cannot start a new run in ${path}: it holds checkpoints up to step ${newest.step}; ` +
      "add --resume to go on from there, or choose another folder with --out",
  );
}

/**
 * Whether the data may be where they are said to be now. Where it is known what they hold, they may lie
 * anywhere; else in the same place, which a run from before paths were made absolute wrote as it was typed.
 */
function isOtherPath(
  saved: JsonValue | undefined,
  given: JsonValue | undefined,
  isKnown: boolean,
): boolean {
  // Without a path, data come from where they are kept once they are fetched.
  const isPlace = (each: JsonValue | undefined) =>
    each === null || typeof each === "string" && each !== "";
  if (isKnown) return isPlace(saved) && isPlace(given);
  if (typeof saved !== "string" || typeof given !== "string") return false;
  return saved !== "" && resolve(saved) === resolve(given);
}

function refuseDifferences(path: string, differences: readonly ConfigurationDifference[]): void {
  if (differences.length === 0) return;
  const shown = differences.slice(0, DIFFERENCES_SHOWN_MAX).map(({ field, saved, given }) =>
    `${field} was ${show(saved)} and is now ${show(given)}`
  );
  const hidden = differences.length - shown.length;
  if (hidden > 0) shown.push(`${hidden} more`);
  throw new RunFolderError(
    `Cannot resume ${path} under another configuration: ${shown.join(", ")}; give the saved ` +
      `values, or start a new run from its weights with --init ${path} and another --out`,
  );
}

function show(value: JsonValue | undefined): string {
  return value === undefined ? "not set" : JSON.stringify(value);
}

async function explain<T>(what: string, action: () => T | Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (cause) {
    if (cause instanceof CheckpointError) throw new RunFolderError(cause.message, { cause });
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new RunFolderError(`${what}: ${why}`, { cause });
  }
}
