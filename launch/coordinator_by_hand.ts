/**
 * `deno task coordinator`: the head of a run whose workers are started by hand. Starts a broker unless
 * `--nats` names one, and the coordinator in a process of its own, which may do no more than its role.
 * Either is started again when something kills it. Where this process itself was killed, the workers
 * wait; the connection file that it left says where and with which login the next one must be found.
 */
import { systemClock } from "../net/clock.ts";
import { secretToken } from "../net/random.ts";
import { sharedLogin } from "./broker_permissions.ts";
import { checkOwnBroker, readCertificates } from "./broker_safety.ts";
import { checkChosenModel } from "./chosen_model.ts";
import { type Connection, connectionPath, readConnection } from "./connection_file.ts";
import { coordinatorFlags, namedConnection } from "./coordinator.ts";
import { exitCodes, runCommand } from "./exit_codes.ts";
import { flagArgs, type FlagTable, type GivenFlags, helpText, UsageError } from "./flags.ts";
import { type LastingBroker, startLastingBroker } from "./lasting_broker.ts";
import { runLocalCluster } from "./local_cluster.ts";
import type { NatsServerOptions } from "./nats_server.ts";
import { brokerFileFlags } from "./named_broker.ts";
import { optionsHelp } from "./options_help.ts";
import { discardUnstarted, lockRunFolder } from "./run_lock.ts";
import { readFlags, requestRun, resolveRun } from "./run_options.ts";
import { setUp } from "./setup.ts";

const { "with-parent": _, announce: __, "model-source": ___, ...shared } = coordinatorFlags;
const byHandFlags = {
  ...shared,
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
  "tls-cert": {
    ...shared["tls-cert"],
    help: "certificate (PEM) of its own broker, or to show to one that asks for it",
  },
} as const satisfies FlagTable;

if (import.meta.main) {
  await runCommand(async () => {
    const given = await readFlags(Deno.args, byHandFlags);
    if (given.help) {
      console.log(
        helpText("Usage: deno task coordinator --workers N [flags]", byHandFlags) +
          await optionsHelp(given),
      );
      return exitCodes.done;
    }
    return await coordinateByHand(given);
  });
}

async function coordinateByHand(given: GivenFlags): Promise<number> {
  const tls = given.nats === undefined ? tlsOf(given) : undefined;
  const ofOwnBroker = ["host", "port"] as const;
  if (given.nats !== undefined && ofOwnBroker.some((name) => given[name] !== undefined)) {
    throw new UsageError(
      "Give --host and --port for a broker of its own, or --nats for another, not both",
    );
  }
  const request = await requestRun(given);
  const left = request.out === undefined ? undefined : await leftConnection(request.out);
  const run = given.run as string | undefined ?? left?.run ?? secretToken(6);
  const named = await namedConnection({ ...given, run });
  const { host, port } = ownAddress(given, left);
  if (!named) checkOwnBroker(host, tls !== undefined, given.insecure === true);
  if (given["tls-ca"] !== undefined) await readCertificates(given["tls-ca"] as string);
  const found = await checkChosenModel(
    request.configuration.model,
    request.resume ? { path: request.out!, modelSource: request.savedSource } : undefined,
  );
  const { out, isNew, resume, configuration, isEngineOpen, warnings } = await resolveRun(
    found === undefined ? given : { ...given, "model-source": found },
  );
  const { workers, engine, model: { name: model, source }, initialWeights } = configuration;
  // All workers share what is in the connection file, and with it one login.
  const workerLogin = left?.credentials && "user" in left.credentials
    ? left.credentials
    : sharedLogin();
  for (const warning of warnings) console.error(`Warning: ${warning}`);
  let code: number = exitCodes.failed;
  let broker: LastingBroker | undefined;
  try {
    if (!named) {
      broker = await startBroker({ host, port, tls, roles: { run, workers: [workerLogin] } });
    }
    const { config: _, nats: __, run: ___, resume: ____, ...all } = given;
    const flags = named ? all : withoutBrokerFlags(all);
    // No more than it is told of: the private key of a broker of its own is the broker's alone.
    const reads = brokerFileFlags.flatMap((name) =>
      typeof flags[name] === "string" ? [flags[name]] : []
    ).concat(initialWeights === null ? [] : [initialWeights.path]);
    code = await runLocalCluster({
      connection: broker
        ? { url: broker.url, run, credentials: { user: broker.user, password: broker.password } }
        : named!,
      isNamedBroker: named !== undefined,
      announcedLogin: broker && workerLogin,
      out,
      workers: 0,
      resume,
      coordinatorArgs: flagArgs(
        {
          ...{ ...flags, out, workers, model, announce: true },
          engine: isEngineOpen ? "auto" : engine,
          ...(source === undefined ? {} : { "model-source": source }),
          ...(initialWeights === null ? {} : { init: initialWeights.path }),
        },
        coordinatorFlags,
      ),
      reads: { coordinator: reads, worker: [] },
      clock: systemClock,
    });
    // A coordinator that was ended by a second Ctrl-C has not taken it back; no one is to wait for more.
    if (code === exitCodes.interrupted) await Deno.remove(connectionPath(out)).catch(() => {});
    return code;
  } finally {
    await broker?.stop();
    if (isNew && code !== exitCodes.done) await discardUnstarted(out);
  }
}

/**
 * How the workers of a coordinator that has died wait for the next one; undefined where none has.
 * @throws {Error} if it is still alive
 */
async function leftConnection(out: string): Promise<Connection | undefined> {
  const path = connectionPath(out);
  if (await Deno.stat(path).then(() => false, () => true)) return undefined;
  (await lockRunFolder(out))[Symbol.dispose]();
  return await readConnection(path);
}

/** Where its own broker listens: where workers wait for it, unless other flags are given. */
function ownAddress(
  given: GivenFlags,
  left: Connection | undefined,
): { host: string; port: number } {
  const before = left && URL.parse(left.url);
  const port = given.port as number | undefined;
  return {
    host: given.host as string | undefined ?? before?.hostname.replace(/^\[|\]$/g, "") ??
      "127.0.0.1",
    port: port || Number(before?.port || (port ?? 4222)),
  };
}

/** The certificate of its own broker is none to show to it. */
function withoutBrokerFlags(flags: GivenFlags): GivenFlags {
  const { "tls-cert": _, "tls-key": __, ...rest } = flags;
  return rest;
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

async function startBroker(
  options: Pick<NatsServerOptions, "host" | "port" | "roles" | "tls">,
): Promise<LastingBroker> {
  const { natsServer, problems } = await setUp({ needs: ["nats-server"] });
  if (!natsServer) {
    throw new Error(`Cannot start a broker: ${problems.join("; ")}; or name one with --nats`);
  }
  return await startLastingBroker({ binary: natsServer.path, clock: systemClock, ...options });
}
