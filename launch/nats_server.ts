/**
 * Starts a nats-server of our own, for a cluster on this machine: on the loopback interface, with
 * generated credentials, and gone when the launcher is gone.
 *
 * A shell stands in front of the server. It forks a watcher that waits on the pipe from the
 * launcher, then becomes nats-server itself, so that process id and exit status are the server's
 * own. When the launcher dies, however it dies, the pipe ends and the watcher kills the server and
 * removes its files. The server runs in its own session, so that Ctrl-C in the terminal reaches the
 * launcher alone, which still needs the broker to write the last checkpoint.
 */
import { type Clock, delay, systemClock } from "../net/clock.ts";
import { secretToken } from "../net/random.ts";
import {
  coordinatorPermissions,
  type Login,
  type WorkerLogin,
  workerPermissions,
} from "./broker_permissions.ts";

export interface NatsServerOptions {
  /** Path of the nats-server binary, or its name on PATH. */
  readonly binary: string;
  /** @default {"127.0.0.1"} */
  readonly host?: string;
  /** @default generated ones */
  readonly credentials?: Login;
  /** Who may say what; without it the one login may do everything. */
  readonly roles?: {
    readonly run: string;
    /** One for each; as many as may be told apart. */
    readonly workers: readonly WorkerLogin[];
  };
  /** Files in PEM; with them the server speaks TLS only. */
  readonly tls?: { readonly certificatePath: string; readonly keyPath: string };
  /** 0 takes a free one. @default {0} */
  readonly port?: number;
  /** Largest message. @default {1048576} */
  readonly payloadBytesMax?: number;
  /** What the server queues for one connection before it cuts it off. @default {268435456} */
  readonly pendingBytesMax?: number;
  /** @default {10000} */
  readonly startTimeoutMs?: number;
  /** After this long SIGTERM is followed by SIGKILL. @default {3000} */
  readonly stopTimeoutMs?: number;
  readonly clock?: Clock;
}

export interface NatsServer {
  /** Without credentials, e.g. "nats://127.0.0.1:41234". */
  readonly url: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly pid: number;
  /** Resolves when the server has ended, with its last log lines: soon only if it failed. */
  readonly ended: Promise<string>;
  /** Ends the server and removes its files. May be called again; all calls wait for the end. */
  stop(): Promise<void>;
}

/** nats-server is missing, refused to start or did not become ready. */
export class NatsServerError extends Error {
  override readonly name = "NatsServerError";
}

/**
 * A connection whose other end takes nothing for this long is cut. A worker on wasm reads nothing while
 * one call computes, so it is what every worker may be silent for
 * (`coordinator/membership/failure_detector.ts`): 10 s, the server's default, would take it for dead.
 * What waits for it meanwhile is bounded by `max_pending`.
 */
const writeDeadlineSeconds = 600;
/** Of the server; who answers none of three is cut, which is not to be sooner than that. */
const pingIntervalSeconds = 240;

// $1 is the folder, $2 the binary. `read` succeeds when stop() says so, and fails when the pipe
// ends without a word; only then is the server's process id certain to be still the server's.
const SUPERVISOR = `
exec 3<&0
{ read -r _ <&3 || { kill -KILL $$; rm -rf -- "$1"; }; } >/dev/null 2>&1 &
exec "$2" -c "$1/nats-server.conf" 3<&- </dev/null >"$1/output.log" 2>&1`;

/**
 * Starts nats-server and waits until it takes connections.
 * @throws {NatsServerError} if the binary is missing, the port is taken, or the server ends or is
 * not ready within `startTimeoutMs`
 */
export async function startNatsServer(options: NatsServerOptions): Promise<NatsServer> {
  const { host = "127.0.0.1", port = 0, startTimeoutMs = 10_000, stopTimeoutMs = 3_000 } = options;
  const clock = options.clock ?? systemClock;
  const folder = await temporaryFolder();
  const { user, password } = options.credentials ??
    { user: "lockstep", password: secretToken(24) };
  const configuration = serverConfiguration({ ...options, host, port, user, password, folder });
  try {
    // With what the server writes at its start: a folder that is full is found now, and by its name.
    await Deno.writeTextFile(`${folder}/room`, " ".repeat(roomBytes));
    await Deno.remove(`${folder}/room`);
    await Deno.writeTextFile(`${folder}/nats-server.conf`, configuration, { mode: 0o600 });
  } catch (cause) {
    await Deno.remove(folder, { recursive: true }).catch(() => {});
    throw noTemporaryFolder(cause);
  }

  const child = new Deno.Command("/bin/sh", {
    args: ["-c", SUPERVISOR, "sh", folder, options.binary],
    stdin: "piped",
    stdout: "null",
    stderr: "null",
    detached: true,
  }).spawn();
  const pipe = child.stdin.getWriter();
  let running = true;
  const ended = child.status.then(async () => {
    running = false;
    const log = await lastLogLines(folder);
    await pipe.write(new TextEncoder().encode("ended\n")).catch(() => {});
    await pipe.close().catch(() => {});
    await Deno.remove(folder, { recursive: true }).catch(() => {});
    return log;
  });

  let stopping: Promise<void> | undefined;
  function stop(): Promise<void> {
    stopping ??= (async () => {
      if (running) child.kill("SIGTERM");
      const cancel = clock.after(stopTimeoutMs, () => running && child.kill("SIGKILL"));
      await ended;
      cancel();
    })();
    return stopping;
  }

  const address = await waitForAddress({ folder, startTimeoutMs, clock, isRunning: () => running });
  if (address !== undefined) {
    const url = `${options.tls ? "tls" : "nats"}://${
      host.includes(":") ? `[${host}]` : host
    }:${address}`;
    return { url, port: address, user, password, pid: child.pid, ended, stop };
  }
  const failedByItself = !running;
  await stop();
  const log = await ended;
  throw new NatsServerError(
    failedByItself ? explainExit(options.binary, host, port, log) : withLog(
      `Cannot start nats-server "${options.binary}": not ready within ${startTimeoutMs} ms`,
      log,
    ),
  );
}

