/**
 * Workers that join a run like all others, with logins of their own, compute their shards, and then flood
 * it, one after the other: `deno run -A hostile_workers.ts SETTING`, a `HostileSetting` in JSON. Says
 * in JSON what came of it. All data is open and all messages are made before the first attack: on a
 * small machine that would take time from the run.
 */
import { runCommand } from "../launch/exit_codes.ts";
import type { Login } from "../launch/broker_permissions.ts";
import { delay, systemClock } from "../net/clock.ts";
import { decode } from "../net/codec.ts";
import { coordinatorMessageSchema, messageBytesMax, runSubjects } from "../net/messages.ts";
import { connectNats } from "../net/nats_transport.ts";
import { random } from "../net/random.ts";
import type { Transport } from "../net/transport.ts";
import { openRun } from "../worker/open_run.ts";
import type { OpenedRun } from "../worker/opened_run.ts";
import { runWorker, type WorkerOptions } from "../worker/run_worker.ts";
import {
  aim,
  type Attack,
  attackAt,
  attackedRunSteps,
  planAttack,
  type Shot,
  type Target,
} from "./attack_plan.ts";
import { lastStep } from "./run_progress.ts";

export interface HostileSetting {
  readonly url: string;
  readonly run: string;
  /** One for each attack. */
  readonly logins: readonly Login[];
  readonly messages: number;
  readonly seed: number;
  /** The run's folder. */
  readonly out: string;
}

export interface HostileReport {
  readonly sent: number;
  /** Those that were sent by a member of the generation under way. */
  readonly sentAsMember: number;
  /** How each of them ended. */
  readonly ends: readonly string[];
}

/** Messages between two looks at the run; a process that computes looks seldom. */
const burst = 500;
/**
 * The first two attack one sound worker each: in a second dispute a sound one would lose its place
 * itself, as `coordinator/membership/disputes.ts` has it.
 */
const targets: readonly Target[] = [
  { kind: "worker", name: "w0" },
  { kind: "worker", name: "w1" },
];
/** Who is there when it is a member no more. */
const sound = ["w0", "w1"];
const lookMs = 20;
const endMsMax = 10_000;

if (import.meta.main) {
  await runCommand(async () => {
    console.log(JSON.stringify(await attackInTurn(JSON.parse(Deno.args[0]) as HostileSetting)));
    return 0;
  });
}

interface Membership {
  readonly generation: number;
  readonly members: readonly string[];
  /** The life of the coordinator that started the generation. */
  readonly life?: string;
}

interface Hostile {
  readonly attack: Attack;
  /** Takes part, once its data is open. */
  takePart(): void;
  /** The generation that it is a member of; undefined for none. */
  membership(): Membership | undefined;
  readonly isOver: () => boolean;
  readonly ended: Promise<string>;
  /** A connection with its login, for what it should not send. */
  readonly connection: Transport;
}

async function attackInTurn(setting: HostileSetting): Promise<HostileReport> {
  const { logins, out } = setting;
  // What it computes with is the same for all of them.
  let opened: Promise<OpenedRun> | undefined;
  const open: WorkerOptions["open"] = async (configuration, clock) => {
    opened ??= openRun(configuration, clock);
    return { ...await opened, close() {} };
  };
  const hostiles = await Promise.all(logins.map((_, index) => prepare(setting, index, open)));
  let [sent, sentAsMember] = [0, 0];
  for (const [index, hostile] of hostiles.entries()) {
    const { attack, connection } = hostile;
    const isTime = async () => attackAt(await lastStep(out) + 1) === index;
    while (!await isTime() && await lastStep(out) < attackedRunSteps) {
      await delay(systemClock, lookMs);
    }
    hostile.takePart();
    while (!hostile.isOver() && hostile.membership() === undefined && await isTime()) {
      await delay(systemClock, lookMs);
    }
    const shots: readonly Shot[] = [...attack.unwanted, ...attack.malformed];
    for (let next = 0; next < shots.length && await isTime();) {
      const end = Math.min(shots.length, next + burst);
      for (; next < end; next++) {
        const membership = hostile.membership();
        const shot = shots[next];
        aim(shot, membership?.generation ?? 0);
        const subject = shot.subject(membership?.members ?? sound, membership?.life);
        if (subject === undefined) continue;
        connection.publish(subject, shot.data);
        sent++;
        if (membership !== undefined) sentAsMember++;
      }
      await connection.flush();
      await delay(systemClock, lookMs);
    }
  }
  const late = delay(systemClock, endMsMax).then(() => "it goes on");
  const ends = await Promise.all(hostiles.map(({ ended }) => Promise.race([ended, late])));
  for (const { connection } of hostiles) await connection.close();
  return { sent, sentAsMember, ends };
}

/** Joins, and opens its data; it is ready when it is told to take part. */
async function prepare(
  { url, run, logins, messages, seed }: HostileSetting,
  index: number,
  open: WorkerOptions["open"],
): Promise<Hostile> {
  const login = logins[index];
  const name = login.user;
  const ready = Promise.withResolvers<void>();
  const opened = Promise.withResolvers<void>();
  let membership: Membership | undefined;
  let isOver = false;
  const connect = (purpose: string) =>
    connectNats({ servers: url, name: `${name} ${purpose}`, credentials: login, noEcho: true });
  const connection = await connect("attack");
  connection.subscribe(runSubjects(run).workers, ({ data }) => {
    const message = decode(data, coordinatorMessageSchema, { bytesMax: messageBytesMax });
    if (message.type !== "start") return;
    membership = message.members.includes(name) ? message : undefined;
  });
  const ended = runWorker({
    connect: async () => ({ control: await connect("control"), data: await connect("data") }),
    run,
    name,
    where: `process ${Deno.pid}, ${name}`,
    joinTimeoutMs: 60_000,
    clock: systemClock,
    async open(configuration, clock) {
      const own = await open(configuration, clock);
      opened.resolve();
      await ready.promise;
      return own;
    },
  }).then(() => "with the run", (error: Error) => error.message).finally(() => {
    [isOver, membership] = [true, undefined];
    opened.resolve();
  });
  const attack = planAttack(
    {
      run,
      name,
      messages: Math.ceil(messages * (index + 1) / logins.length) -
        Math.ceil(messages * index / logins.length),
      target: targets[index] ?? { kind: "coordinator" },
    },
    random(seed, "attack", index),
  );
  await opened.promise;
  return {
    attack,
    connection,
    ended,
    takePart: ready.resolve,
    membership: () => membership,
    isOver: () => isOver,
  };
}
