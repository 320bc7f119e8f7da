/**
 * The processes of `deno task train` (broker, coordinator, workers) with a faulty proxy between each
 * of them and the broker, and a hand on each process.
 */
import { secretToken } from "../net/random.ts";
import type { Clock } from "../net/clock.ts";
import { startLastingBroker } from "../launch/lasting_broker.ts";
import { runLocalCluster } from "../launch/local_cluster.ts";
import { type FaultyProxy, startFaultyProxy } from "./faulty_proxy.ts";

export interface ChaosCluster {
  readonly proxy: FaultyProxy;
  /** The coordinator's exit code. */
  readonly ended: Promise<number>;
  /** Names of the workers that run. */
  workers(): string[];
  signal(name: string, signal: Deno.Signal): void;
  signalBroker(signal: Deno.Signal): void;
  /** Starts a worker by hand, as somebody on another machine would. @returns its name */
  join(): string;
  /** Ends what the run's end did not. */
  close(): Promise<void>;
}

export interface ChaosClusterOptions {
  readonly natsServer: string;
  readonly libraryPath?: string;
  readonly out: string;
  readonly workers: number;
  /** Flags of the run. */
  readonly args: readonly string[];
  readonly clock: Clock;
}

export async function startChaosCluster(options: ChaosClusterOptions): Promise<ChaosCluster> {
  const { natsServer, libraryPath, out, workers, args, clock } = options;
  const broker = await startLastingBroker({ binary: natsServer, clock });
  const proxy = startFaultyProxy({ port: Number(new URL(broker.url).port) }, clock);
  const run = secretToken(6);
  const credentials = { user: broker.user, password: broker.password };
  const running = new Map<string, Deno.ChildProcess>();
  const observe = (name: string, process: Deno.ChildProcess) => {
    running.set(name, process);
    void process.status.then(() => {
      if (running.get(name) === process) running.delete(name);
    });
  };
  const urlOf = (name: string) => `nats://127.0.0.1:${proxy.open(name)}`;
  const ended = runLocalCluster({
    connection: { url: broker.url, run, credentials },
    out,
    workers,
    resume: false,
    coordinatorArgs: [...args, "--workers", `${workers}`, "--out", out],
    libraryPath,
    clock,
    observer: { urlOf, started: observe },
  });
  // Told to who waits for it; until then it is nobody's.
  ended.catch(() => {});
  const joined: Deno.ChildProcess[] = [];
  return {
    proxy,
    ended,
    workers: () => [...running.keys()].filter((name) => name !== "coordinator").sort(),
    signal: (name, signal) => send(running.get(name)?.pid, signal),
    signalBroker: (signal) => send(broker.pid(), signal),
    join() {
      const name = `joined${joined.length}`;
      const script = new URL("../launch/worker.ts", import.meta.url).pathname;
      const process = new Deno.Command(Deno.execPath(), {
        args: [
          ...["run", "-A", script, "--nats", urlOf(name), "--run", run, "--name", name],
          ...["--with-parent", "--join-timeout", "300"],
        ],
        env: {
          LOCKSTEP_NATS_USER: credentials.user,
          LOCKSTEP_NATS_PASSWORD: credentials.password,
          ...(libraryPath === undefined ? {} : { TF_LIBRARY: libraryPath }),
        },
        stdin: "piped",
        stdout: "null",
        stderr: "null",
        detached: true,
      }).spawn();
      joined.push(process);
      observe(name, process);
      return name;
    },
    async close() {
      for (const process of joined) {
        send(process.pid, "SIGKILL");
        await process.status;
        await process.stdin.close().catch(() => {});
      }
      proxy.close();
      send(broker.pid(), "SIGCONT");
      await broker.stop();
    },
  };
}

function send(pid: number | undefined, signal: Deno.Signal): void {
  if (pid === undefined) return;
  try {
    Deno.kill(pid, signal);
  } catch {
    // It has ended already.
  }
}
