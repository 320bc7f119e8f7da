/**
 * `deno task coordinator`: the head of a run. Starts a broker of its own unless `--nats` names one,
 * writes how to join into the run's folder, and waits for its workers.
 */
import { connectNats } from "../net/nats_transport.ts";
import type { Coordinator } from "../coordinator/run_coordinator.ts";
import { secretToken } from "../net/random.ts";
import { type Connection, credentialsFromEnvironment, writeConnection } from "./connection_file.ts";
import { coordinate } from "./coordinate.ts";
import { exitCodes, runCommand } from "./exit_codes.ts";
import { type FlagTable, type GivenFlags, helpText } from "./flags.ts";
import { startNatsServer } from "./nats_server.ts";
import { endWithParent } from "./parent_process.ts";
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
  const options = await resolveRun(given);
  const run = given.run as string | undefined ?? secretToken(6);
  const broker = given.nats === undefined ? await startBroker(given) : undefined;
  const connection: Connection = broker
    ? { url: broker.url, run, credentials: { user: broker.user, password: broker.password } }
    : { url: given.nats as string, run, credentials: credentialsFromEnvironment() };
  const path = `${options.out}/connection.json`;
  try {
    const transport = await connectNats({
      servers: connection.url,
      credentials: connection.credentials,
      name: `coordinator of ${run}`,
    });
    if (!given["with-parent"]) {
      await Deno.mkdir(options.out, { recursive: true });
      await writeConnection(path, connection);
      const { workers } = options.configuration;
      console.error(`Waiting for ${workers} × deno task worker --connect ${path}`);
    }
    try {
      return await coordinate(transport, run, options, {
        onStart: (coordinator) => listenForTheEnd(coordinator, given["with-parent"] === true),
      });
    } finally {
      await transport.close();
    }
  } finally {
    await broker?.stop();
    await Deno.remove(path).catch(() => {});
  }
}

async function startBroker(given: GivenFlags) {
  const { natsServer } = await setUp({ needs: ["nats-server"] });
  if (!natsServer) {
    throw new Error(
      "Cannot start a broker: no nats-server found; install it, set NATS_SERVER, or name a running " +
        "one with --nats",
    );
  }
  return await startNatsServer({
    binary: natsServer.path,
    port: given.port as number | undefined ?? 4222,
  });
}

/** The first signal asks for a checkpoint and a stop, the second ends at once. */
function listenForTheEnd(coordinator: Coordinator, hasParent: boolean): void {
  let asked = false;
  const stop = () => {
    if (asked) Deno.exit(exitCodes.interrupted);
    asked = true;
    coordinator.stop();
  };
  Deno.addSignalListener("SIGINT", stop);
  Deno.addSignalListener("SIGTERM", stop);
  if (hasParent) endWithParent((line) => coordinator.fail(line));
}
