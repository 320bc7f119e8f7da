/**
 * A run of two workers that is attacked by its own members: workers with valid logins that join,
 * compute, and flood coordinator and workers with messages of the wrong kind, until they are excluded
 * and beyond. Compared with the same run left alone.
 */
import { fileURLToPath } from "node:url";
import { workerLogins } from "../launch/broker_permissions.ts";
import { startLastingBroker } from "../launch/lasting_broker.ts";
import { type Program, runLocalCluster } from "../launch/local_cluster.ts";
import { setUp } from "../launch/setup.ts";
import { delay, systemClock } from "../net/clock.ts";
import { secretToken } from "../net/random.ts";
import { attackAt, attackedRunSteps, attacks } from "./attack_plan.ts";
import type { HostileReport, HostileSetting } from "./hostile_workers.ts";
import { residentBytes } from "./resident_memory.ts";
import { lastStep } from "./run_progress.ts";

const workers = 2;
const everyRun = [
  ...["--lanes", "8", "--window", "10", "--seed", "7", "--snapshot-steps", "5"],
  ...["--sequence-frames", "41", "--sequences", "400", "--validation-sequences", "2"],
  ...["--test-sequences", "4", "--steps", `${attackedRunSteps}`, "--engine", "tensorflow"],
];
const runFlags = {
  default: [...everyRun, "--size", "64", "--filters", "16,16"],
  /** Steps of some hundredths of a second, in which a message weighs most. */
  small: [...everyRun, "--size", "32", "--filters", "2"],
};
export type LiveRun = keyof typeof runFlags;
/** The first block of steps, in which everything warms up, is compared with nothing. */
const isCompared = (step: number) => step > attackedRunSteps / (2 * attacks);
const lookMs = 20;
const hostileEndMsMax = 20_000;

export interface LiveReport {
  readonly messages: number;
  /** Those sent by a member of the generation under way; the others have a login and are out. */
  readonly messagesFromMembers: number;
  /** What reached the sums of the two sound workers and was refused there, by reason. */
  readonly droppedByWorkers: Readonly<Record<string, number>>;
  /** Why the coordinator hears whom no more. */
  readonly excluded: readonly string[];
  /** How the hostile workers ended. */
  readonly ends: readonly string[];
  readonly exitCode: number;
  readonly restarts: number;
  /** In the same run, whose steps are attacked and left alone by turns. */
  readonly secondsPerStep: { readonly alone: number; readonly attacked: number };
  /** The same by the clock on the wall: with what joins and exclusions cost. */
  readonly wallSecondsPerStep: { readonly alone: number; readonly attacked: number };
  /** While steps are attacked. */
  readonly messagesPerSecond: number;
  /** Of the steps left alone. */
  readonly throughput: number;
  readonly wallThroughput: number;
  readonly sameBits: boolean;
  /** Most that a process of the run grew beyond the same process of the run left alone. */
  readonly grownMiB: number;
}

/** @throws {Error} where TensorFlow or nats-server is missing */
export async function attackRun(
  messages: number,
  seed: number,
  run: LiveRun = "default",
): Promise<LiveReport> {
  const alone = await trainOnce(0, seed, run);
  const attacked = await trainOnce(messages, seed, run);
  const grown = Object.entries(attacked.memory).map(([name, bytes]) =>
    bytes - (alone.memory[name] ?? bytes)
  );
  const { hostile, secondsPerStep, wallSecondsPerStep } = attacked;
  const attackedSteps = attackedRunSteps / 2;
  return {
    messages: hostile.sent,
    messagesFromMembers: hostile.sentAsMember,
    droppedByWorkers: attacked.dropped,
    excluded: attacked.excluded,
    ends: hostile.ends,
    exitCode: attacked.code,
    restarts: attacked.restarts,
    secondsPerStep,
    wallSecondsPerStep,
    messagesPerSecond: hostile.sent / (attackedSteps * wallSecondsPerStep.attacked),
    throughput: secondsPerStep.alone / secondsPerStep.attacked,
    wallThroughput: wallSecondsPerStep.alone / wallSecondsPerStep.attacked,
    sameBits: attacked.parametersSha256 === alone.parametersSha256,
    grownMiB: Math.max(...grown) / 2 ** 20,
  };
}

