/** `train --json` as a process, for benchmarks that look at it from outside. */
import { fileURLToPath } from "node:url";
import type { RunWatch } from "./run_watch.ts";
import { watchRun } from "./run_watch.ts";
import type { Clock } from "../net/clock.ts";

export interface TrainSetting {
  readonly natsServer: string;
  readonly libraryPath?: string;
  readonly workers: number;
  /** Flags of the run. */
  readonly args: readonly string[];
  readonly clock: Clock;
}

/** What `train --json` prints, as far as it is used here. */
export interface TrainResult {
  readonly parametersSha256: string;
  readonly restarts: number;
  readonly secondsPerStep: number;
}

export interface TrainProcess {
  readonly process: Deno.ChildProcess;
  readonly watch: RunWatch;
  readonly ended: Promise<Deno.CommandOutput>;
}

/** Close its watch. */
export function startTrain(
  { natsServer, libraryPath, workers, args, clock }: TrainSetting,
  out: string,
): TrainProcess {
  const script = fileURLToPath(new URL("../launch/train.ts", import.meta.url));
  const process = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", script, ...args, "--workers", `${workers}`, "--out", out, "--json"],
    env: {
      NATS_SERVER: natsServer,
      ...(libraryPath === undefined ? {} : { TF_LIBRARY: libraryPath }),
    },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  return { process, watch: watchRun(out, clock), ended: process.output() };
}

/** @param during what happens while it runs */
export async function train(
  setting: TrainSetting,
  out: string,
  during: (watch: RunWatch, pid: number) => Promise<void> = () => Promise.resolve(),
): Promise<TrainResult> {
  const { process, watch, ended } = startTrain(setting, out);
  try {
    const [{ success, stdout, stderr }] = await Promise.all([ended, during(watch, process.pid)]);
    const text = new TextDecoder();
    if (!success) throw new Error(`Cannot train: ${text.decode(stderr).slice(-2000)}`);
    return JSON.parse(text.decode(stdout));
  } finally {
    watch.close();
    try {
      process.kill("SIGKILL");
    } catch {
      // It has ended, as it should.
    }
  }
}
