/**
 * The commands as a user runs them: real processes, a real nats-server, a folder of their own. Every
 * process below a command inherits a mark in its environment, so that a test can find it, and can
 * prove that none is left.
 */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import project from "../../deno.json" with { type: "json" };
import { findTensorFlow } from "../../launch/find_tensorflow.ts";
import { delay, systemClock } from "../../net/clock.ts";
import { secretToken } from "../../net/random.ts";
import { findNatsServer } from "../support/nats_server.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const { tasks } = project;
const markName = "LOCKSTEP_TEST_MARK";
const waitMsMax = 120_000;

/** The libtensorflow that runs use, where there is one. */
export const library = await findTensorFlow((name) => Deno.env.get(name)).catch(() => undefined);

/** The engine that tests run on: tensorflow where its library is found. */
export const engine = library === undefined ? "wasm" : "tensorflow";

/** A run of a few hundred milliseconds, to which a test adds --steps or --epochs. */
export const smallRun = [
  ...["--engine", engine, "--size", "32", "--filters", "2", "--lanes", "4", "--window", "5"],
  ...["--sequence-frames", "11", "--sequences", "8"],
  ...["--validation-sequences", "4", "--test-sequences", "4"],
];

/** One that goes on for as long as a test needs. */
export const longRun = [...smallRun, "--sequences", "100000", "--steps", "50000"];

export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Command {
  readonly pid: number;
  /** The match, as soon as standard error has one. */
  until(pattern: RegExp): Promise<RegExpMatchArray>;
  kill(signal: Deno.Signal): void;
  readonly ended: Promise<Ended>;
  /** Processes that it started and that run, without itself, by their command lines. */
  descendants(): Map<number, string>;
}

export interface CommandOptions {
  readonly cwd: string;
  /** Set to "" what is to be missing. */
  readonly env?: Readonly<Record<string, string>>;
}

/** As `deno task` runs it, from any folder and with the permissions that it gives. */
function taskArgs(name: keyof typeof tasks): string[] {
  const [deno, run, ...rest] = tasks[name].split(" ");
  assert.deepEqual([deno, run], ["deno", "run"]);
  const script = rest.pop()!;
  return ["run", "--config", `${root}deno.json`, ...rest, `${root}${script}`];
}

export function start(
  name: "train" | "coordinator" | "worker" | "evaluate" | "predict",
  args: readonly string[],
  { cwd, env = {} }: CommandOptions,
): Command {
  const mark = secretToken(8);
  const found: Record<string, string> = {};
  const natsServer = findNatsServer();
  if (natsServer !== undefined) found.NATS_SERVER = natsServer;
  if (library !== undefined) found.TF_LIBRARY = library.path;
  const child = new Deno.Command(Deno.execPath(), {
    args: [...taskArgs(name), ...args],
    cwd,
    env: { ...found, NO_COLOR: "1", ...env, [markName]: mark },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    // Its own process group, as a shell gives to each command on a terminal.
    detached: true,
  }).spawn();
  let stderr = "";
  let stdout = "";
  let changed = Promise.withResolvers<void>();
  const read = async (stream: ReadableStream<Uint8Array>, add: (text: string) => void) => {
    const decoder = new TextDecoder();
    for await (const part of stream) {
      add(decoder.decode(part, { stream: true }));
      changed.resolve();
      changed = Promise.withResolvers();
    }
  };
  let isOver = false;
  const ended = Promise.all([
    child.status,
    read(child.stdout, (text) => stdout += text),
    read(child.stderr, (text) => stderr += text),
  ]).then(([{ code }]) => {
    isOver = true;
    changed.resolve();
    return { code, stdout, stderr };
  });
  return {
    pid: child.pid,
    ended,
    async until(pattern) {
      let isLate = false;
      const cancel = systemClock.after(waitMsMax, () => {
        isLate = true;
        changed.resolve();
      });
      try {
        for (;;) {
          const match = stderr.match(pattern);
          if (match) return match;
          if (isOver || isLate) throw new Error(`No ${pattern} in what it said:\n${stderr}`);
          await changed.promise;
        }
      } finally {
        cancel();
      }
    },
    kill: (signal) => Deno.kill(child.pid, signal),
    descendants: () => {
      const all = marked(mark);
      all.delete(child.pid);
      return all;
    },
  };
}

/** Runs to the end. */
export function run(
  name: "train" | "coordinator" | "worker" | "evaluate" | "predict",
  args: readonly string[],
  options: CommandOptions,
): Promise<Ended> {
  return start(name, args, options).ended;
}

/** Runs `train` to a good end. @returns its JSON object */
export async function trained(
  args: readonly string[],
  options: CommandOptions,
): Promise<Record<string, unknown>> {
  const { code, stdout, stderr } = await run("train", [...args, "--json"], options);
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout);
}

/** The process id of a descendant whose command line has `text`. */
export function descendant(command: Command, text: string): number {
  for (const [pid, line] of command.descendants()) if (line.includes(text)) return pid;
  throw new Error(`No process "${text}" below ${command.pid}`);
}

/** Waits until a command and all below it are gone. @throws {AssertionError} if any stays */
export async function assertNothingLeft(command: Command): Promise<void> {
  const deadline = systemClock.nowMs() + 5_000;
  while (command.descendants().size > 0 && systemClock.nowMs() < deadline) {
    await delay(systemClock, 50);
  }
  assert.deepEqual([...command.descendants().values()], []);
}

/** Asserts that a command ended with `code`, one sentence, and no stack trace. */
export function assertSentence({ code, stderr }: Ended, expected: number, pattern: RegExp): void {
  const told = stderr.split("\n").filter((line) => /^(Failed|Wrong usage): /.test(line));
  assert.equal(told.length, 1, stderr);
  assert.match(told[0], pattern);
  assert.equal(code, expected, stderr);
  assert.doesNotMatch(stderr, /^\s+at /m);
  assert.doesNotMatch(stderr, /Uncaught/);
}

/** A test with a folder of its own. */
export function inFolder(body: (folder: string) => Promise<void>): () => Promise<void> {
  return async () => {
    const folder = await Deno.makeTempDir({ prefix: "lockstep-integration-" });
    try {
      await body(folder);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  };
}

function marked(mark: string): Map<number, string> {
  const found = new Map<number, string>();
  for (const { name } of Deno.readDirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      if (!Deno.readTextFileSync(`/proc/${name}/environ`).includes(`${markName}=${mark}`)) continue;
      // A zombie has no command line and runs nothing.
      const line = Deno.readTextFileSync(`/proc/${name}/cmdline`).replaceAll("\0", " ").trim();
      if (line !== "") found.set(Number(name), line);
    } catch {
      // It has ended meanwhile, or is another user's.
    }
  }
  return found;
}
