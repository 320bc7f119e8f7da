/**
 * The processes of `deno task train` (broker, coordinator, workers) with a faulty proxy between each
 * of them and the broker, and a hand on each process. All have the logins and the permissions that
 * the product gives them.
 */
import { fileURLToPath } from "node:url";
import type { Clock } from "../net/clock.ts";
import { secretToken } from "../net/random.ts";
import { type Login, type WorkerLogin, workerLogins } from "../launch/broker_permissions.ts";
import { startLastingBroker } from "../launch/lasting_broker.ts";
import { type Program, runLocalCluster } from "../launch/local_cluster.ts";
import { roleEnvironment, workerPermissions } from "../launch/role_permissions.ts";
import { type FaultyProxy, startFaultyProxy } from "./faulty_proxy.ts";
import type { CoordinatorFault } from "./faulty_coordinator.ts";
import type { WorkerFault, WorkerOrder } from "./faulty_worker.ts";

export interface ChaosCluster {
  readonly proxy: FaultyProxy;
  /** The coordinator's exit code. */
  readonly ended: Promise<number>;
  /** Names of the workers that run. */
  workers(): string[];
  /** Undefined for one that does not run. */
  pid(name: string): number | undefined;
  signal(name: string, signal: Deno.Signal): void;
  brokerPid(): number;
  signalBroker(signal: Deno.Signal): void;
  /** Tells a worker that was started with faults. */
  order(name: string, order: WorkerOrder): void;
  /** Processes of the launcher's that a signal has ended, in the order of their ends. */
  readonly deaths: readonly Death[];
  /** Starts a worker by hand, as somebody on another machine would. @returns its name */
  join(): string;
  /** Starts a process with the name and the login of one that runs. @returns how it ends */
  startTwin(name: string): Promise<{ code: number; stderr: string }>;
  /** Ends what the run's end did not. */
  close(): Promise<void>;
}

export interface Death {
  readonly name: string;
  readonly signal: string;
  readonly atMs: number;
}

export interface ChaosClusterOptions {
  readonly natsServer: string;
  readonly libraryPath?: string;
  readonly out: string;
  readonly workers: number;
  /** Flags of the run. */
  readonly args: readonly string[];
  readonly clock: Clock;
  /** For a worker that is about to start; without it they are the product's own. */
  readonly workerFault?: (name: string) => WorkerFault;
  readonly coordinatorFault?: () => CoordinatorFault;
}

/** Workers that are started by hand have logins of their own; the broker knows so many. */
const joinsMax = 100;

