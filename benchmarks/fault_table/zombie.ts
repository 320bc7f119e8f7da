/** Row 6: a worker is stopped until it is given up, then goes on with what it believes. */
import { delay } from "../../net/clock.ts";
import {
  atFullStrength,
  recovery,
  someSteps,
  sufferInRun,
  type TableSetting,
} from "./endless_run.ts";
import type { Trial } from "./trial.ts";

const row = 6;
const stopsMs = [30_000, 30_000, 3_000, 3_000, 3_000, 3_000];
const restMs = 60;

export async function* stopAndGoOn(setting: TableSetting): AsyncGenerator<Trial[]> {
  yield await sufferInRun(setting, { row, name: "zombie", restMs }, async (run) => {
    const { cluster, watch, suffered } = run;
    for (const [index, stopMs] of stopsMs.entries()) {
      await atFullStrength(run);
      await someSteps(watch, 5);
      const victim = watch.members[index % setting.workers];
      const fault = `SIGSTOP for ${stopMs / 1000} s, then SIGCONT`;
      const startMs = setting.clock.nowMs();
      cluster.signal(victim, "SIGSTOP");
      const found = await recovery(run, fault, startMs);
      const applied = watch.applied;
      await delay(setting.clock, stopMs - (setting.clock.nowMs() - startMs));
      const stepsMeanwhile = watch.applied - applied;
      cluster.signal(victim, "SIGCONT");
      const wokenMs = setting.clock.nowMs();
      // It comes back as one that has lost everything, under the name that it had.
      const isBack = () => watch.members.includes(victim) && watch.resumedMs !== undefined;
      await watch.until(`${victim} as a member again`, isBack, 60_000);
      const backMs = Math.round(setting.clock.nowMs() - wokenMs);
      suffered.push({ fault, victim, ...found, figures: { stepsMeanwhile, backMs } });
    }
  });
}
