/** Row 20: `train` itself is killed; nothing that it started may be left. */
import { delay } from "../../net/clock.ts";
import { random } from "../../net/random.ts";
import { markedProcesses } from "../marked_processes.ts";
import { startTrain } from "../train_process.ts";
import { startMsMax, type TableSetting } from "./endless_run.ts";
import { judge, sentenceOf, type Trial } from "./trial.ts";

const row = 20;
/** Some before there is a step, some after. */
const steps = [0, 0, 0, 0, 0, 1, 20, 30, 40, 50];
const leftMsMax = 5_000;
const afterStartMsMax = 3_000;

export async function* killLaunchers(setting: TableSetting): AsyncGenerator<Trial[]> {
  const draw = random(setting.seed, "launcher");
  for (const [index, step] of steps.entries()) {
    yield await killLauncher(setting, `launcher-${index}`, step, draw.integer(afterStartMsMax));
  }
}

async function killLauncher(
  setting: TableSetting,
  name: string,
  step: number,
  laterMs: number,
): Promise<Trial[]> {
  const { clock, folder, mark } = setting;
  const args = [...setting.args, "--steps", "100000", "--checkpoint-steps", "10"];
  const { process, watch, ended } = startTrain({ ...setting, args }, `${folder}/${name}`);
  let problem = "";
  let goneMs = 0;
  let processes = 0;
  try {
    if (step > 0) await watch.until(`step ${step}`, () => watch.step >= step, startMsMax);
    else await delay(clock, laterMs);
    processes = markedProcesses(mark).size;
    process.kill("SIGKILL");
    await ended;
    const startMs = clock.nowMs();
    while (markedProcesses(mark).size > 0 && clock.nowMs() - startMs < leftMsMax) {
      await delay(clock, 20);
    }
    goneMs = Math.round(clock.nowMs() - startMs);
    const left = [...markedProcesses(mark).values()];
    if (left.length > 0) problem = `Left behind: ${left.join("; ")}`;
  } catch (error) {
    problem = sentenceOf(error);
  } finally {
    watch.close();
  }
  const fault = step > 0 ? "launcher SIGKILL in a step" : "launcher SIGKILL while it starts";
  console.error(`${fault}: ${problem || `${processes} processes gone after ${goneMs} ms`}`);
  const victim = `of ${processes} processes`;
  const none = { detectedMs: null, resumedMs: null };
  return judge(row, [{ fault, victim, ...none, figures: { goneMs } }], problem);
}