async function trainOnce(messages: number, seed: number, size: LiveRun) {
  const { tensorflow, natsServer, problems } = await setUp({
    needs: ["tensorflow", "nats-server"],
  });
  if (!tensorflow || !natsServer) throw new Error(problems.join("; "));
  const folder = await Deno.makeTempDir({ prefix: "lockstep-fuzz-" });
  const out = `${folder}/run`;
  const run = secretToken(6);
  // The run's workers have the first places; each hostile one has a login of its own.
  const logins = workerLogins(workers + attacks);
  const roles = { run, workers: logins };
  const broker = await startLastingBroker({ binary: natsServer.path, clock: systemClock, roles });
  const memory: Record<string, number> = {};
  const pids = new Map<string, number>();
  /** When each step was seen first. */
  const seenMs = new Map<number, number>();
  let over = false;
  const watching = (async () => {
    while (!over) {
      for (const [name, pid] of pids) {
        memory[name] = Math.max(memory[name] ?? 0, residentBytes(pid));
      }
      const step = await lastStep(out);
      if (!seenMs.has(step)) seenMs.set(step, systemClock.nowMs());
      await delay(systemClock, lookMs);
    }
  })();
  try {
    const ended = runLocalCluster({
      connection: {
        url: broker.url,
        run,
        credentials: { user: broker.user, password: broker.password },
      },
      workerLogins: logins,
      out,
      workers,
      resume: false,
      coordinatorArgs: [...runFlags[size], "--workers", `${workers}`, "--out", out],
      libraryPath: tensorflow.path,
      clock: systemClock,
      observer: {
        urlOf: () => broker.url,
        programOf: (name) => name === "coordinator" ? undefined : countingWorker(folder, name),
        started: (name, { pid }) => void pids.set(name, pid),
      },
    }).finally(() => over = true);
    const hostile: HostileReport = messages === 0
      ? { sent: 0, sentAsMember: 0, ends: [] }
      : await attack(
        { url: broker.url, run, logins: logins.slice(workers), messages, seed, out },
        tensorflow.path,
        ended,
      );
    const code = await ended;
    return {
      code,
      hostile,
      memory,
      dropped: await droppedIn(folder),
      wallSecondsPerStep: wallSeconds(seenMs),
      ...await outcome(out),
    };
  } finally {
    over = true;
    await watching;
    await broker.stop();
    await Deno.remove(folder, { recursive: true });
  }
}

const pathOf = (file: string) => fileURLToPath(new URL(file, import.meta.url));

/** A worker of the run, which writes down what it has refused. */
function countingWorker(folder: string, name: string): Program {
  const path = `${folder}/dropped-${name}.json`;
  return {
    path: pathOf("attacked_worker.ts"),
    permissions: [`--allow-write=${path}`],
    args: [path],
  };
}

async function droppedIn(folder: string): Promise<Record<string, number>> {
  const total: Record<string, number> = {};
  for (const { name } of Deno.readDirSync(folder)) {
    if (!name.startsWith("dropped-")) continue;
    const dropped = JSON.parse(await Deno.readTextFile(`${folder}/${name}`));
    for (const [reason, count] of Object.entries(dropped)) {
      total[reason] = (total[reason] ?? 0) + Number(count);
    }
  }
  return total;
}

/** Lasts as long as the run, and hardly longer. */
async function attack(
  setting: HostileSetting,
  libraryPath: string,
  runEnded: Promise<number>,
): Promise<HostileReport> {
  const process = new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "-A", "--config", pathOf("../deno.json"), pathOf("hostile_workers.ts")],
      JSON.stringify(setting),
    ],
    env: { TF_LIBRARY: libraryPath },
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  let isOver = false;
  void runEnded.finally(async () => {
    await delay(systemClock, hostileEndMsMax);
    if (!isOver) process.kill("SIGKILL");
  }).catch(() => {});
  const { success, stdout } = await process.output();
  isOver = true;
  if (!success) throw new Error("The hostile workers ended before they had told what they sent");
  return JSON.parse(new TextDecoder().decode(stdout));
}

/** Between the first sights of two steps, which a restart may go back behind and come to again. */
function wallSeconds(seenMs: ReadonlyMap<number, number>): { alone: number; attacked: number } {
  const seconds = { alone: 0, attacked: 0 };
  const steps = { alone: 0, attacked: 0 };
  const sights = [...seenMs].sort(([a], [b]) => a - b);
  for (const [index, [step, atMs]] of sights.entries()) {
    if (index === 0 || !isCompared(step)) continue;
    const [before, beforeMs] = sights[index - 1];
    const kind = attackAt(step) === undefined ? "alone" : "attacked";
    seconds[kind] += (atMs - beforeMs) / 1000;
    steps[kind] += step - before;
  }
  return {
    alone: seconds.alone / steps.alone,
    attacked: seconds.attacked / steps.attacked,
  };
}

async function outcome(out: string) {
  const lines = (await Deno.readTextFile(`${out}/metrics.jsonl`)).trimEnd().split("\n")
    .map((line) => JSON.parse(line) as { step: number; secondsPerStep?: number });
  const mean = (isAttacked: boolean) => {
    const seconds = lines.flatMap(({ step, secondsPerStep }) =>
      secondsPerStep !== undefined && isCompared(step) &&
        (attackAt(step) !== undefined) === isAttacked
        ? [secondsPerStep]
        : []
    );
    return seconds.reduce((sum, each) => sum + each, 0) / seconds.length;
  };
  const name = `step-${String(attackedRunSteps).padStart(6, "0")}`;
  const path = `${out}/checkpoints/${name}/manifest.json`;
  const { parametersSha256 } = JSON.parse(await Deno.readTextFile(path));
  const journal = (await Deno.readTextFile(`${out}/journal.jsonl`)).trimEnd().split("\n")
    .map((line) => JSON.parse(line) as { restarts: number; dropped?: string });
  return {
    secondsPerStep: { alone: mean(false), attacked: mean(true) },
    parametersSha256: parametersSha256 as string,
    restarts: journal.at(-1)!.restarts,
    excluded: journal.flatMap(({ dropped }) => dropped ?? []),
  };
}
