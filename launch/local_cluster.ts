/**
 * A whole cluster on this machine: one coordinator and N workers, none where they are started by hand,
 * each a process of its own in its own session, so that Ctrl-C in the terminal reaches this process alone. Standard input of each is
 * a pipe from here, so that none outlives this process.
 */
import { listCheckpoints } from "../coordinator/checkpoint_folder.ts";
import { diskFileSystem } from "../coordinator/file_system.ts";
import { type Clock, delay } from "../net/clock.ts";
import { type Login, workerNameOf } from "./broker_permissions.ts";
import { type Connection, environmentOf } from "./connection_file.ts";
import { exitCodes } from "./exit_codes.ts";
import { onInterrupt } from "./interrupts.ts";
import { watchNpx } from "./npx_watch.ts";
import { memoryHint, memoryKills } from "./memory_kills.ts";
import {
  countFruitless,
  type FruitlessRestarts,
  fruitlessRestartsMax,
  planRestart,
  type RestartLimits,
} from "./restart_budget.ts";
import { resumeHint, tellLostSteps } from "./resume_hint.ts";
import { newestStep } from "./run_progress.ts";
import { coordinatorPermissions, roleEnvironment, workerPermissions } from "./role_permissions.ts";
import { panicReason } from "./runtime_panic.ts";

/** What a process runs in place of `coordinator.ts` or `worker.ts`. */
export interface Program {
  readonly path: string;
  /** For `deno run`, beside the role's. */
  readonly permissions: readonly string[];
  /** Before the role's. */
  readonly args: readonly string[];
}

/**
 * What the launcher writes to the coordinator's standard input, a line of JSON each: a worker's process
 * is lost, or for a reason the run cannot go on; without a reason, no process of a worker is left.
 */
export interface Order {
  readonly lost?: string;
  readonly reason?: string;
}

export interface LocalClusterOptions {
  readonly connection: Connection;
  /** Whether it is one that somebody has named, whose cluster may tell of servers anywhere. */
  readonly isNamedBroker?: boolean;
  /** One for each worker; that of `connection` where there are none. */
  readonly workerLogins?: readonly Login[];
  /** The run's folder. */
  readonly out: string;
  /** 0 where they are started by hand. */
  readonly workers: number;
  /** What workers that are started by hand log in with, for the coordinator to announce. */
  readonly announcedLogin?: Login;
  readonly resume: boolean;
  /** Arguments for the coordinator: the run's flags. */
  readonly coordinatorArgs: readonly string[];
  /** Library that every worker loads, where it is known. */
  readonly libraryPath?: string;
  /** What each role reads beside the run's folder. */
  readonly reads?: { readonly coordinator: readonly string[]; readonly worker: readonly string[] };
  /** One for each worker in turn; undefined where there are none. */
  readonly gpus?: readonly string[];
  readonly clock: Clock;
  /** Who watches the processes, and may give each a way of its own to the broker. */
  readonly observer?: {
    urlOf(name: string): string;
    /** Asked for each process before it starts; undefined for the role's own. */
    programOf?(name: string): Program | undefined;
    /** Called for each process that starts: "coordinator", "w0", or "w0-1" for its second life. */
    started(name: string, process: Deno.ChildProcess): void;
  };
}

/** After the coordinator has ended, workers get this long to end by themselves. */
const workerEndTimeoutMs = 1_000;
/**
 * Restarts of all processes together: a hundred, or ten for each process where that is more. A new
 * process joins when the next snapshot is there, so none is held back.
 */
const restartsMin = 100;
const restartsOfEachMax = 10;
const restartsWithinMs = 3_600_000;
/** What is kept of a worker's standard error, for the message about its end. */
const tailCharactersMax = 8192;
const tailLinesMax = 3;

/**
 * Runs the cluster to its end; no process of it is left then. A process that something kills is
 * started again: a worker takes part from the next snapshot on, a coordinator goes on from the last
 * checkpoint. So is, once, a worker that the coordinator has excluded; the run does not need it.
 * @returns the coordinator's exit code
 * @throws {Error} if the coordinator is killed again and again
 */
