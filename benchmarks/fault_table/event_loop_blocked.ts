/**
 * Row 19: a worker's event loop is blocked, as by a native call that does not come back: its sockets
 * fill up while the kernel still takes what is sent to it.
 */
import { delay } from "../../net/clock.ts";
import {
  atFullStrength,
  recovery,
  someSteps,
  sufferInRun,
  type TableSetting,
} from "./endless_run.ts";
import type { Trial } from "./trial.ts";

const row = 19;
const blockMs = 15_000;
const restMs = 60;

export async function* blockEventLoops(setting: TableSetting): AsyncGenerator<Trial[]> {
  yield await sufferInRun(setting, { row, name: "blocked", restMs }, async (run) => {
    const { cluster, watch, suffered } = run;
    for (let rank = 0; rank < setting.workers; rank++) {
      await atFullStrength(run);
      await someSteps(watch, 5);
      const victim = watch.members[rank];
      const fault = "event loop blocked for 15 s";
      const startMs = setting.clock.nowMs();
      cluster.order(victim, { blockMs });
      const found = await recovery(run, fault, startMs);
      const { applied } = watch;
      await delay(setting.clock, blockMs - (setting.clock.nowMs() - startMs));
      const stepsMeanwhile = watch.applied - applied;
      const isBack = () => watch.members.includes(victim) && watch.resumedMs !== undefined;
      await watch.until(`${victim} as a member again`, isBack, 60_000);
      suffered.push({ fault, victim: `rank ${rank}`, ...found, figures: { stepsMeanwhile } });
    }
  });
}
