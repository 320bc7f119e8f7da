/** Row 1: each worker is killed at each point of a step, and each new process while it joins. */
import { joinPoints, stepPoints } from "../fault_points.ts";
import {
  atFullStrength,
  deathOf,
  type EndlessRun,
  recovery,
  someSteps,
  sufferInRun,
  type TableSetting,
} from "./endless_run.ts";
import type { Trial } from "./trial.ts";

const row = 1;
/** Checkpoints and validations come often enough to die in each. */
const args = ["--checkpoint-steps", "20", "--snapshot-steps", "5"];
/** A worker that nobody's launcher has started is missed by its heartbeats alone. */
const killsByHand = 5;

export async function* killWorkers(setting: TableSetting): AsyncGenerator<Trial[]> {
  for (let rank = 0; rank < setting.workers; rank++) {
    yield await killRank(setting, rank);
  }
  yield await sufferInRun(setting, { row, name: "killed-by-hand", args }, async (run) => {
    await atFullStrength(run);
    for (let kill = 0; kill < killsByHand; kill++) await killJoined(run);
  });
}

async function killRank(setting: TableSetting, rank: number): Promise<Trial[]> {
  // For the process that comes after the one that is killed.
  let nextPoint: string | undefined;
  const options = {
    row,
    name: `killed-rank-${rank}`,
    args,
    pointOf() {
      const point = nextPoint;
      nextPoint = undefined;
      return point;
    },
  };
  return await sufferInRun(setting, options, async (run) => {
    const { cluster, watch, suffered } = run;
    const victim = `rank ${rank}`;
    for (const fault of Object.keys(stepPoints)) {
      await atFullStrength(run);
      const worker = watch.members[rank];
      const deaths = cluster.deaths.length;
      cluster.order(worker, { point: fault });
      const deathMs = await deathOf(run, worker, deaths);
      suffered.push({ fault, victim, ...await recovery(run, fault, deathMs) });
    }
    for (const fault of Object.keys(joinPoints)) {
      await atFullStrength(run);
      const worker = watch.members[rank];
      const deaths = cluster.deaths.length;
      nextPoint = fault;
      cluster.signal(worker, "SIGKILL");
      await deathOf(run, worker, deaths);
      const joiner = (name: string) => name !== worker;
      await watch.until(
        `the death of a process ${fault}`,
        () => cluster.deaths.slice(deaths).some(({ name }) => joiner(name)),
        60_000,
      );
      const { atMs } = cluster.deaths.slice(deaths).find(({ name }) => joiner(name))!;
      // It may have been given up before it counted.
      await someSteps(watch, 3);
      const resumedMs = Math.round(setting.clock.nowMs() - atMs);
      suffered.push({ fault, victim, detectedMs: null, resumedMs });
    }
    await atFullStrength(run);
  });
}

async function killJoined(run: EndlessRun): Promise<void> {
  const { cluster, watch, suffered, setting } = run;
  const worker = cluster.join();
  await watch.until(`${worker} as a member`, () => watch.members.includes(worker), 60_000);
  await someSteps(watch, 3);
  const fault = "found by heartbeats alone";
  const startMs = setting.clock.nowMs();
  cluster.signal(worker, "SIGKILL");
  suffered.push({ fault, victim: worker, ...await recovery(run, fault, startMs) });
}