export async function runLocalCluster(options: LocalClusterOptions): Promise<number> {
  const { connection: { url, run, credentials }, libraryPath, gpus, clock, observer } = options;
  const env: Record<string, string> = {
    ...roleEnvironment,
    ...(libraryPath === undefined ? {} : { TF_LIBRARY: libraryPath }),
  };
  const brokerOf = (name: string) => observer?.urlOf(name) ?? url;
  const programOf = (name: string, script: string): Program =>
    observer?.programOf?.(name) ??
      { path: `${import.meta.dirname}/${script}`, permissions: [], args: [] };
  const common = (broker: string) => ["--nats", broker, "--run", run, "--with-parent"];
  const startCoordinator = (resume: boolean) => {
    const args = [...options.coordinatorArgs, ...(resume ? ["--resume"] : [])];
    const announced = environmentOf(options.announcedLogin, "LOCKSTEP_WORKER");
    const secrets = { ...env, ...environmentOf(credentials), ...announced };
    const broker = brokerOf("coordinator");
    const permissions = coordinatorPermissions({
      url: options.isNamedBroker ? undefined : broker,
      out: options.out,
      reads: options.reads?.coordinator ?? [],
    });
    const every = [...args, ...common(broker)];
    const program = programOf("coordinator", "coordinator.ts");
    const process = spawn(program, permissions, every, secrets, {
      stdout: "inherit",
      stderr: "inherit",
    });
    observer?.started("coordinator", process);
    return { process, orders: process.stdin.getWriter() };
  };
  let coordinator = startCoordinator(options.resume);
  const order = (line: Order) => {
    const bytes = new TextEncoder().encode(`${JSON.stringify(line)}\n`);
    // One that is gone is told nothing, so nothing waits for this; the next one finds out by itself.
    coordinator.orders.write(bytes).catch(() => {});
  };
  let isOver = false;
  let restartsMs: readonly number[] = [];
  const killsBefore = memoryKills();
  let fruitless: FruitlessRestarts = { step: newestStep(options.out), counts: new Map() };
  const restartLimits: RestartLimits = {
    restartsMax: Math.max(restartsMin, restartsOfEachMax * (options.workers + 1)),
    withinMs: restartsWithinMs,
    delayMs: 0,
    delayMsMax: 0,
  };
  /** Why no process is started again in this place, or nothing; that one more is is counted. */
  const whyNoRestart = (place: string, signal: Deno.Signal | null): string | undefined => {
    fruitless = countFruitless(fruitless, place, newestStep(options.out));
    const { step, counts } = fruitless;
    const hint = memoryHint(signal, killsBefore, memoryKills());
    if (counts.get(place)! > fruitlessRestartsMax) {
      const before = `${fruitlessRestartsMax} processes before it in its place`;
      return `, as ${before}, and the run came no further than step ${step}${hint}`;
    }
    const plan = planRestart(restartsMs, clock.nowMs(), restartLimits);
    restartsMs = plan?.timesMs ?? restartsMs;
    if (plan !== undefined) return undefined;
    const { restartsMax, withinMs } = restartLimits;
    return `, as ${restartsMax} processes within the ${withinMs / 60_000} minutes before${hint}`;
  };
  const workers: { process: Deno.ChildProcess; ended: Promise<void> }[] = [];
  let living = 0;
  const startWorker = (index: number, life: number, wasExcluded = false) => {
    // Another process is another worker: what the old one had is lost.
    const name = workerNameOf(index, life);
    const gpu = gpus ? { CUDA_VISIBLE_DEVICES: gpus[index % gpus.length] } : undefined;
    const broker = brokerOf(name);
    const args = [...common(broker), "--name", name, "--join-timeout", "300"];
    const login = environmentOf(options.workerLogins?.[index] ?? credentials);
    const permissions = workerPermissions({
      url: broker,
      reads: options.reads?.worker ?? [],
      libraryPath,
    });
    const process = spawn(programOf(name, "worker.ts"), permissions, args, {
      ...env,
      ...login,
      ...gpu,
      NO_COLOR: "1",
    }, {
      stdout: "null",
      stderr: "piped",
    });
    observer?.started(name, process);
    living++;
    const ended = watchWorker(name, process, (reason, end, signal) => {
      if (isOver) return;
      const isExcluded = end === "excluded";
      const mayCome = end !== "failed" && !(isExcluded && wasExcluded);
      const why = mayCome ? whyNoRestart(workerNameOf(index, 0), signal) : undefined;
      const isAgain = mayCome && why === undefined;
      if (!isExcluded && !isAgain) return order({ reason: `${reason}${why ?? ""}` });
      order({ lost: name, reason });
      if (isAgain) startWorker(index, life + 1, wasExcluded || isExcluded);
    }).then(() => {
      // Those that were asked to leave are not started again.
      if (--living === 0 && !isOver) order({});
    });
    workers.push({ process, ended });
  };
  for (let index = 0; index < options.workers; index++) startWorker(index, 0);
  let isInterrupted = false;
  const stop = () => {
    isInterrupted = true;
    kill(coordinator.process, "SIGINT");
  };
  const stopWatching = watchNpx(clock, () => {
    console.error("npx, which started this run, has ended: the run ends with a checkpoint");
    stop();
  });
  const stopListening = onInterrupt({
    onFirst: stop,
    onSecond() {
      for (const each of [coordinator.process, ...workers.map(({ process }) => process)]) {
        kill(each, "SIGKILL");
      }
    },
  }, clock);
  try {
    for (;;) {
      const { code, signal } = await coordinator.process.status;
      if (signal === null) {
        isOver = true;
        // Where all went well the workers have been told so, and end by themselves.
        if (code === exitCodes.done || code === exitCodes.interrupted) {
          await Promise.race([
            Promise.all(workers.map(({ ended }) => ended)),
            delay(clock, workerEndTimeoutMs),
          ]);
        }
        return code;
      }
      const hint = await resumeHint(options.out);
      if (isInterrupted) {
        await tellLostSteps(options.out);
        console.error(`Interrupted${hint}`);
        return exitCodes.interrupted;
      }
      const how = `The coordinator (process ${coordinator.process.pid}) was ended by ${signal}`;
      const why = whyNoRestart("coordinator", signal);
      if (why !== undefined) throw new Error(how + why + hint);
      console.error(`${how}; starting it again`);
      coordinator.orders.close().catch(() => {});
      const checkpoints = await listCheckpoints(diskFileSystem, `${options.out}/checkpoints`);
      coordinator = startCoordinator(checkpoints.length > 0);
      if (living === 0 && options.workers > 0) order({});
    }
  } finally {
    isOver = true;
    stopListening();
    stopWatching();
    for (const { process } of workers) kill(process, "SIGKILL");
    await Promise.all(workers.map(({ ended }) => ended));
    // Not awaited: nobody reads any more, and what is unread may stay so.
    coordinator.orders.close().catch(() => {});
  }
}

