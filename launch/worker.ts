/**
 * `deno task worker`: one worker of a run, on one GPU or some CPU threads. Joins the coordinator
 * that the connection file, or `--nats` and `--run`, name, and takes its configuration from there.
 */
import { hostname } from "node:os";
import { resolve } from "node:path";
import { locateTensorFlow } from "../engine/tensorflow/locate.ts";
import { delay, systemClock } from "../net/clock.ts";
import { isWorkerName } from "../net/messages.ts";
import { connectNats } from "../net/nats_transport.ts";
import { secretToken } from "../net/random.ts";
import { ExcludedError } from "../worker/coordinator_client.ts";
import { openRun } from "../worker/open_run.ts";
import { runWorker, type WorkerOptions } from "../worker/run_worker.ts";
import { checkBroker } from "./broker_safety.ts";
import { type Connection, isRunName, readConnection, wrongRunName } from "./connection_file.ts";
import { exitCodes, runCommand, sentenceOf } from "./exit_codes.ts";
import { type FlagTable, type GivenFlags, helpText, parseFlags, UsageError } from "./flags.ts";
import { isPress, onInterrupt } from "./interrupts.ts";
import {
  brokerFlags,
  brokerOptions,
  createBrokerPools,
  namedBroker,
  ownCredentials,
} from "./named_broker.ts";
import { endWithParent } from "./parent_process.ts";

/** Between two looks for a connection file that is not there yet. */
const findAgainMs = 200;

const workerFlags = {
  connect: {
    kind: "text",
    value: "FILE",
    help: "connection file that the coordinator wrote, runs/<run>/connection.json",
  },
  ...brokerFlags,
  nats: { ...brokerFlags.nats, help: `in place of --connect, ${brokerFlags.nats.help}` },
  run: { kind: "text", value: "NAME", help: "the run's name, with --nats" },
  name: {
    kind: "text",
    value: "NAME",
    help: "this worker's name within the run",
    defaultText: "host and process",
  },
  data: {
    kind: "text",
    value: "PATH",
    help: "where the run's data lie on this host",
    defaultText: "where the run says",
  },
  "join-timeout": {
    kind: "integer",
    value: "SECONDS",
    min: 1,
    max: 86_400,
    help: "how long to wait for the connection file, for the broker, and for the coordinator",
    defaultText: "60",
  },
  "with-parent": { kind: "switch", help: "end when standard input ends" },
  help: { kind: "switch", help: "show this" },
} as const satisfies FlagTable;

/** What a worker is made of; a program that tests it may put something in between. */
export interface WorkerParts {
  readonly connect: typeof connectNats;
  readonly open: WorkerOptions["open"];
  readonly sums?: WorkerOptions["sums"];
  /** Called with each line that the parent sends. */
  readonly onLine?: (line: string) => void;
}

const workerParts: WorkerParts = { connect: connectNats, open: openRun };

if (import.meta.main) await runCommand(() => workerCommand(Deno.args));

/** @returns the exit code */
export async function workerCommand(
  args: readonly string[],
  parts: WorkerParts = workerParts,
): Promise<number> {
  const given = parseFlags(args, workerFlags);
  if (given.help) {
    console.log(helpText("Usage: deno task worker --connect FILE [flags]", workerFlags));
    return exitCodes.done;
  }
  if (given["with-parent"]) endWithParent(parts.onLine);
  const leaving = Promise.withResolvers<void>();
  onInterrupt({
    onFirst(signal) {
      // A coordinator on the same terminal gets the Ctrl-C too, and decides when this one ends.
      const what = signal === "SIGINT" ? "the coordinator to stop" : "the next snapshot to leave";
      const end = isPress(signal) ? "once more ends at once" : "Ctrl-C twice ends at once";
      console.error(`Waiting for ${what}; ${end}`);
      if (signal !== "SIGINT") leaving.resolve();
    },
    onLaterWarning() {
      // Whatever the coordinator decides: a batch system ends this one soon.
      console.error("Waiting for the next snapshot to leave; Ctrl-C ends at once");
      leaving.resolve();
    },
    onSecond: () => Deno.exit(exitCodes.interrupted),
  });
  try {
    await startWorker(given, leaving.promise, parts);
  } catch (error) {
    if (!(error instanceof ExcludedError)) throw error;
    console.error(`Failed: ${sentenceOf(error)}`);
    return exitCodes.excluded;
  }
  return exitCodes.done;
}