export async function startChaosCluster(options: ChaosClusterOptions): Promise<ChaosCluster> {
  const { natsServer, libraryPath, out, workers, args, clock } = options;
  const run = secretToken(6);
  const logins = workerLogins(workers);
  const joinLogins: WorkerLogin[] = Array.from({ length: joinsMax }, (_, index) => {
    const name = `joined${index}`;
    return { user: name, password: secretToken(24), names: [name] };
  });
  const roles = { run, workers: [...logins, ...joinLogins] };
  const broker = await startLastingBroker({ binary: natsServer, clock, roles });
  const proxy = startFaultyProxy({ port: Number(new URL(broker.url).port) }, clock);
  const credentials = { user: broker.user, password: broker.password };
  const running = new Map<string, Deno.ChildProcess>();
  const deaths: Death[] = [];
  const orders = new Map<string, WritableStreamDefaultWriter<Uint8Array>>();
  const observe = (name: string, process: Deno.ChildProcess) => {
    running.set(name, process);
    void process.status.then(({ signal }) => {
      if (running.get(name) === process) running.delete(name);
      if (signal !== null) deaths.push({ name, signal, atMs: clock.nowMs() });
    });
  };
  const urlOf = (name: string) => `nats://127.0.0.1:${proxy.open(name)}`;
  const programOf = (name: string): Program | undefined => {
    const { workerFault, coordinatorFault } = options;
    if (name === "coordinator") {
      return coordinatorFault && faultyProgram("faulty_coordinator.ts", coordinatorFault());
    }
    return workerFault && faultyProgram("faulty_worker.ts", workerFault(name));
  };
  const ended = runLocalCluster({
    connection: { url: broker.url, run, credentials },
    workerLogins: logins,
    out,
    workers,
    resume: false,
    coordinatorArgs: [...args, "--workers", `${workers}`, "--out", out],
    libraryPath,
    clock,
    observer: {
      urlOf,
      programOf,
      started(name, process) {
        observe(name, process);
        // The coordinator's is the launcher's.
        if (name !== "coordinator") orders.set(name, process.stdin.getWriter());
      },
    },
  });
  // Told to who waits for it; until then it is nobody's.
  ended.catch(() => {});
  const startByHand = (name: string, login: Login, stderr: "null" | "piped") => {
    const url = urlOf(name);
    const program = programOf(name) ?? { path: pathOf("../launch/worker.ts"), ...nothing };
    return new Deno.Command(Deno.execPath(), {
      args: [
        ...["run", "--config", pathOf("../deno.json")],
        ...[...workerPermissions({ url, reads: [], libraryPath }), ...program.permissions],
        ...[program.path, ...program.args, "--nats", url, "--run", run, "--name", name],
        ...["--with-parent", "--join-timeout", "300"],
      ],
      env: {
        ...roleEnvironment,
        LOCKSTEP_NATS_USER: login.user,
        LOCKSTEP_NATS_PASSWORD: login.password,
        NO_COLOR: "1",
        ...(libraryPath === undefined ? {} : { TF_LIBRARY: libraryPath }),
      },
      stdin: "piped",
      stdout: "null",
      stderr,
      detached: true,
    }).spawn();
  };
  const joined: Deno.ChildProcess[] = [];
  return {
    proxy,
    ended,
    workers: () => [...running.keys()].filter((name) => name !== "coordinator").sort(),
    pid: (name) => running.get(name)?.pid,
    signal: (name, signal) => send(running.get(name)?.pid, signal),
    brokerPid: () => broker.pid(),
    signalBroker: (signal) => send(broker.pid(), signal),
    order(name, order) {
      const bytes = new TextEncoder().encode(`${JSON.stringify(order)}\n`);
      orders.get(name)?.write(bytes).catch(() => {});
    },
    deaths,
    join() {
      const name = `joined${joined.length}`;
      const login = joinLogins[joined.length];
      if (!login) throw new Error(`Cannot start a worker by hand: there were ${joinsMax}`);
      const process = startByHand(name, login, "null");
      joined.push(process);
      observe(name, process);
      orders.set(name, process.stdin.getWriter());
      return name;
    },
    async startTwin(name) {
      const process = startByHand(name, logins[Number(name.match(/^w(\d+)/)![1])], "piped");
      joined.push(process);
      const stderr = await new Response(process.stderr).text();
      return { code: (await process.status).code, stderr };
    },
    async close() {
      for (const process of joined) {
        send(process.pid, "SIGKILL");
        await process.status;
        if (!process.stdin.locked) await process.stdin.close().catch(() => {});
      }
      for (const writer of orders.values()) void writer.close().catch(() => {});
      proxy.close();
      send(broker.pid(), "SIGCONT");
      await broker.stop();
    },
  };
}

const nothing = { permissions: [], args: [] };

function pathOf(file: string): string {
  return fileURLToPath(new URL(file, import.meta.url));
}

/** To end itself is to run something, as Deno sees it. */
function faultyProgram(file: string, fault: WorkerFault | CoordinatorFault): Program {
  return { path: pathOf(file), permissions: ["--allow-run"], args: [JSON.stringify(fault)] };
}

function send(pid: number | undefined, signal: Deno.Signal): void {
  if (pid === undefined) return;
  try {
    Deno.kill(pid, signal);
  } catch {
    // It has ended already.
  }
}