function kill(process: Deno.ChildProcess, signal: Deno.Signal): void {
  try {
    process.kill(signal);
  } catch {
    // It has ended already.
  }
}

/** Something ended the process, or it ended by itself. */
type BadEnd = "killed" | "excluded" | "failed";

/** Resolves at a worker's end; tells it in one sentence if it was not a good one. */
async function watchWorker(
  name: string,
  worker: Deno.ChildProcess,
  onFailure: (sentence: string, end: BadEnd, signal: Deno.Signal | null) => void,
): Promise<void> {
  const [tail, { success, code, signal }] = await Promise.all([
    readTail(worker.stderr),
    worker.status,
  ]);
  if (success) return;
  const how = signal ? `was ended by ${signal}` : `ended with exit code ${code}`;
  const said = tail === "" ? "" : `: ${tail}`;
  const ended = code === exitCodes.excluded ? "excluded" : "failed";
  const sentence = `Worker "${name}" (process ${worker.pid}) ${how}${said}`;
  onFailure(sentence, signal ? "killed" : ended, signal);
}

function spawn(
  program: Program,
  permissions: readonly string[],
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  output: { stdout: "inherit" | "null"; stderr: "inherit" | "piped" },
): Deno.ChildProcess {
  const folder = import.meta.dirname!;
  return new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--config", `${folder}/../deno.json`, ...permissions, ...program.permissions],
      ...[program.path, ...program.args, ...args],
    ],
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
  const panic = panicReason(text);
  if (panic !== undefined) return panic;
  return text.split("\n").map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("at "))
    .slice(-tailLinesMax).join(" | ");
}
