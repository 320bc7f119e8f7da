/**
 * A whole cluster on this machine: one coordinator and N workers, each a process of its own in its
 * own session, so that Ctrl-C in the terminal reaches this process alone. Standard input of each is
 * a pipe from here, so that none outlives this process.
 */
import type { Connection } from "./connection_file.ts";
import { visibleGpus } from "./run_options.ts";

export interface LocalClusterOptions {
  readonly connection: Connection;
  readonly workers: number;
  /** Arguments for the coordinator: the run's flags. */
  readonly coordinatorArgs: readonly string[];
  /** Library that every worker loads, where it is known. */
  readonly libraryPath?: string;
  /** Called with one sentence about a worker that ended when it should not have. */
  readonly onWorkerLost: (sentence: string) => void;
}

/** After the coordinator has ended, workers get this long to end by themselves. */
const workerEndTimeoutMs = 5_000;
const lastLinesMax = 8;

/** @returns the coordinator's exit code */
export async function runLocalCluster(
  options: LocalClusterOptions,
  delay: (ms: number) => Promise<void>,
): Promise<number> {
  const { connection, workers, libraryPath } = options;
  const { url, run, credentials } = connection;
  const env: Record<string, string> = credentials
    ? { LOCKSTEP_NATS_USER: credentials.user, LOCKSTEP_NATS_PASSWORD: credentials.password }
    : {};
  if (libraryPath !== undefined) env.TF_LIBRARY = libraryPath;
  const common = ["--nats", url, "--run", run, "--with-parent"];
  const coordinator = spawn("coordinator.ts", [...options.coordinatorArgs, ...common], env, {
    stdout: "inherit",
    stderr: "inherit",
  });
  const orders = coordinator.stdin.getWriter();
  const forward = (signal: Deno.Signal) => () => {
    try {
      coordinator.kill(signal);
    } catch {
      // It has ended already.
    }
  };
  const listeners = (["SIGINT", "SIGTERM"] as const).map((signal) => {
    const listener = forward(signal);
    Deno.addSignalListener(signal, listener);
    return () => Deno.removeSignalListener(signal, listener);
  });
  let over = false;
  const gpus = visibleGpus();
  const processes = Array.from({ length: workers }, (_, index) => {
    const name = `w${index}`;
    const gpu = gpus ? { CUDA_VISIBLE_DEVICES: gpus[index % gpus.length] } : undefined;
    const args = [...common, "--name", name, "--join-timeout", "300"];
    const child = spawn("worker.ts", args, { ...env, ...gpu }, {
      stdout: "null",
      stderr: "piped",
    });
    const lines = lastLines(child.stderr);
    const ended = child.status.then(async ({ success, code, signal }) => {
      if (over || success) return;
      const text = (await lines).join(" | ");
      const how = signal ? `was ended by ${signal}` : `ended with exit code ${code}`;
      const sentence = `Worker "${name}" (process ${child.pid}) ${how}${text ? `: ${text}` : ""}`;
      await orders.write(new TextEncoder().encode(`${sentence}\n`)).catch(() => {});
      options.onWorkerLost(sentence);
    });
    return { child, ended };
  });
  try {
    const { code, signal } = await coordinator.status;
    over = true;
    if (signal) throw new Error(`The coordinator was ended by ${signal}`);
    return code;
  } finally {
    over = true;
    for (const remove of listeners) remove();
    const all = Promise.all(processes.map(({ child }) => child.status));
    await Promise.race([all, delay(workerEndTimeoutMs)]);
    for (const { child } of processes) {
      try {
        child.kill("SIGKILL");
      } catch {
        // It has ended already.
      }
    }
    await Promise.all(processes.map(({ ended }) => ended));
    await orders.close().catch(() => {});
  }
}

function spawn(
  script: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  output: { stdout: "inherit" | "null"; stderr: "inherit" | "piped" },
): Deno.ChildProcess {
  const config = new URL("../deno.json", import.meta.url).pathname;
  const path = new URL(script, import.meta.url).pathname;
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "--config", config, "-A", path, ...args],
    env,
    stdin: "piped",
    detached: true,
    ...output,
  }).spawn();
}

/** The last lines of a stream, for a message about how a process ended. */
async function lastLines(stream: ReadableStream<Uint8Array>): Promise<string[]> {
  let text = "";
  for await (
    const part of stream.pipeThrough(
      new TextDecoderStream() as TextDecoder & {
        readable: ReadableStream<string>;
        writable: WritableStream<Uint8Array>;
      },
    )
  ) {
    text = (text + part).slice(-8192);
  }
  return text.split("\n").map((line) => line.trim()).filter((line) => line !== "")
    .slice(-lastLinesMax);
}
