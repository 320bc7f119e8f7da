/**
 * `deno task coordinator`: the head of a run. Starts a broker of its own unless `--nats` names one,
 * writes how to join into the run's folder, and waits for its workers.
 */
import { listCheckpoints } from "../coordinator/checkpoint_folder.ts";
import { diskFileSystem } from "../coordinator/file_system.ts";
import { BrokerLostError, type Coordinator } from "../coordinator/run_coordinator.ts";
import { delay, systemClock } from "../net/clock.ts";
import { connectNats, type NatsOptions } from "../net/nats_transport.ts";
import {
  LoginRefusedError,
  notPermittedOn,
  type Transport,
  TransportError,
} from "../net/transport.ts";
import { secretToken } from "../net/random.ts";
import { sharedLogin } from "./broker_permissions.ts";
import {
  caFlag,
  checkBroker,
  checkOwnBroker,
  insecureFlag,
  readCertificates,
} from "./broker_safety.ts";
import {
  type Connection,
  credentialsFromEnvironment,
  isRunName,
  writeConnection,
  wrongRunName,
} from "./connection_file.ts";
import { coordinate, type Coordination } from "./coordinate.ts";
import { credentialsFlag, readCredentialsFile } from "./credentials_file.ts";
import { exitCodes, runCommand } from "./exit_codes.ts";
import { type FlagTable, type GivenFlags, helpText, UsageError } from "./flags.ts";
import { checkChosenModel } from "./chosen_model.ts";
import { onInterrupt } from "./interrupts.ts";
import type { Order } from "./local_cluster.ts";
import { type NatsServer, type NatsServerOptions, startNatsServer } from "./nats_server.ts";
import { endWithParent } from "./parent_process.ts";
import { resumeHint } from "./resume_hint.ts";
import { discardUnstarted } from "./run_lock.ts";
import { commandFlags, readFlags, requestRun, resolveRun, type RunOptions } from "./run_options.ts";
import { setUp } from "./setup.ts";

const coordinatorFlags = {
  nats: {
    kind: "text",
    value: "URL",
    help: "broker to use; login from LOCKSTEP_NATS_USER and LOCKSTEP_NATS_PASSWORD",
    defaultText: "one of its own on this machine",
  },
  port: {
    kind: "integer",
    value: "PORT",
    min: 0,
    max: 65_535,
    help: "port of its own broker, 0 for any free one",
    defaultText: "4222",
  },
  host: {
    kind: "text",
    value: "ADDRESS",
    help: "this machine's address for its own broker, where workers on other hosts reach it",
    defaultText: "127.0.0.1",
  },
  "nats-credentials": credentialsFlag,
  "tls-cert": { kind: "text", value: "FILE", help: "certificate (PEM) of its own broker" },
  "tls-key": { kind: "text", value: "FILE", help: "key (PEM) of that certificate" },
  "tls-ca": caFlag,
  insecure: insecureFlag,
  run: {
    kind: "text",
    value: "NAME",
    help: "the run's name on the broker",
    defaultText: "generated",
  },
  "with-parent": { kind: "switch", help: "end when standard input ends" },
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
    console.log(helpText("Usage: deno task coordinator --workers N [flags]", coordinatorFlags));
    return exitCodes.done;
  }
  return await runCoordinator(given, disks);
}

