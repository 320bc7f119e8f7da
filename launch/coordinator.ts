/**
 * The process at the head of a run, under permissions of its own (`role_permissions.ts`): it talks to
 * the broker that `--nats` names and keeps the run's folder. `train` and `coordinator_by_hand.ts`
 * start it and a broker.
 */
import { listCheckpoints } from "../coordinator/checkpoint_folder.ts";
import { firstWorkersEngine } from "../coordinator/engine_choice.ts";
import { diskFileSystem } from "../coordinator/file_system.ts";
import { type Leadership, RunTakenError } from "../coordinator/leadership.ts";
import { BrokerLostError, type Coordinator } from "../coordinator/run_coordinator.ts";
import { delay, systemClock } from "../net/clock.ts";
import { connectNats, type NatsOptions } from "../net/nats_transport.ts";
import {
  BrokerAddressError,
  LoginRefusedError,
  notPermittedOn,
  type Transport,
  TransportError,
} from "../net/transport.ts";
import { secretToken } from "../net/random.ts";
import { checkRunConfiguration } from "../net/run_configuration.ts";
import {
  type Connection,
  connectionPath,
  credentialsFromEnvironment,
  isRunName,
  readConnection,
  writeConnection,
  wrongRunName,
} from "./connection_file.ts";
import { coordinate, type Coordination, startTimeoutMs } from "./coordinate.ts";
import { exitCodes, runCommand } from "./exit_codes.ts";
import { type FlagTable, type GivenFlags, helpText, UsageError } from "./flags.ts";
import { holdRun } from "./held_run.ts";
import { onInterrupt } from "./interrupts.ts";
import type { Order } from "./local_cluster.ts";
import { brokerFlags, brokerOptions, createBrokerPools, namedBroker } from "./named_broker.ts";
import { endWithParent } from "./parent_process.ts";
import { resumeHint, tellLostSteps } from "./resume_hint.ts";
import { commandFlags, readFlags, resolveRun, type RunOptions } from "./run_options.ts";
import { shellWord } from "./shell_word.ts";

/** What the process takes from whoever starts it, beside the flags of a run. */
export const coordinatorFlags = {
  ...brokerFlags,
  nats: { ...brokerFlags.nats, defaultText: "one of its own on this machine" },
  run: {
    kind: "text",
    value: "NAME",
    help: "the run's name on the broker",
    defaultText: "generated",
  },
  "join-timeout": {
    kind: "integer",
    value: "SECONDS",
    min: 1,
    max: 86_400,
    help: "how long to wait for the broker that --nats names",
    defaultText: "60",
  },
  "with-parent": { kind: "switch", help: "end when standard input ends" },
  "model-source": {
    kind: "text",
    value: "SHA256",
    help: "of the file that --model names, by whoever may read it",
  },
  announce: {
    kind: "switch",
    help: "write how to join into the run's folder, with the login in LOCKSTEP_WORKER_USER and " +
      "LOCKSTEP_WORKER_PASSWORD",
  },
  ...commandFlags,
} as const satisfies FlagTable;

/** Between two attempts to reach a broker that is gone. */
const reconnectMs = 100;

if (import.meta.main) await runCommand(() => coordinatorCommand(Deno.args));

/**
 * @param disks in place of the real ones
 * @returns the exit code
 */
export async function coordinatorCommand(
  args: readonly string[],
  disks: Coordination["disks"] = undefined,
): Promise<number> {
  const given = await readFlags(args, coordinatorFlags);
  if (given.help) {
    console.log(
      helpText("Usage: launch/coordinator.ts --nats URL --run NAME [flags]", coordinatorFlags),
    );
    return exitCodes.done;
  }
  return await runCoordinator(given, disks);
}

