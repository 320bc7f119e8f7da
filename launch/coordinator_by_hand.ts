/**
 * `deno task coordinator`: the head of a run whose workers are started by hand. Starts a broker unless
 * `--nats` names one, and the coordinator in a process of its own, which may do no more than its role.
 */
import { systemClock } from "../net/clock.ts";
import { secretToken } from "../net/random.ts";
import { type Login, sharedLogin } from "./broker_permissions.ts";
import { checkOwnBroker, readCertificates } from "./broker_safety.ts";
import { checkChosenModel } from "./chosen_model.ts";
import { coordinatorFlags, namedConnection } from "./coordinator.ts";
import { exitCodes, runCommand } from "./exit_codes.ts";
import { flagArgs, type FlagTable, type GivenFlags, helpText, UsageError } from "./flags.ts";
import { onInterrupt } from "./interrupts.ts";
import { type NatsServer, type NatsServerOptions, startNatsServer } from "./nats_server.ts";
import { resumeHint } from "./resume_hint.ts";
import { coordinatorPermissions, roleEnvironment } from "./role_permissions.ts";
import { discardUnstarted } from "./run_lock.ts";
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
  "tls-cert": { kind: "text", value: "FILE", help: "certificate (PEM) of its own broker" },
  "tls-key": { kind: "text", value: "FILE", help: "key (PEM) of that certificate" },
} as const satisfies FlagTable;

if (import.meta.main) {
  await runCommand(async () => {
    const given = await readFlags(Deno.args, byHandFlags);
    if (given.help) {
      console.log(helpText("Usage: deno task coordinator --workers N [flags]", byHandFlags));
      return exitCodes.done;
    }
    return await coordinateByHand(given);
  });
}

async function coordinateByHand(given: GivenFlags): Promise<number> {
  const tls = tlsOf(given);
  const host = given.host as string | undefined ?? "127.0.0.1";
  const ofOwnBroker = ["host", "port", "tls-cert", "tls-key"] as const;
  if (given.nats !== undefined && ofOwnBroker.some((name) => given[name] !== undefined)) {
    throw new UsageError(
      "Give --host, --port, --tls-cert and --tls-key for a broker of its own, or --nats for " +
        "another, not both",
    );
  }
  const named = await namedConnection(given);
  if (!named) checkOwnBroker(host, tls !== undefined, given.insecure === true);
  if (given["tls-ca"] !== undefined) await readCertificates(given["tls-ca"] as string);
  const request = await requestRun(given);
  const found = await checkChosenModel(
    request.configuration.model,
    request.resume ? { path: request.out!, modelSource: request.savedSource } : undefined,
  );
  const { out, isNew, configuration } = await resolveRun(
    found === undefined ? given : { ...given, "model-source": found },
  );
  const { workers, engine, model: { name: model, source } } = configuration;
  const run = named?.run ?? given.run as string | undefined ?? secretToken(6);
  // All workers share what is in the connection file, and with it one login.
  const workerLogin = sharedLogin();
  let code: number = exitCodes.failed;
  let broker: NatsServer | undefined;
  try {
    if (!named) {
      const port = given.port as number | undefined ?? 4222;
      broker = await startBroker({ host, port, tls, roles: { run, workers: [workerLogin] } });
    }
    const { config: _, ...flags } = given;
    const url = named?.url ?? broker!.url;
    const args = flagArgs(
      {
        ...flags,
        nats: url,
        run,
        out,
        workers,
        engine,
        model,
        ...(source === undefined ? {} : { "model-source": source }),
        announce: true,
        "with-parent": true,
      },
      coordinatorFlags,
    );
    const reads = ["tls-ca", "nats-credentials"].flatMap((name) =>
      typeof given[name] === "string" ? [given[name]] : []
    );
    code = await runProcess({
      permissions: coordinatorPermissions({ url, out, reads }),
      args,
      env: {
        ...roleEnvironment,
        ...(broker ? loginOf("LOCKSTEP_NATS", broker) : {}),
        ...(broker ? loginOf("LOCKSTEP_WORKER", workerLogin) : {}),
      },
      out,
    });
    return code;
  } finally {
    await broker?.stop();
    if (isNew && code !== exitCodes.done) await discardUnstarted(out);
  }
}

function loginOf(prefix: string, { user, password }: Login): Record<string, string> {
  return { [`${prefix}_USER`]: user, [`${prefix}_PASSWORD`]: password };
}

/** Runs the coordinator to its end. @returns its exit code */
async function runProcess(
  { permissions, args, env, out }: {
    permissions: readonly string[];
    args: readonly string[];
    env: Readonly<Record<string, string>>;
    out: string;
  },
): Promise<number> {
  const folder = import.meta.dirname!;
  const config = ["--config", `${folder}/../deno.json`];
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", ...config, ...permissions, `${folder}/coordinator.ts`, ...args],
    env,
    // Its end is how it learns of ours.
    stdin: "piped",
    stdout: "inherit",
    stderr: "inherit",
    // Ctrl-C in the terminal reaches this process alone, which passes it on.
    detached: true,
  }).spawn();
  const kill = (signal: Deno.Signal) => {
    try {
      child.kill(signal);
    } catch {
      // It has ended already.
    }
  };
  let isEnded = false;
  const stopListening = onInterrupt({
    onFirst: () => kill("SIGINT"),
    onSecond() {
      isEnded = true;
      kill("SIGKILL");
    },
  }, systemClock);
  try {
    const { code, signal } = await child.status;
    if (signal === null) return code;
    await Deno.remove(`${out}/connection.json`).catch(() => {});
    if (isEnded) return exitCodes.interrupted;
    throw new Error(
      `The coordinator (process ${child.pid}) was ended by ${signal}${await resumeHint(out)}`,
    );
  } finally {
    stopListening();
    await child.stdin.close().catch(() => {});
  }
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

async function startBroker(options: Omit<NatsServerOptions, "binary">): Promise<NatsServer> {
  const { natsServer, problems } = await setUp({ needs: ["nats-server"] });
  if (!natsServer) {
    throw new Error(`Cannot start a broker: ${problems.join("; ")}; or name one with --nats`);
  }
  return await startNatsServer({ binary: natsServer.path, ...options });
}
