/**
 * A run that goes on for as long as its faults take, is then asked to stop, and must have the weights
 * of an undisturbed run of as many steps. Its workers rest in each step, so that the undisturbed run
 * does not take as long again.
 */
import { delay } from "../../net/clock.ts";
import { type ChaosCluster, startChaosCluster } from "../chaos_cluster.ts";
import type { CoordinatorFault } from "../faulty_coordinator.ts";
import type { WorkerFault } from "../faulty_worker.ts";
import { type RunWatch, watchRun } from "../run_watch.ts";
import { train, type TrainSetting } from "../train_process.ts";
import { judge, sentenceOf, type Suffered, type Trial } from "./trial.ts";

export interface TableSetting extends TrainSetting {
  /** For the runs' folders. */
  readonly folder: string;
  readonly seed: number;
  /** Of the processes below this one. */
  readonly mark: string;
}

export interface EndlessRun {
  readonly setting: TableSetting;
  readonly cluster: ChaosCluster;
  readonly watch: RunWatch;
  readonly suffered: Suffered[];
}

export interface EndlessRunOptions {
  readonly row: number;
  /** Names the run's folder. */
  readonly name: string;
  /** Flags beside the setting's. */
  readonly args?: readonly string[];
  readonly restMs?: number;
  readonly chunkBytesMax?: number;
  /** Where a worker's process is to die, asked for each process that starts. */
  readonly pointOf?: (name: string) => string | undefined;
  readonly coordinatorFault?: () => CoordinatorFault;
}

/** More than any run gets to. */
const stepsMax = 1_000_000;
const restMsDefault = 20;
/** Small ones: the small gradient of a small run is many messages then, with a middle. */
const chunkBytesDefault = 128;
export const startMsMax = 120_000;
/** A run that applies no step for so long has not survived. */
export const standstillMsMax = 60_000;

/** @param inflict adds to `suffered`; where it throws, the run has not survived */
export async function sufferInRun(
  setting: TableSetting,
  options: EndlessRunOptions,
  inflict: (run: EndlessRun) => Promise<void>,
): Promise<Trial[]> {
  const { row, name, restMs = restMsDefault, pointOf, coordinatorFault } = options;
  const { chunkBytesMax = chunkBytesDefault } = options;
  const out = `${setting.folder}/${name}`;
  const args = [...setting.args, ...options.args ?? [], "--steps", `${stepsMax}`];
  const workerFault = (worker: string): WorkerFault => ({
    point: pointOf?.(worker),
    restMs,
    chunkBytesMax,
  });
  const cluster = await startChaosCluster({
    ...setting,
    args,
    out,
    workerFault,
    coordinatorFault,
  });
  const watch = watchRun(out, setting.clock);
  void cluster.ended.then(
    (code) => watch.fail(`The run ended with exit code ${code}`),
    (error) => watch.fail(sentenceOf(error)),
  );
  const suffered: Suffered[] = [];
  try {
    let problem = "";
    try {
      await inflict({ setting, cluster, watch, suffered });
      await stop(cluster, setting);
      problem = await compare(setting, options, out);
    } catch (error) {
      problem = sentenceOf(error);
    }
    console.error(`${name}: ${suffered.length} faults, ${problem || "the undisturbed weights"}`);
    const unfinished = { fault: "a run to its end", victim: name };
    const none = { ...unfinished, detectedMs: null, resumedMs: null };
    return judge(row, suffered.length === 0 ? [none] : suffered, problem);
  } finally {
    watch.close();
    await cluster.close();
    await Deno.remove(out, { recursive: true }).catch(() => {});
  }
}

/** Asks for a stop after a common step, with a checkpoint. */
async function stop(cluster: ChaosCluster, { clock }: TableSetting): Promise<void> {
  cluster.signal("coordinator", "SIGINT");
  const late = Symbol();
  const code = await Promise.race([cluster.ended, delay(clock, startMsMax).then(() => late)]);
  if (code === late) throw new Error("The run does not stop");
  if (code !== interrupted) throw new Error(`The run stopped with exit code ${String(code)}`);
}

const interrupted = 130;

/** @returns what differs from the undisturbed run */
async function compare(
  setting: TableSetting,
  { args = [], name }: EndlessRunOptions,
  out: string,
): Promise<string> {
  const newest = [...Deno.readDirSync(`${out}/checkpoints`)]
    .map((entry) => entry.name).filter((entry) => /^step-\d+$/.test(entry)).sort().at(-1)!;
  const path = `${out}/checkpoints/${newest}/manifest.json`;
  const { step, parametersSha256 } = JSON.parse(await Deno.readTextFile(path));
  const expected = await train(
    {
      ...setting,
      workers: 1,
      args: [...setting.args, ...args, "--steps", `${step}`, "--checkpoint-steps", `${stepsMax}`],
    },
    `${setting.folder}/${name}-undisturbed`,
  );
  if (parametersSha256 === expected.parametersSha256) return "";
  return `SHA-256 ${parametersSha256} at step ${step} in place of ${expected.parametersSha256}`;
}

/** Waits until all workers of the run take part, and steps are applied. */
export async function atFullStrength({ watch, setting: { workers } }: EndlessRun): Promise<void> {
  const isThere = () => watch.members.length >= workers && watch.resumedMs !== undefined;
  await watch.until(`a step with ${workers} workers`, isThere, startMsMax);
  await someSteps(watch, 2);
}

export async function someSteps(watch: RunWatch, count: number): Promise<void> {
  const goal = watch.applied + count;
  await watch.until(`${count} more steps`, () => watch.applied >= goal, standstillMsMax);
}

/** Waits for the process that a fault ends. @returns when it ended */
export async function deathOf(
  { cluster, watch }: EndlessRun,
  name: string,
  deathsBefore: number,
): Promise<number> {
  const death = () => cluster.deaths.slice(deathsBefore).find((each) => each.name === name);
  await watch.until(`the death of ${name}`, () => death() !== undefined, standstillMsMax);
  return death()!.atMs;
}

/**
 * Waits until a generation that was opened after the fault has applied a step, or `stepsMax` steps were
 * applied without one: not every fault needs an answer. Others may have begun in between.
 */
export async function recovery(
  { watch }: EndlessRun,
  what: string,
  faultMs: number,
  stepsMax = Infinity,
): Promise<{ detectedMs: number | null; resumedMs: number | null }> {
  const goal = watch.applied + stepsMax;
  const answers = () => watch.openings.filter(({ openedMs }) => openedMs > faultMs);
  const isAnswered = () => answers().some(({ resumedMs }) => resumedMs !== undefined);
  const isOver = () => isAnswered() || watch.applied >= goal;
  await watch.until(`a step after ${what}`, isOver, standstillMsMax);
  if (!isAnswered()) return { detectedMs: null, resumedMs: null };
  const resumedMs = answers().find(({ resumedMs }) => resumedMs !== undefined)!.resumedMs!;
  return {
    detectedMs: Math.round(answers()[0].openedMs - faultMs),
    resumedMs: Math.round(resumedMs - faultMs),
  };
}