async function runCoordinator(
  given: GivenFlags,
  disks: Coordination["disks"],
): Promise<number> {
  if (given.nats !== undefined && (given.port !== undefined || given.host !== undefined)) {
    throw new UsageError(
      "Give --host and --port for a broker of its own, or --nats for another, not both",
    );
  }
  const credentialsPath = given["nats-credentials"] as string | undefined;
  if (credentialsPath !== undefined) {
    if (given.nats === undefined) throw new UsageError("Give --nats-credentials with --nats");
    // What is wrong with it is told before the run's folder is made.
    await readCredentialsFile(credentialsPath);
  }
  const run = given.run as string | undefined ?? secretToken(6);
  if (!isRunName(run)) throw new UsageError(wrongRunName(run));
  const isInsecure = given.insecure === true;
  const ca = given["tls-ca"] === undefined
    ? undefined
    : await readCertificates(given["tls-ca"] as string);
  if (given.nats === undefined) {
    checkOwnBroker(hostOf(given), tlsOf(given) !== undefined, isInsecure);
  }
  const named: Connection | undefined = given.nats === undefined ? undefined : {
    url: given.nats as string,
    run,
    credentials: credentialsFromEnvironment(),
    credentialsPath,
    ca,
  };
  if (named) checkBroker(named, isInsecure);
  if (given["with-parent"] !== true) {
    await checkChosenModel((await requestRun(given)).configuration.model);
  }
  const options = await resolveRun(given);
  const { out, isNew, configuration: { workers, engine } } = options;
  const isByHand = given["with-parent"] !== true;
  const connectionPath = `${out}/connection.json`;
  let code: number = exitCodes.failed;
  let broker: NatsServer | undefined;
  try {
    // All workers share what is in the connection file, and with it one login.
    const workerLogin = sharedLogin();
    broker = named ? undefined : await startBroker(given, { run, workers: [workerLogin] });
    const connection: Connection = named ?? {
      url: broker!.url,
      run,
      credentials: { user: broker!.user, password: broker!.password },
      ca,
    };
    const { user, password } = workerLogin;
    const { credentialsPath: _, ...shareable } = named ?? connection;
    const forWorkers = named ? shareable : { ...shareable, credentials: { user, password } };
    let removeConnection = () => {};
    let coordinator: Coordinator | undefined;
    let isStopping = false;
    onInterrupt({
      onFirst() {
        isStopping = true;
        coordinator?.stop();
      },
      onSecond() {
        removeConnection();
        Deno.exit(exitCodes.interrupted);
      },
    });
    if (!isByHand) endWithParent((line) => obey(coordinator, line));
    try {
      code = await coordinateThroughLosses(connection, options, () => isStopping, {
        disks,
        async onStart(started, say) {
          const isFirst = coordinator === undefined;
          coordinator = started;
          // Asked for before there was one to ask.
          if (isStopping) started.stop();
          if (!isByHand || !isFirst) return;
          await writeConnection(connectionPath, forWorkers);
          removeConnection = () => Deno.removeSync(connectionPath);
          say(
            `Waiting for ${workers} ${
              workers === 1 ? "worker" : "workers"
            } with engine ${engine}: ` +
              `deno task worker --connect ${connectionPath}` +
              (named?.credentialsPath === undefined ? "" : " --nats-credentials FILE --name NAME"),
          );
        },
      });
    } finally {
      removeConnection();
    }
    return code;
  } finally {
    await broker?.stop();
    // A launcher that took the folder looks after it itself.
    if (isByHand && isNew && code !== exitCodes.done) await discardUnstarted(out);
  }
}

/**
 * When the broker is gone, waits for it to come back and goes on from what was saved; a run that was to
 * stop is at its end then.
 */
async function coordinateThroughLosses(
  { url, credentials, credentialsPath, run, ca }: Connection,
  options: RunOptions,
  isStopping: () => boolean,
  coordination: Coordination,
): Promise<number> {
  let resume = options.resume;
  for (let isFirst = true;; isFirst = false) {
    const transport = await connectInTime(
      {
        servers: url,
        caCertificates: ca === undefined ? undefined : [ca],
        name: `coordinator of ${run}`,
      },
      async () =>
        credentialsPath === undefined ? credentials : await readCredentialsFile(credentialsPath),
      isFirst ? 0 : options.configuration.membership.waitTimeoutMs,
      isStopping,
    );
    if (transport === undefined) {
      console.error(`Interrupted${await resumeHint(options.out)}`);
      return exitCodes.interrupted;
    }
    try {
      return await coordinate(transport, run, { ...options, resume }, coordination);
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

async function connectInTime(
  options: NatsOptions,
  login: () => Promise<NatsOptions["credentials"]>,
  waitMs: number,
  isStopping: () => boolean,
): Promise<Transport | undefined> {
  const deadline = systemClock.nowMs() + waitMs;
  while (!isStopping()) {
    try {
      return await connectNats({ ...options, credentials: await login() });
    } catch (error) {
      // A broker that is there and refuses will refuse again.
      if (!(error instanceof TransportError) || error instanceof LoginRefusedError) throw error;
      if (systemClock.nowMs() >= deadline) throw error;
    }
    await delay(systemClock, reconnectMs);
  }
}

/** A line from the launcher. */
function obey(coordinator: Coordinator | undefined, line: string): void {
  const { lost, reason } = JSON.parse(line) as Order;
  if (reason === undefined) coordinator?.abandoned();
  else if (lost === undefined) coordinator?.fail(reason);
  else coordinator?.workerLost(lost, reason);
}

function hostOf(given: GivenFlags): string {
  return given.host as string | undefined ?? "127.0.0.1";
}

/** @throws {UsageError} for one without the other */
function tlsOf(given: GivenFlags): NatsServerOptions["tls"] {
  const [certificatePath, keyPath] = [
    given["tls-cert"],
    given["tls-key"],
  ] as (string | undefined)[];
  if (certificatePath === undefined && keyPath === undefined) return undefined;
  if (certificatePath === undefined || keyPath === undefined) {
    throw new UsageError("Give --tls-cert and --tls-key together");
  }
  return { certificatePath, keyPath };
}

async function startBroker(given: GivenFlags, roles: NatsServerOptions["roles"]) {
  const { natsServer, problems } = await setUp({ needs: ["nats-server"] });
  if (!natsServer) {
    throw new Error(`Cannot start a broker: ${problems.join("; ")}; or name one with --nats`);
  }
  return await startNatsServer({
    binary: natsServer.path,
    host: hostOf(given),
    tls: tlsOf(given),
    roles,
    port: given.port as number | undefined ?? 4222,
  });
}
