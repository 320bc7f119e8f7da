/**
 * A run of two workers while a third party, with a worker's login of its own, sends broken messages
 * to the coordinator and into the gradients. Compared with the same run left alone.
 */
import { type Login, workerLogins } from "../launch/broker_permissions.ts";
import { startLastingBroker } from "../launch/lasting_broker.ts";
import { runLocalCluster } from "../launch/local_cluster.ts";
import { setUp } from "../launch/setup.ts";
import { createChunkCodec } from "../collective/chunk_message.ts";
import { delay, systemClock } from "../net/clock.ts";
import { decode, encode } from "../net/codec.ts";
import { messageBytesMax, runSubjects, workerSubjects, type WorkerVerb } from "../net/messages.ts";
import { connectNats } from "../net/nats_transport.ts";
import { random, secretToken } from "../net/random.ts";
import { broken, chunkBytesMax, verbSamples } from "./fuzz_decoders.ts";
import { residentBytes } from "./resident_memory.ts";

const steps = 120;
/** Steps in a row that are attacked, or left alone: what else the machine does then affects both. */
const blockSteps = 10;
const isAttacked = (step: number) => Math.floor(step / blockSteps) % 2 === 1;
const attackedSteps = Array.from({ length: steps }, (_, index) => index + 1).filter(isAttacked);
const everyRun = [
  ...["--lanes", "8", "--window", "10", "--seed", "7"],
  ...["--sequence-frames", "41", "--sequences", "200", "--validation-sequences", "2"],
  ...["--test-sequences", "4", "--steps", `${steps}`, "--engine", "tensorflow"],
];
const runFlags = {
  default: [...everyRun, "--size", "64", "--filters", "16,16"],
  /** Steps of some hundredths of a second, in which a message weighs most. */
  small: [...everyRun, "--size", "32", "--filters", "2"],
};
export type LiveRun = keyof typeof runFlags;
/** Messages between two looks at the run, and how long to wait for it to read them. */
const burst = 100;

export interface LiveReport {
  readonly messages: number;
  readonly exitCode: number;
  readonly restarts: number;
  /** In the same run, whose steps are attacked and left alone by turns. */
  readonly secondsPerStep: { readonly alone: number; readonly attacked: number };
  /** While steps are attacked. */
  readonly messagesPerSecond: number;
  /** Of the steps left alone. */
  readonly throughput: number;
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
  return {
    messages: attacked.sent,
    exitCode: attacked.code,
    restarts: attacked.generations - 1,
    secondsPerStep: attacked.secondsPerStep,
    messagesPerSecond: attacked.sent / (attackedSteps.length * attacked.secondsPerStep.attacked),
    throughput: attacked.secondsPerStep.alone / attacked.secondsPerStep.attacked,
    sameBits: attacked.parametersSha256 === alone.parametersSha256,
    grownMiB: Math.max(...grown) / 2 ** 20,
  };
}

async function trainOnce(messages: number, seed: number, size: LiveRun) {
  const { tensorflow, natsServer, problems } = await setUp({
    needs: ["tensorflow", "nats-server"],
  });
  if (!tensorflow || !natsServer) throw new Error(problems.join("; "));
  const out = await Deno.makeTempDir({ prefix: "lockstep-fuzz-" });
  const run = secretToken(6);
  // The run's workers have the first places; the attacker's login is one more.
  const workers = workerLogins(3);
  const roles = { run, workers };
  const [attacker] = workers.slice(2);
  const broker = await startLastingBroker({ binary: natsServer.path, clock: systemClock, roles });
  const memory: Record<string, number> = {};
  const pids = new Map<string, number>();
  let over = false;
  const watching = (async () => {
    while (!over) {
      for (const [name, pid] of pids) {
        memory[name] = Math.max(memory[name] ?? 0, residentBytes(pid));
      }
      await delay(systemClock, 100);
    }
  })();
  try {
    const ended = runLocalCluster({
      connection: {
        url: broker.url,
        run,
        credentials: { user: broker.user, password: broker.password },
      },
      workerLogins: workers,
      out,
      workers: 2,
      resume: false,
      coordinatorArgs: [...runFlags[size], "--workers", "2", "--out", out],
      libraryPath: tensorflow.path,
      clock: systemClock,
      observer: {
        urlOf: () => broker.url,
        started: (name, { pid }) => void pids.set(name, pid),
      },
    }).finally(() => over = true);
    const sent = messages === 0 ? 0 : await attack({
      url: broker.url,
      run,
      login: attacker,
      messages,
      seed,
      out,
      isOver: () => over,
    });
    const code = await ended;
    return { code, sent, memory, ...await outcome(out) };
  } finally {
    over = true;
    await watching;
    await broker.stop();
    await Deno.remove(out, { recursive: true });
  }
}

