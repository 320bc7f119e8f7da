/**
 * A whole cluster on this machine: one coordinator and N workers, each a process of its own in its
 * own session, so that Ctrl-C in the terminal reaches this process alone. Standard input of each is
 * a pipe from here, so that none outlives this process.
 */
import { type Clock, delay } from "../net/clock.ts";
import type { Connection } from "./connection_file.ts";
import { exitCodes } from "./exit_codes.ts";
import { onInterrupt } from "./interrupts.ts";
import { resumeHint } from "./resume_hint.ts";

export interface LocalClusterOptions {
  readonly connection: Connection;
  /** The run's folder. */
  readonly out: string;
  readonly workers: number;
  /** Arguments for the coordinator: the run's flags. */
  readonly coordinatorArgs: readonly string[];
  /** Library that every worker loads, where it is known. */
  readonly libraryPath?: string;
  /** One for each worker in turn; undefined where there are none. */
  readonly gpus?: readonly string[];
  readonly clock: Clock;
}

/** After the coordinator has ended, workers get this long to end by themselves. */
const workerEndTimeoutMs = 1_000;
/** What is kept of a worker's standard error, for the message about its end. */
const tailCharactersMax = 8192;
const tailLinesMax = 3;

/**
 * Runs the cluster to its end; no process of it is left then.
 * @returns the coordinator's exit code
 * @throws {Error} if something has killed the coordinator
 */
export async function runLocalCluster(options: LocalClusterOptions): Promise<number> {
  const { connection: { url, run, credentials }, libraryPath, gpus, clock } = options;
  const env: Record<string, string> = credentials
    ? { LOCKSTEP_NATS_USER: credentials.user, LOCKSTEP_NATS_PASSWORD: credentials.password }
    : {};
  if (libraryPath !== undefined) env.TF_LIBRARY = libraryPath;
  const common = ["--nats", url, "--run", run, "--with-parent"];
  const coordinator = spawn("coordinator.ts", [...options.coordinatorArgs, ...common], env, {
    stdout: "inherit",
    stderr: "inherit",
  });
  const orders = coordinator.stdin.getWriter();
  let isOver = false;
  const workers = Array.from({ length: options.workers }, (_, index) => {
    const name = `w${index}`;
    const gpu = gpus ? { CUDA_VISIBLE_DEVICES: gpus[index % gpus.length] } : undefined;
    const args = [...common, "--name", name, "--join-timeout", "300"];
    const worker = spawn("worker.ts", args, { ...env, ...gpu, NO_COLOR: "1" }, {
      stdout: "null",
      stderr: "piped",
    });
    const ended = watchWorker(name, worker, (sentence) => {
      if (isOver) return;
      // The coordinator decides what it means; it may have heard a better reason already. It may
      // also be gone, so nothing waits for this.
      orders.write(new TextEncoder().encode(`${sentence}\n`)).catch(() => {});
    });
    return { process: worker, ended };
  });
  let isInterrupted = false;
  const stopListening = onInterrupt({
    onFirst() {
      isInterrupted = true;
      kill(coordinator, "SIGINT");
    },
    onSecond() {
      for (const each of [coordinator, ...workers.map(({ process }) => process)]) {
        kill(each, "SIGKILL");
      }
    },
  }, clock);
  try {
    const { code, signal } = await coordinator.status;
    isOver = true;
    // Where all went well the workers have been told so, and end by themselves.
    if (code === exitCodes.done || code === exitCodes.interrupted) {
      await Promise.race([
        Promise.all(workers.map(({ ended }) => ended)),
        delay(clock, workerEndTimeoutMs),
      ]);
    }
    if (signal === null) return code;
    const hint = await resumeHint(options.out);
    if (!isInterrupted) {
      throw new Error(`The coordinator (process ${coordinator.pid}) was ended by ${signal}${hint}`);
    }
    console.error(`Interrupted${hint}`);
    return exitCodes.interrupted;
  } finally {
    isOver = true;
    stopListening();
    for (const { process } of workers) kill(process, "SIGKILL");
    await Promise.all(workers.map(({ ended }) => ended));
    // Not awaited: nobody reads any more, and what is unread may stay so.
    orders.close().catch(() => {});
  }
}

function kill(process: Deno.ChildProcess, signal: Deno.Signal): void {
  try {
    process.kill(signal);
  } catch {
    // It has ended already.
  }
}

/** Resolves at a worker's end; tells it in one sentence if it was not a good one. */
async function watchWorker(
  name: string,
  worker: Deno.ChildProcess,
  onFailure: (sentence: string) => void,
): Promise<void> {
  const [tail, { success, code, signal }] = await Promise.all([
    readTail(worker.stderr),
    worker.status,
  ]);
  if (success) return;
  const how = signal ? `was ended by ${signal}` : `ended with exit code ${code}`;
  const said = tail === "" ? "" : `: ${tail}`;
  onFailure(`Worker "${name}" (process ${worker.pid}) ${how}${said}`);
}

function spawn(
  script: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  output: { stdout: "inherit" | "null"; stderr: "inherit" | "piped" },
): Deno.ChildProcess {
  const folder = import.meta.dirname!;
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "--config", `${folder}/../deno.json`, "-A", `${folder}/${script}`, ...args],
    env,
    stdin: "piped",
    detached: true,
    ...output,
  }).spawn();
}

/** The last lines of a stream that say something, without the places in a stack trace. */
async function readTail(stream: ReadableStream<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const part of stream) {
    text = (text + decoder.decode(part, { stream: true })).slice(-tailCharactersMax);
  }
  return text.split("\n").map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("at "))
    .slice(-tailLinesMax).join(" | ");
}
