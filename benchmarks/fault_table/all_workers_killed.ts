/**
 * Row 2: all workers are killed at once and the launcher starts new ones; or the whole run is ended,
 * by SIGTERM or SIGKILL, and `--resume` goes on.
 */
import { delay } from "../../net/clock.ts";
import { random } from "../../net/random.ts";
import { markedProcesses } from "../marked_processes.ts";
import { startTrain, train, type TrainSetting } from "../train_process.ts";
import {
  atFullStrength,
  recovery,
  startMsMax,
  sufferInRun,
  type TableSetting,
} from "./endless_run.ts";
import { judge, sentenceOf, type Suffered, type Trial } from "./trial.ts";

const row = 2;
const killsOfAll = 5;
const endings = ["SIGTERM", "SIGTERM", "SIGTERM", "SIGKILL", "SIGKILL"] as const;
const steps = 120;

export async function* killAllWorkers(setting: TableSetting): AsyncGenerator<Trial[]> {
  yield await sufferInRun(setting, { row, name: "all-killed" }, async (run) => {
    const { cluster, suffered } = run;
    for (let kill = 0; kill < killsOfAll; kill++) {
      await atFullStrength(run);
      const fault = "all workers SIGKILL at once";
      const startMs = setting.clock.nowMs();
      for (const worker of cluster.workers()) cluster.signal(worker, "SIGKILL");
      suffered.push({ fault, victim: "", ...await recovery(run, fault, startMs) });
    }
    await atFullStrength(run);
  });
  yield await endAndResume(setting);
}

async function endAndResume(setting: TableSetting): Promise<Trial[]> {
  const args = [...setting.args, "--steps", `${steps}`, "--checkpoint-steps", "20"];
  const run: TrainSetting = { ...setting, args };
  const expected = await train(run, `${setting.folder}/resumed-undisturbed`);
  const draw = random(setting.seed, "endings");
  const trials: Trial[] = [];
  for (const [index, signal] of endings.entries()) {
    const out = `${setting.folder}/resumed-${index}`;
    const fault = `launcher ${signal}, then --resume`;
    const suffered: Suffered = { fault, victim: "", detectedMs: null, resumedMs: null };
    const step = 1 + draw.integer(steps - 40);
    let problem = "";
    try {
      await endAt(run, setting.mark, out, step, signal);
      const found = await train({ ...run, args: [...args, "--resume"] }, out);
      if (found.parametersSha256 !== expected.parametersSha256) {
        problem = `SHA-256 ${found.parametersSha256} in place of ${expected.parametersSha256}`;
      }
    } catch (error) {
      problem = sentenceOf(error);
    }
    console.error(`${fault}, at step ${step}: ${problem || "the undisturbed weights"}`);
    trials.push(...judge(row, [suffered], problem));
    await Deno.remove(out, { recursive: true }).catch(() => {});
  }
  return trials;
}

/** Runs `train` until a step and ends it by a signal. */
async function endAt(
  run: TrainSetting,
  mark: string,
  out: string,
  step: number,
  signal: "SIGTERM" | "SIGKILL",
): Promise<void> {
  const { process, watch, ended } = startTrain(run, out);
  try {
    await watch.until(`step ${step}`, () => watch.step >= step, startMsMax);
    process.kill(signal);
    await ended;
    const deadline = run.clock.nowMs() + startMsMax;
    while (markedProcesses(mark).size > 0 && run.clock.nowMs() < deadline) {
      await delay(run.clock, 20);
    }
  } finally {
    watch.close();
  }
}