async function runCoordinator(
  given: GivenFlags,
  disks: Coordination["disks"],
): Promise<number> {
  const connection = await namedConnection(given);
  if (connection === undefined) throw new UsageError("Give --nats URL and --run NAME");
  const options = await resolveRun(given);
  let coordinator: Coordinator | undefined;
  let withdraw = () => {};
  let isStopping = false;
  // What was said before there was a coordinator to hear it, or to one that the broker's loss has
  // ended, holds for the next one.
  const lasting: ((coordinator: Coordinator) => void)[] = [];
  const tell = (say: (coordinator: Coordinator) => void) => {
    lasting.push(say);
    if (coordinator) say(coordinator);
  };
  onInterrupt({
    onFirst() {
      isStopping = true;
      tell((each) => each.stop());
    },
    onSecond() {
      withdraw();
      Deno.exit(exitCodes.interrupted);
    },
  });
  if (given["with-parent"]) {
    endWithParent((line) => {
      const { lost, reason } = JSON.parse(line) as Order;
      if (reason === undefined) tell((each) => each.abandoned());
      else if (lost === undefined) tell((each) => each.fail(reason));
      // A coordinator that begins later knows of no worker yet.
      else coordinator?.workerLost(lost, reason);
    });
  }
  // The broker of `train` was there before, and so was one that workers were told of; an address that a
  // person gives for the first time may be a wrong one, or that of a broker which is just starting.
  const wasThere = given["with-parent"] === true &&
    (given.announce !== true || await isAnnounced(connection, options.out));
  const waiting = {
    firstMs: wasThere
      ? options.configuration.membership.waitTimeoutMs
      : 1000 * (given["join-timeout"] as number | undefined ?? 60),
    isStopping: () => isStopping,
    insecure: given.insecure === true,
  };
  let isAnnouncing = given.announce === true;
  const announceOnce = async (say: (line: string) => void) => {
    if (!isAnnouncing) return;
    isAnnouncing = false;
    withdraw = await announce(connection, options, say);
  };
  try {
    return await coordinateThroughLosses(connection, options, { ...waiting, announceOnce }, {
      disks,
      async onStart(started, say) {
        coordinator = started;
        for (const say of lasting) say(started);
        await announceOnce(say);
      },
    });
  } finally {
    withdraw();
  }
}

/** @throws {UsageError} for what cannot be used, or is open to others */
export async function namedConnection(given: GivenFlags): Promise<Connection | undefined> {
  const run = given.run as string | undefined ?? secretToken(6);
  if (!isRunName(run)) throw new UsageError(wrongRunName(run));
  return await namedBroker(given, run);
}

/** Whether an earlier life of this coordinator has told workers of the same broker. */
async function isAnnounced({ url }: Connection, out: string): Promise<boolean> {
  return await readConnection(connectionPath(out)).then((known) => known.url === url, () => false);
}