async function startWorker(
  given: GivenFlags,
  leave: Promise<void>,
  parts: WorkerParts,
): Promise<void> {
  const name = given.name as string | undefined ??
    `${hostname().replace(/[^A-Za-z0-9-]/g, "-")}-${Deno.pid}-${secretToken(3)}`;
  if (!isWorkerName(name)) {
    throw new UsageError(`--name must be 1 to 64 letters, digits or dashes: found "${name}"`);
  }
  const joinTimeoutMs = 1000 * (given["join-timeout"] as number | undefined ?? 60);
  const find = () => findConnection(given);
  const found = await Promise.race([
    waitForConnection(find, given.connect as string | undefined, joinTimeoutMs),
    leave,
  ]);
  if (!found) return;
  let connection = found;
  const poolOf = createBrokerPools(given.insecure === true);
  const connect = async (connection: Connection, purpose: string) =>
    await parts.connect({
      ...await brokerOptions(connection),
      servers: poolOf(connection.url),
      name: `${name} ${purpose}`,
      noEcho: true,
    });
  await runWorker({
    async connect() {
      // The next coordinator may have written another address; one that is gone, removed its own.
      connection = await find().catch(() => connection);
      const control = await connect(connection, "control");
      try {
        return { control, data: await connect(connection, "data") };
      } catch (error) {
        await control.close();
        throw error;
      }
    },
    open: given.data === undefined ? parts.open : withDataAt(given.data as string, parts.open),
    sums: parts.sums,
    leave,
    get run() {
      return connection.run;
    },
    name,
    // Two machines may have one name, and the same process ids.
    where: `process ${Deno.pid} on ${hostname()}, session ${secretToken(3)}`,
    joinTimeoutMs,
    clock: systemClock,
    // A launcher has decided for all of its workers.
    engine: given["with-parent"] === true ? undefined : await usualEngine(),
    onWait(why) {
      if (given["with-parent"]) return;
      console.error(`${why}; waiting for it up to ${joinTimeoutMs / 1000} s`);
    },
    onJoined() {
      // A launcher keeps what its workers say for the message about one that fails.
      if (given["with-parent"]) return;
      console.error(`Joined as "${name}"; the coordinator shows the progress`);
    },
  });
}

/** What `--engine auto` takes on this host. A library that is named and broken is told when it is opened. */
async function usualEngine(): Promise<"tensorflow" | "wasm"> {
  const library = await locateTensorFlow().catch(() => "named");
  return library === undefined ? "wasm" : "tensorflow";
}

/** The run's data under another path; that they are the same, the coordinator finds by their hash. */
function withDataAt(path: string, open: WorkerOptions["open"]): WorkerOptions["open"] {
  return (configuration, clock) => {
    const { dataset } = configuration;
    if (dataset.path === null) {
      throw new UsageError(
        `--data ${path} does nothing for this run, which generates its data; leave it out`,
      );
    }
    return open({ ...configuration, dataset: { ...dataset, path: resolve(path) } }, clock);
  };
}

/** A worker may be started before the coordinator, which writes the file once it listens. */
async function waitForConnection(
  find: () => Promise<Connection>,
  path: string | undefined,
  waitMs: number,
): Promise<Connection> {
  const deadline = systemClock.nowMs() + waitMs;
  for (let isFirst = true;; isFirst = false) {
    try {
      return await find();
    } catch (error) {
      const isMissing = error instanceof UsageError && error.cause instanceof Deno.errors.NotFound;
      if (!isMissing || path === undefined) throw error;
      if (systemClock.nowMs() >= deadline) {
        throw new UsageError(
          `${error.message}, for ${
            waitMs / 1000
          } s; start \`deno task coordinator\`, or check --connect`,
          { cause: error },
        );
      }
      if (isFirst) console.error(`Waiting up to ${waitMs / 1000} s for ${path}`);
    }
    await delay(systemClock, findAgainMs);
  }
}

async function findConnection(given: GivenFlags): Promise<Connection> {
  if (typeof given.connect === "string") {
    const idle = ["nats", "run", "nats-token", "tls-ca", "tls-first"].find((name) =>
      given[name] !== undefined
    );
    if (idle !== undefined) {
      throw new UsageError(
        `--${idle} does nothing with --connect, whose file tells of the broker; leave one of them out`,
      );
    }
    const connection = { ...await readConnection(given.connect), ...await ownCredentials(given) };
    checkBroker(connection, given.insecure === true);
    return connection;
  }
  if (typeof given.nats === "string" && typeof given.run === "string") {
    if (!isRunName(given.run)) throw new UsageError(wrongRunName(given.run));
    return (await namedBroker(given, given.run))!;
  }
  throw new UsageError("Give --connect runs/<run>/connection.json, or --nats URL and --run NAME");
}
