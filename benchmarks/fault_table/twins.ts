/** Row 15: processes that have the name and the login of a worker that takes part. */
import { delay } from "../../net/clock.ts";
import { atFullStrength, someSteps, sufferInRun, type TableSetting } from "./endless_run.ts";
import type { Trial } from "./trial.ts";

const row = 15;
const twins = 5;
const refusedMsMax = 60_000;

export async function* startTwins(setting: TableSetting): AsyncGenerator<Trial[]> {
  yield await sufferInRun(setting, { row, name: "twins" }, async (run) => {
    const { cluster, watch, suffered } = run;
    await atFullStrength(run);
    for (let twin = 0; twin < twins; twin++) {
      const { generation } = watch;
      const victim = watch.members[twin % setting.workers];
      const end = await Promise.race([
        cluster.startTwin(victim),
        delay(setting.clock, refusedMsMax).then(() => undefined),
      ]);
      if (end === undefined) throw new Error(`A second "${victim}" was not refused`);
      if (end.code !== 1 || !end.stderr.includes("has already joined from")) {
        throw new Error(`A second "${victim}" ended with ${end.code}: ${end.stderr.slice(-300)}`);
      }
      await someSteps(watch, 10);
      const figures = { generationsMore: watch.generation - generation };
      const fault = "a process with a worker's name and login";
      suffered.push({ fault, victim, detectedMs: null, resumedMs: null, figures });
    }
  });
}