/** Writes how to join, for the owner's eyes only. @returns what takes it back */
async function announce(
  { url, run, credentials, credentialsPath, ca, tlsFirst, clientCertificate }: Connection,
  { out, isEngineOpen, configuration: { workers, engine } }: RunOptions,
  say: (line: string) => void,
): Promise<() => void> {
  const path = connectionPath(out);
  // It may be that of a run which begins when its first worker comes.
  await Deno.mkdir(out, { recursive: true });
  const shared = credentialsFromEnvironment("LOCKSTEP_WORKER") ?? credentials;
  await writeConnection(path, { url, run, credentials: shared, ca, tlsFirst });
  say(
    `Waiting for ${workers} ${workers === 1 ? "worker" : "workers"} with engine ` +
      `${isEngineOpen ? "tensorflow or wasm, whichever the first one has" : engine}: ` +
      `deno task worker --connect ${shellWord(path)}` +
      (credentialsPath === undefined ? "" : " --nats-credentials FILE --name NAME") +
      (clientCertificate === undefined ? "" : " --tls-cert FILE --tls-key FILE"),
  );
  return () => {
    try {
      Deno.removeSync(path);
    } catch (error) {
      // Somebody has removed it: the run's own end matters.
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  };
}

/**
 * When the broker is gone, waits for it to come back and goes on from what was saved; a run that was to
 * stop is at its end then.
 */
async function coordinateThroughLosses(
  connection: Connection,
  asked: RunOptions,
  { firstMs, isStopping, insecure, announceOnce }: {
    firstMs: number;
    isStopping: () => boolean;
    insecure: boolean;
    announceOnce: (say: (line: string) => void) => Promise<void>;
  },
  coordination: Coordination,
): Promise<number> {
  let options = asked;
  let resume = options.resume;
  const { run } = connection;
  const servers = createBrokerPools(insecure)(connection.url);
  for (let isFirst = true;; isFirst = false) {
    const transport = await connectInTime(
      async () => ({
        ...await brokerOptions(connection),
        servers,
        name: `coordinator of ${run}`,
      }),
      isFirst ? firstMs : options.configuration.membership.waitTimeoutMs,
      isStopping,
      !isFirst,
    );
    if (transport === undefined) {
      await tellLostSteps(options.out);
      console.error(`Interrupted${await resumeHint(options.out)}`);
      return exitCodes.interrupted;
    }
    try {
      // Workers are told of this coordinator only where no other one leads the run or is in its folder.
      using held = await holdRun(transport, run, options.out);
      if (options.isEngineOpen) {
        const leadership = held.leadership!;
        leadership.lead(() => false, () => {});
        await announceOnce((line) => console.error(line));
        const decided = await askFirstWorker(transport, run, options, isStopping, leadership);
        if (decided === undefined) {
          console.error("Interrupted before the first step");
          return exitCodes.interrupted;
        }
        options = decided;
      }
      return await coordinate(transport, run, { ...options, resume }, coordination, held);
    } catch (error) {
      // It may be lost before the coordinator has begun to listen.
      if (!(error instanceof BrokerLostError || error instanceof TransportError)) throw error;
      const refusal = await notPermittedOn(transport);
      if (refusal) throw refusal;
      console.error(`${error.message}; waiting for it to come back`);
      resume = (await listCheckpoints(diskFileSystem, `${options.out}/checkpoints`)).length > 0;
    } finally {
      await transport.close();
    }
  }
}

/**
 * The run with the engine of the first worker that asks to join; undefined when it is stopped before.
 * @throws {Error} where no worker comes in time, or another coordinator stays in place of this one
 * @throws {UsageError} where the run cannot be computed with that engine
 */
async function askFirstWorker(
  transport: Transport,
  run: string,
  options: RunOptions,
  isStopping: () => boolean,
  leadership: Leadership,
): Promise<RunOptions | undefined> {
  const { configuration } = options;
  const waitMs = startTimeoutMs(configuration.membership);
  const engine = await firstWorkersEngine({
    ...{ transport, run, clock: systemClock, waitMs },
    isStopping: () => isStopping() || leadership.outranked !== undefined,
  });
  if (leadership.outranked !== undefined) throw new RunTakenError(leadership.outranked);
  if (engine === undefined) {
    if (isStopping()) return undefined;
    throw new Error(
      `Gave up: none of ${configuration.workers} workers joined within ${waitMs / 1000} s; start ` +
        "them with `deno task worker`, or raise --start-timeout",
    );
  }
  const decided = { ...configuration, engine };
  try {
    checkRunConfiguration(decided);
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new UsageError(`${cause.message}, which is what the first worker has`, { cause });
  }
  console.error(`Engine ${engine}, as the first worker has it`);
  return { ...options, isEngineOpen: false, configuration: decided };
}

async function connectInTime(
  options: () => Promise<NatsOptions>,
  waitMs: number,
  isStopping: () => boolean,
  isKnownToBeGone: boolean,
): Promise<Transport | undefined> {
  let isKnown = isKnownToBeGone;
  const deadline = systemClock.nowMs() + waitMs;
  while (!isStopping()) {
    try {
      return await connectNats(await options());
    } catch (error) {
      // A broker that is there and refuses will refuse again, and what is no address never becomes one.
      if (!(error instanceof TransportError) || error instanceof LoginRefusedError) throw error;
      if (error instanceof BrokerAddressError) throw error;
      if (systemClock.nowMs() >= deadline) throw error;
      if (!isKnown) console.error(`${error.message}; waiting for it up to ${waitMs / 1000} s`);
      isKnown = true;
    }
    await delay(systemClock, reconnectMs);
  }
}