interface Attack {
  readonly url: string;
  readonly run: string;
  readonly login: Login;
  readonly messages: number;
  readonly seed: number;
  readonly out: string;
  readonly isOver: () => boolean;
}

/** Sends while the run trains, at a pace that spreads the messages over the steps to attack. */
async function attack({ url, run, login, messages, seed, out, isOver }: Attack): Promise<number> {
  const transport = await connectNats({ servers: url, name: "attack", credentials: login });
  const { data: gradients } = runSubjects(run);
  const subjects = workerSubjects(run, login.user);
  const draws = random(seed, "attack");
  const chunks = createChunkCodec(chunkBytesMax);
  const buffer = new Uint8Array(chunks.bufferBytes);
  const control = Object.entries(verbSamples).map(([name, [schema, value]]) => ({
    subject: subjects[name as WorkerVerb],
    sample: new Uint8Array(encode(value)),
    isSound: (bytes: Uint8Array) =>
      doesNotThrow(() => decode(bytes, schema, { bytesMax: messageBytesMax })),
  }));
  const stale = (step: number) =>
    new Uint8Array(chunks.encode(buffer, [999, 1, 1, step, 0, 0, new Uint8Array(64)]));
  const makeOne = (): { subject: string; data: Uint8Array } => {
    for (;;) {
      if (draws.integer(2) === 0) {
        const { subject, sample, isSound } = control[draws.integer(control.length)];
        const data = broken(sample, draws);
        // What is still well-formed is no broken message; who may send those is another matter.
        if (!isSound(data)) return { subject, data };
      } else {
        const places = ["total", "total.0", "reduce.0", "reduce.1", "reduce.7", "credit.0"];
        const place = places[draws.integer(places.length)];
        const subject = `${gradients}.${login.user}.${place}`;
        const sample = stale(draws.integer(steps)).slice();
        const data = draws.integer(4) === 0 ? sample : broken(sample, draws);
        if (data === sample || !doesNotThrow(() => chunks.decode(data))) return { subject, data };
      }
    }
  };
  // Made beforehand: on a small machine, making them would take time from the run.
  const ready = Array.from({ length: messages }, makeOne);
  let sent = 0;
  try {
    while (!isOver() && sent < messages) {
      const now = await lastStep(out) + 1;
      const done = attackedSteps.filter((step) => step <= now).length;
      const due = isAttacked(now) ? Math.ceil(messages * done / attackedSteps.length) : 0;
      while (sent < due && !isOver()) {
        for (const { subject, data } of ready.slice(sent, Math.min(due, sent + burst))) {
          transport.publish(subject, data);
          sent++;
        }
        await transport.flush();
      }
      await delay(systemClock, 20);
    }
  } finally {
    await transport.close();
  }
  return sent;
}

function doesNotThrow(action: () => unknown): boolean {
  try {
    action();
    return true;
  } catch {
    return false;
  }
}

async function lastStep(out: string): Promise<number> {
  const text = await Deno.readTextFile(`${out}/metrics.jsonl`).catch(() => "");
  const lines = text.trimEnd().split("\n");
  return Number(/"step":(\d+)/.exec(lines.at(-1) ?? "")?.[1] ?? 0);
}

async function outcome(out: string) {
  const lines = (await Deno.readTextFile(`${out}/metrics.jsonl`)).trimEnd().split("\n")
    .map((line) => JSON.parse(line) as { step: number; secondsPerStep?: number });
  const mean = (attacked: boolean) => {
    const seconds = lines.flatMap(({ step, secondsPerStep }) =>
      secondsPerStep !== undefined && step > 5 && isAttacked(step) === attacked
        ? [secondsPerStep]
        : []
    );
    return seconds.reduce((sum, each) => sum + each, 0) / seconds.length;
  };
  const path = `${out}/checkpoints/step-${String(steps).padStart(6, "0")}/manifest.json`;
  const { parametersSha256 } = JSON.parse(await Deno.readTextFile(path));
  const journal = (await Deno.readTextFile(`${out}/journal.jsonl`)).trimEnd().split("\n");
  return {
    secondsPerStep: { alone: mean(false), attacked: mean(true) },
    parametersSha256: parametersSha256 as string,
    generations: new Set(journal.map((line) => JSON.parse(line).generation)).size,
  };
}
