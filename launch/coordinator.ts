/**
 * `deno task coordinator`: the head of a run. Starts a broker of its own unless `--nats` names one,
 * writes how to join into the run's folder, and waits for its workers.
 */
import { connectNats } from "../net/nats_transport.ts";
import { secretToken } from "../net/random.ts";
import { type Connection, credentialsFromEnvironment, writeConnection } from "./connection_file.ts";
import { coordinate } from "./coordinate.ts";
import { exitCodes, runCommand } from "./exit_codes.ts";
import { type FlagTable, type GivenFlags, helpText, UsageError } from "./flags.ts";
import { onInterrupt } from "./interrupts.ts";
import { type NatsServer, startNatsServer } from "./nats_server.ts";
import { endWithParent } from "./parent_process.ts";
import { discardUnstarted } from "./run_lock.ts";
import { commandFlags, readFlags, resolveRun } from "./run_options.ts";
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
  run: {
    kind: "text",
    value: "NAME",
    help: "the run's name on the broker",
    defaultText: "generated",
  },
  "with-parent": { kind: "switch", help: "end when standard input ends" },
  ...commandFlags,
} as const satisfies FlagTable;

if (import.meta.main) {
  await runCommand(async () => {
    const given = await readFlags(Deno.args, coordinatorFlags);
    if (given.help) {
      console.log(helpText("Usage: deno task coordinator --workers N [flags]", coordinatorFlags));
      return exitCodes.done;
    }
    return await runCoordinator(given);
  });
}

async function runCoordinator(given: GivenFlags): Promise<number> {
  if (given.nats !== undefined && (given.port !== undefined || given.host !== undefined)) {
    throw new UsageError(
      "Give --host and --port for a broker of its own, or --nats for another, not both",
    );
  }
  const options = await resolveRun(given);
  const { out, isNew, configuration: { workers, engine } } = options;
  const isByHand = given["with-parent"] !== true;
  const run = given.run as string | undefined ?? secretToken(6);
  const connectionPath = `${out}/connection.json`;
  let code: number = exitCodes.failed;
  let broker: NatsServer | undefined;
  try {
    broker = given.nats === undefined ? await startBroker(given) : undefined;
    const connection: Connection = broker
      ? { url: broker.url, run, credentials: { user: broker.user, password: broker.password } }
      : { url: given.nats as string, run, credentials: credentialsFromEnvironment() };
    const transport = await connectNats({
      servers: connection.url,
      credentials: connection.credentials,
      name: `coordinator of ${run}`,
    });
    let removeConnection = () => {};
    try {
      code = await coordinate(transport, run, options, {
        async onStart(coordinator, say) {
          onInterrupt({
            onFirst: () => coordinator.stop(),
            onSecond() {
              removeConnection();
              Deno.exit(exitCodes.interrupted);
            },
          });
          if (!isByHand) return endWithParent((line) => coordinator.fail(line));
          await writeConnection(connectionPath, connection);
          removeConnection = () => Deno.removeSync(connectionPath);
          say(
            `Waiting for ${workers} ${
              workers === 1 ? "worker" : "workers"
            } with engine ${engine}: ` +
              `deno task worker --connect ${connectionPath}`,
          );
        },
      });
    } finally {
      removeConnection();
      await transport.close();
    }
    return code;
  } finally {
    await broker?.stop();
    // A launcher that took the folder looks after it itself.
    if (isByHand && isNew && code !== exitCodes.done) await discardUnstarted(out);
  }
}

async function startBroker(given: GivenFlags) {
  const { natsServer, problems } = await setUp({ needs: ["nats-server"] });
  if (!natsServer) {
    throw new Error(`Cannot start a broker: ${problems.join("; ")}; or name one with --nats`);
  }
  return await startNatsServer({
    binary: natsServer.path,
    host: given.host as string | undefined,
    port: given.port as number | undefined ?? 4222,
  });
}
