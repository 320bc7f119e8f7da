/**
 * Where libtensorflow is. In this order: the file that `TF_LIBRARY` names, the per-user cache that
 * `deno task setup` fills, and a TensorFlow that Python has installed. Python runs only where the
 * others name none, and not later on.
 */
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { resolve } from "node:path";
import { EngineError } from "../engine_error.ts";
import { type NativeLibrary, openLibrary, readCString } from "./ffi.ts";
import { mayHaveGpu, preloadCudaLibraries } from "./cuda_libraries.ts";
import { loadQuietly } from "./quiet_load.ts";
import { applyEnvironment } from "./session_config.ts";

/** The oldest TensorFlow that has every function and op that the engine uses. */
const VERSION_MIN = [2, 9] as const;
const FILE_NAMES = Deno.build.os === "darwin"
  ? ["libtensorflow_cc.2.dylib", "libtensorflow.2.dylib"]
  : ["libtensorflow_cc.so.2", "libtensorflow.so.2"];
/** Asking Python for a folder takes well under a second; a broken one may hang. */
const PYTHON_TIMEOUT_MS = 20_000;

export interface TensorFlowLocation {
  readonly path: string;
  /** E.g. "2.21.0". */
  readonly version: string;
}

/** Reads one environment variable. */
export type Environment = (name: string) => string | undefined;

/**
 * The first usable library, or undefined where there is none.
 * @throws {EngineError} if `TF_LIBRARY` names a file that cannot be used: no other is taken instead
 */
export async function locateTensorFlow(
  env: Environment = (name) => Deno.env.get(name),
): Promise<TensorFlowLocation | undefined> {
  const explicit = env("TF_LIBRARY");
  if (explicit) return { path: explicit, version: openTensorFlow(explicit).version };
  return firstUsable(await cachedLibraries(env)) ?? firstUsable(await pythonLibraries());
}

function firstUsable(paths: readonly string[]): TensorFlowLocation | undefined {
  for (const path of paths) {
    try {
      return { path, version: openTensorFlow(path).version };
    } catch (error) {
      if (!(error instanceof EngineError)) throw error;
    }
  }
  return undefined;
}

/**
 * Loads a libtensorflow and checks its version.
 * @throws {EngineError} naming the file, if it is missing, cannot be loaded or is too old
 */
export function openTensorFlow(path: string): { library: NativeLibrary; version: string } {
  const hasGpu = mayHaveGpu();
  applyEnvironment(hasGpu);
  if (hasGpu) preloadCudaLibraries(path);
  const library = loadQuietly(() => openLibrary(path));
  const version = readCString(library.TF_Version());
  if (!isRecent(version)) {
    throw new EngineError(
      `Cannot use the TensorFlow library "${path}": its version is ${version}, but ` +
        `${VERSION_MIN.join(".")} or later is needed`,
    );
  }
  return { library, version };
}

/**
 * Folder of everything that `deno task setup` fetches. Where no variable names a home (cron,
 * systemd, containers with an unknown uid), it is `.lockstep-cache` of the current folder, or the
 * cache in the home that the system knows if that one is there and the other is not.
 */
export function cacheFolder(env: Environment): string {
  const home = env("HOME") || env("USERPROFILE");
  return env("LOCKSTEP_CACHE") ||
    (env("XDG_CACHE_HOME") ? `${env("XDG_CACHE_HOME")}/lockstep` : undefined) ||
    (home ? `${home}/.cache/lockstep` : cacheWithoutHome());
}

function cacheWithoutHome(): string {
  const here = resolve(".lockstep-cache");
  if (existsSync(here)) return here;
  try {
    const known = `${homedir()}/.cache/lockstep`;
    return existsSync(known) ? known : here;
  } catch {
    return here; // The system knows none either, or the process may not ask.
  }
}

/** `<cache>/tensorflow/<version>/tensorflow/libtensorflow_cc.so.2`, newest version first. */
async function cachedLibraries(env: Environment): Promise<string[]> {
  const cache = cacheFolder(env);
  const versions: string[] = [];
  try {
    for await (const entry of Deno.readDir(`${cache}/tensorflow`)) versions.push(entry.name);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  versions.sort((a, b) => compareVersions(b, a));
  return await existing(versions.map((version) => `${cache}/tensorflow/${version}/tensorflow`));
}

async function pythonLibraries(): Promise<string[]> {
  // find_spec finds the package without importing it, which would take seconds.
  const program = "import importlib.util as u; s = u.find_spec('tensorflow'); " +
    "print('\\n'.join(s.submodule_search_locations or []) if s else '')";
  try {
    const { success, stdout } = await new Deno.Command("python3", {
      args: ["-c", program],
      stderr: "null",
      signal: AbortSignal.timeout(PYTHON_TIMEOUT_MS),
    }).output();
    if (!success) return [];
    return await existing(new TextDecoder().decode(stdout).split("\n").filter(Boolean));
  } catch {
    return []; // no python3 here
  }
}

async function existing(folders: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for (const path of folders.flatMap((folder) => FILE_NAMES.map((name) => `${folder}/${name}`))) {
    const stat = await Deno.stat(path).catch(() => undefined);
    if (stat?.isFile) found.push(path);
  }
  return found;
}

function isRecent(version: string): boolean {
  return compareVersions(version, VERSION_MIN.join(".")) >= 0;
}

/** Below zero if `a` is older; a suffix such as "-rc1" does not count. */
function compareVersions(a: string, b: string): number {
  const [left, right] = [a, b].map((version) =>
    version.split(/[.-]/).map((part) => parseInt(part))
  );
  for (let i = 0; i < 3; i++) {
    const difference = (left[i] || 0) - (right[i] || 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
