/** Row 18: every two seconds a worker joins or leaves. */
import { delay } from "../../net/clock.ts";
import { atFullStrength, someSteps, sufferInRun, type TableSetting } from "./endless_run.ts";
import type { Trial } from "./trial.ts";

const row = 18;
const eventMs = 2_000;
const events = 20;
/** With those of the launcher no more than there are shards. */
const joinedMax = 4;
const steadyMs = 15_000;

export async function* churn(setting: TableSetting): AsyncGenerator<Trial[]> {
  yield await sufferInRun(setting, { row, name: "churn", restMs: 0 }, async (run) => {
    const { cluster, watch, suffered, setting: { clock } } = run;
    await atFullStrength(run);
    await someSteps(watch, 50);
    const rate = async (during: () => Promise<void>) => {
      const [{ step }, startMs] = [watch, clock.nowMs()];
      await during();
      return 1000 * (watch.step - step) / (clock.nowMs() - startMs);
    };
    const steady = await rate(() => delay(clock, steadyMs));
    const startedGeneration = watch.generation;
    const joined: string[] = [];
    const leave = (name: string) => {
      cluster.signal(name, "SIGTERM");
      joined.splice(joined.indexOf(name), 1);
    };
    let [joins, leaves] = [0, 0];
    const churned = await rate(async () => {
      for (let event = 0; event < events; event++) {
        // Who leaves has taken part: a process needs longer to start than there is between events.
        const oldest = joined.find((name) => watch.members.includes(name));
        const mayJoin = joined.length < joinedMax;
        if (oldest && (event % 2 === 1 || !mayJoin)) {
          leave(oldest);
          leaves++;
        } else if (mayJoin) {
          joined.push(cluster.join());
          joins++;
        }
        await delay(clock, eventMs);
      }
    });
    const figures = {
      joins,
      leaves,
      generations: watch.generation - startedGeneration,
      steadyStepsPerSecond: Math.round(10 * steady) / 10,
      churnedStepsPerSecond: Math.round(10 * churned) / 10,
      sharePercent: Math.round(100 * churned / steady),
    };
    const fault = "a join or a leave every 2 s for 40 s";
    suffered.push({ fault, victim: "", detectedMs: null, resumedMs: null, figures });
  });
}