/** More than its ports file, its process's output and the first lines of its log. */
const roomBytes = 64 << 10;

/** @throws {NatsServerError} naming the variable that says where it is */
async function temporaryFolder(): Promise<string> {
  try {
    return await Deno.makeTempDir({ prefix: "lockstep-nats-" });
  } catch (cause) {
    throw noTemporaryFolder(cause);
  }
}

function noTemporaryFolder(cause: unknown): NatsServerError {
  const why = (cause instanceof Error ? cause.message : String(cause)).replace(/: .*$/, "");
  const names = Deno.build.os === "windows" ? ["TMP", "TEMP"] : ["TMPDIR"];
  const set = names.find((name) => Deno.env.get(name));
  const where = set === undefined
    ? "the system's folder for temporary files"
    : `${set}="${Deno.env.get(set)}"`;
  return new NatsServerError(
    `Cannot write temporary files in ${where}: ${why}; set ${names[0]} to a folder that can be ` +
      "written and has room",
    { cause },
  );
}

interface Configuration extends NatsServerOptions {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly folder: string;
}

/** The credentials are in a file that only this user reads: a command line is public on the host. */
function serverConfiguration(
  {
    host,
    port,
    user,
    password,
    folder,
    payloadBytesMax = 1 << 20,
    pendingBytesMax = 256 << 20,
    roles,
    tls,
  }: Configuration,
): string {
  const users = roles === undefined ? [{ user, password }] : [
    { user, password, permissions: coordinatorPermissions(roles.run, user) },
    ...roles.workers.map((login) => ({
      user: login.user,
      password: login.password,
      permissions: workerPermissions(roles.run, login),
    })),
  ];
  return [
    // No monitoring port: it has no login and answers any page in the user's browser.
    `host: ${JSON.stringify(host)}`,
    `port: ${port === 0 ? -1 : port}`,
    `authorization { users: ${JSON.stringify(users)} }`,
    ...(tls === undefined ? [] : [
      `tls { cert_file: ${JSON.stringify(tls.certificatePath)}, key_file: ${
        JSON.stringify(tls.keyPath)
      } }`,
    ]),
    `max_payload: ${payloadBytesMax}`,
    `max_pending: ${pendingBytesMax}`,
    `write_deadline: "${writeDeadlineSeconds}s"`,
    `ping_interval: "${pingIntervalSeconds}s"`,
    `ports_file_dir: ${JSON.stringify(folder)}`,
    `log_file: ${JSON.stringify(`${folder}/server.log`)}`,
    `logfile_size_limit: ${16 << 20}`,
    `logfile_max_num: 2`,
  ].join("\n") + "\n";
}

/** The port, once the server has written its ports file and greets on it; undefined if it never does. */
async function waitForAddress(
  { folder, startTimeoutMs, clock, isRunning }: {
    folder: string;
    startTimeoutMs: number;
    clock: Clock;
    isRunning: () => boolean;
  },
): Promise<number | undefined> {
  const startMs = clock.nowMs();
  while (isRunning() && clock.nowMs() - startMs < startTimeoutMs) {
    const address = await readPortsFile(folder);
    if (address !== undefined && await greets(address)) return Number(address.port);
    await delay(clock, 10);
  }
}

/** nats-server writes `<name>_<pid>.ports` when its listeners are open: {"nats": ["nats://…"]}. */
async function readPortsFile(folder: string): Promise<URL | undefined> {
  try {
    for await (const entry of Deno.readDir(folder)) {
      if (!entry.name.endsWith(".ports")) continue;
      const { nats } = JSON.parse(await Deno.readTextFile(`${folder}/${entry.name}`));
      return new URL(nats[0]);
    }
  } catch {
    // Not written to the end yet, or the folder is being removed: asked again.
  }
}

async function greets(address: URL): Promise<boolean> {
  try {
    const hostname = address.hostname.replace(/^\[|\]$/g, "");
    using connection = await Deno.connect({ hostname, port: Number(address.port) });
    const head = new Uint8Array(4);
    await connection.read(head);
    return new TextDecoder().decode(head) === "INFO";
  } catch {
    return false;
  }
}

async function lastLogLines(folder: string): Promise<string> {
  const texts = await Promise.all(
    ["output.log", "server.log"].map((name) =>
      Deno.readTextFile(`${folder}/${name}`).catch(() => "")
    ),
  );
  return texts.join("").trim().split("\n").slice(-5).join("\n");
}

function explainExit(binary: string, host: string, port: number, log: string): string {
  if (/address already in use/i.test(log)) {
    return `Cannot start nats-server on ${host}:${port}: the port is in use; ` +
      `give another one, or 0 for any free one`;
  }
  if (/not found|no such file|permission denied/i.test(log) && !/nats-server\.conf/.test(log)) {
    return withLog(
      `Cannot start nats-server "${binary}": not there or not executable; run "deno task setup"`,
      log,
    );
  }
  return withLog(`Cannot start nats-server "${binary}": it ended at once`, log);
}

function withLog(message: string, log: string): string {
  return log === "" ? message : `${message}; it said: ${log}`;
}
