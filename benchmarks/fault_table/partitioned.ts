/** Row 7: a worker is cut off from the broker, in one direction or both, once or again and again. */
import { delay } from "../../net/clock.ts";
import type { Direction } from "../faulty_proxy.ts";
import {
  atFullStrength,
  type EndlessRun,
  recovery,
  someSteps,
  sufferInRun,
  type TableSetting,
} from "./endless_run.ts";
import type { Trial } from "./trial.ts";

const row = 7;
const restMs = 60;
const stallMs = 4_000;
/** Longer than three pings of the broker, after which a client takes its silence for its death. */
const longStallMs = 15_000;
const turns = 2;
const flaps = 10;
const flapMs = 500;

const ways: Readonly<Record<string, readonly Direction[]>> = {
  "nothing either way for 4 s": ["toServer", "toClient"],
  "nothing to the broker for 4 s": ["toServer"],
  "nothing from the broker for 4 s": ["toClient"],
};
const longWays: typeof ways = {
  "nothing to the broker for 15 s": ["toServer"],
  "nothing from the broker for 15 s": ["toClient"],
};

export async function* partition(setting: TableSetting): AsyncGenerator<Trial[]> {
  yield await sufferInRun(setting, { row, name: "partitioned", restMs }, async (run) => {
    const { proxy } = run.cluster;
    const stall = async (kinds: typeof ways, durationMs: number, rank: number) => {
      for (const [fault, directions] of Object.entries(kinds)) {
        await suffer(run, fault, rank, async (victim) => {
          proxy.stall(victim, directions);
          await delay(setting.clock, durationMs);
          proxy.heal(victim);
        });
      }
    };
    for (let turn = 0; turn < turns; turn++) {
      await stall(ways, stallMs, turn);
      await stall(longWays, longStallMs, turn);
      await suffer(run, "connections cut", turn, (victim) => {
        proxy.cut(victim);
        return Promise.resolve();
      });
      await suffer(run, "nothing either way, 1 Hz for 10 s", turn, async (victim) => {
        for (let flap = 0; flap < flaps; flap++) {
          proxy.stall(victim, ["toServer", "toClient"]);
          await delay(setting.clock, flapMs);
          proxy.heal(victim);
          await delay(setting.clock, flapMs);
        }
      });
    }
    await atFullStrength(run);
  });
}

async function suffer(
  run: EndlessRun,
  fault: string,
  rank: number,
  inflict: (victim: string) => Promise<void>,
): Promise<void> {
  const { watch, suffered, setting } = run;
  await atFullStrength(run);
  await someSteps(watch, 5);
  const victim = watch.members[rank];
  const startMs = setting.clock.nowMs();
  const healing = inflict(victim);
  try {
    const found = await recovery(run, fault, startMs, 200);
    await healing;
    const healedMs = setting.clock.nowMs();
    await someSteps(watch, 1);
    const healedToStepMs = Math.round(setting.clock.nowMs() - healedMs);
    suffered.push({ fault, victim: `rank ${rank}`, ...found, figures: { healedToStepMs } });
  } finally {
    await healing;
  }
}
