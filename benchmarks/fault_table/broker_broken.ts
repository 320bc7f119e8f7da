/** Row 4: nats-server is killed, stopped for a while, told to end slowly (lame duck) or to reload. */
import { delay } from "../../net/clock.ts";
import {
  atFullStrength,
  type EndlessRun,
  recovery,
  someSteps,
  sufferInRun,
  type TableSetting,
} from "./endless_run.ts";
import type { Trial } from "./trial.ts";

const row = 4;
const kills = 10;
const stops = 3;
const stopMs = 5_000;
const reloads = 5;
const lameDucks = 2;
/** nats-server sends everybody away over two minutes, and then ends. */
const lameDuckMsMax = 180_000;

export async function* breakBroker(setting: TableSetting): AsyncGenerator<Trial[]> {
  yield await sufferInRun(setting, { row, name: "broker-broken" }, async (run) => {
    for (let kill = 0; kill < kills; kill++) {
      await suffer(run, "nats-server SIGKILL", (run) => run.cluster.signalBroker("SIGKILL"));
    }
    for (let stop = 0; stop < stops; stop++) {
      await suffer(run, "nats-server SIGSTOP for 5 s", async ({ cluster }) => {
        cluster.signalBroker("SIGSTOP");
        await delay(setting.clock, stopMs);
        cluster.signalBroker("SIGCONT");
      });
    }
    for (let reload = 0; reload < reloads; reload++) {
      await atFullStrength(run);
      const { cluster, watch, suffered } = run;
      const { generation } = watch;
      cluster.signalBroker("SIGHUP");
      await someSteps(watch, 50);
      // Nobody needs to notice.
      const figures = { generationsMore: watch.generation - generation };
      const fault = "nats-server reload (SIGHUP)";
      suffered.push({ fault, victim: "", detectedMs: null, resumedMs: null, figures });
    }
  });
  for (let duck = 0; duck < lameDucks; duck++) {
    yield await sufferInRun(setting, { row, name: `lame-duck-${duck}` }, async (run) => {
      await suffer(run, "nats-server lame duck (SIGUSR2)", async ({ cluster, watch }) => {
        const pid = cluster.brokerPid();
        cluster.signalBroker("SIGUSR2");
        const isNew = () => cluster.brokerPid() !== pid;
        await watch.until("another nats-server", isNew, lameDuckMsMax);
      });
    });
  }
}

/** @param inflict returns when the server works again, or is gone */
async function suffer(
  run: EndlessRun,
  fault: string,
  inflict: (run: EndlessRun) => void | Promise<void>,
): Promise<void> {
  await atFullStrength(run);
  await someSteps(run.watch, 10);
  await inflict(run);
  const startMs = run.setting.clock.nowMs();
  const found = await recovery(run, fault, startMs, 100);
  run.suffered.push({ fault, victim: "", ...found });
}
