/** Runs of `train`, in each of which one worker is killed: at a random moment, or at a special one. */
import { delay } from "../net/clock.ts";
import { random } from "../net/random.ts";
import { markedProcesses } from "./marked_processes.ts";
import type { RunWatch } from "./run_watch.ts";
import { train, type TrainSetting } from "./train_process.ts";

export interface KillSetting extends TrainSetting {
  readonly folder: string;
  /** So many runs with random moments, or one for each worker and special moment. */
  readonly runs: number | "matrix";
  readonly steps: number;
  readonly seed: number;
  /** Of the processes below this one. */
  readonly mark: string;
}

export interface KillResult {
  readonly moment: string;
  readonly worker: string;
  /** Newest step when the worker was killed. */
  readonly step: number;
  readonly restarts: number;
  readonly survived: boolean;
  /** Why not. */
  readonly problem: string;
}

interface Kill {
  readonly moment: string;
  readonly worker: string;
  /** Resolves when it is time. */
  wait(watch: RunWatch, out: string): Promise<void>;
}

const checkpointSteps = 40;
const waitMsMax = 120_000;
const afterStartMsMax = 1500;

export async function killRuns(setting: KillSetting): Promise<KillResult[]> {
  const { folder, steps, args } = setting;
  const flags = ["--steps", `${steps}`, "--checkpoint-steps", `${checkpointSteps}`];
  const cluster = { ...setting, args: [...args, ...flags] };
  const expected = await train(cluster, `${folder}/undisturbed`);
  const kills = setting.runs === "matrix" ? specialKills(setting) : randomKills(setting);
  const results: KillResult[] = [];
  for (const [index, { moment, worker, wait }] of kills.entries()) {
    const out = `${folder}/run-${index}`;
    let step = 0;
    let restarts = 0;
    let problem = "";
    try {
      const found = await train(cluster, out, async (watch) => {
        await wait(watch, out);
        step = watch.step;
        Deno.kill(await workerProcess(setting, worker), "SIGKILL");
      });
      restarts = found.restarts;
      if (found.parametersSha256 !== expected.parametersSha256) {
        problem = `SHA-256 ${found.parametersSha256} in place of ${expected.parametersSha256}`;
      }
    } catch (error) {
      problem = error instanceof Error ? error.message : String(error);
    }
    const survived = problem === "";
    console.error(
      `${index + 1} of ${kills.length}: ${worker} killed ${moment}, step ${step}; ` +
        (survived ? `the same weights, ${restarts} restarts` : problem),
    );
    results.push({ moment, worker, step, restarts, survived, problem });
    await Deno.remove(out, { recursive: true }).catch(() => {});
  }
  return results;
}

/** From the start of the processes to the last step. */
function randomKills({ runs, seed, steps, workers, clock }: KillSetting): Kill[] {
  const draw = random(seed, "kills");
  return Array.from({ length: runs as number }, () => {
    const worker = `w${draw.integer(workers)}`;
    const step = draw.integer(steps - 1);
    const laterMs = draw.integer(50);
    const wait = async (watch: RunWatch) => {
      await watch.until(`step ${step}`, () => watch.applied >= step, waitMsMax);
      await delay(clock, laterMs);
    };
    return { moment: "at random", worker, wait };
  });
}

function specialKills({ workers, steps, clock, seed }: KillSetting): Kill[] {
  const draw = random(seed, "special kills");
  const afterStep = (step: number) => (watch: RunWatch) =>
    watch.until(`step ${step}`, () => watch.applied >= step, waitMsMax);
  const exists = (path: RegExp) => (watch: RunWatch, out: string) =>
    watch.until(
      `${path}`,
      () => namesIn(`${out}/checkpoints`).some((name) => path.test(name)),
      waitMsMax,
    );
  const moments: Record<string, (watch: RunWatch, out: string) => Promise<void>> = {
    "while it loads": () => delay(clock, draw.integer(afterStartMsMax)),
    "before the first step": async (watch) => {
      await watch.until("the first generation", () => watch.generation > 0, waitMsMax);
    },
    "in the first steps": afterStep(1),
    "between snapshots": afterStep(25),
    "while a checkpoint is written": exists(/\.tmp|step-000040/),
    "in the validation of an epoch": afterStep(32),
    "in the last step": afterStep(steps - 1),
    "in the last validation": afterStep(steps),
  };
  return Object.entries(moments).flatMap(([moment, wait]) =>
    Array.from({ length: workers }, (_, index) => ({ moment, worker: `w${index}`, wait }))
  );
}

/** Its process id, as soon as there is one. */
async function workerProcess({ mark, clock }: KillSetting, worker: string): Promise<number> {
  const deadline = clock.nowMs() + waitMsMax;
  while (clock.nowMs() < deadline) {
    for (const [pid, line] of markedProcesses(mark)) {
      if (`${line} `.includes(` --name ${worker} `)) return pid;
    }
    await delay(clock, 10);
  }
  throw new Error(`Cannot kill worker "${worker}": no process of this name`);
}

function namesIn(folder: string): string[] {
  try {
    return [...Deno.readDirSync(folder)].map(({ name }) => name);
  } catch {
    return [];
  }
}
