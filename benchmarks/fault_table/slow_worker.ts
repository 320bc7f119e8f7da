/**
 * Row 5: a worker that stops for half a second again and again, or has a link of 1 MB/s. It slows the
 * run; the broker must not cut it off, nor anybody's memory grow.
 */
import { delay } from "../../net/clock.ts";
import {
  atFullStrength,
  type EndlessRun,
  someSteps,
  sufferInRun,
  type TableSetting,
} from "./endless_run.ts";
import { residentBytes } from "../resident_memory.ts";
import { random } from "../../net/random.ts";
import type { Trial } from "./trial.ts";

const row = 5;
/** A gradient of some 250 kB, so that a link can be too slow for it. */
const args = ["--filters", "24,24"];
/** Who is slow. */
const ranks = [0, 2];
const bytesPerSecond = 1_000_000;
const slowMs = 15_000;
const stops = 10;
const stopMs = 500;
const sampleMs = 200;

export async function* slowWorkers(setting: TableSetting): AsyncGenerator<Trial[]> {
  for (const worker of ranks) {
    const options = { row, name: `slow-rank-${worker}`, args, restMs: 0, chunkBytesMax: 64 * 1024 };
    yield await sufferInRun(setting, options, async (run) => {
      const { cluster, watch } = run;
      await atFullStrength(run);
      await someSteps(watch, 20);
      const name = watch.members[worker];
      const undisturbed = () => delay(setting.clock, slowMs);
      await suffer(run, "nothing for 15 s, to compare", name, undisturbed);
      await suffer(run, "link of 1 MB/s for 15 s", name, async () => {
        cluster.proxy.limit(name, bytesPerSecond);
        await delay(setting.clock, slowMs);
        cluster.proxy.heal(name);
      });
      await suffer(run, "SIGSTOP for 0.5 s, 10 times", name, async () => {
        const draw = random(setting.seed, "stops", worker);
        for (let stop = 0; stop < stops; stop++) {
          cluster.signal(name, "SIGSTOP");
          await delay(setting.clock, stopMs);
          cluster.signal(name, "SIGCONT");
          await delay(setting.clock, stopMs + draw.integer(stopMs));
        }
      });
    });
  }
}

/** Measures how the others' memory grows meanwhile. */
async function suffer(
  { cluster, watch, suffered, setting: { clock } }: EndlessRun,
  fault: string,
  victim: string,
  inflict: () => Promise<void>,
): Promise<void> {
  const { generation, applied } = watch;
  const peers = [...cluster.workers(), "coordinator"].filter((name) => name !== victim);
  const memories = [
    ...peers.map((name) => ({ pid: () => cluster.pid(name), isBroker: false })),
    { pid: () => cluster.brokerPid(), isBroker: true },
  ].map((each) => ({ ...each, before: residentBytes(each.pid()), peak: 0 }));
  let isOver = false;
  const sampling = (async () => {
    while (!isOver) {
      for (const each of memories) each.peak = Math.max(each.peak, residentBytes(each.pid()));
      await delay(clock, sampleMs);
    }
  })();
  const startMs = clock.nowMs();
  try {
    await inflict();
  } finally {
    isOver = true;
    await sampling;
  }
  const stepsPerSecond = 1000 * (watch.applied - applied) / (clock.nowMs() - startMs);
  const generationsMore = watch.generation - generation;
  await someSteps(watch, 5);
  const growth = (isBroker: boolean) =>
    Math.max(
      ...memories.filter((each) => each.isBroker === isBroker)
        .map(({ before, peak }) => (peak - before) / 2 ** 20),
    );
  const figures = {
    slowConsumers: slowConsumers(cluster.brokerPid()),
    generationsMore,
    stepsPerSecond: round(stepsPerSecond),
    peerGrowthMiB: round(growth(false)),
    brokerGrowthMiB: round(growth(true)),
  };
  suffered.push({ fault, victim, detectedMs: null, resumedMs: null, figures });
  if (figures.slowConsumers > 0) throw new Error("nats-server cut off a slow consumer");
}

/** As nats-server's own log has it; the log lies beside the configuration that it was started with. */
function slowConsumers(pid: number): number {
  const line = Deno.readTextFileSync(`/proc/${pid}/cmdline`).split("\0");
  const configuration = line[line.indexOf("-c") + 1];
  const log = Deno.readTextFileSync(configuration.replace(/[^/]+$/, "server.log"));
  return log.match(/Slow Consumer/g)?.length ?? 0;
}

function round(value: number): number {
  return Math.round(10 * value) / 10;
}
