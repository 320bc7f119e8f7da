import assert from "node:assert/strict";
import { bareSums, withoutBeats, withoutHeartbeats } from "../../benchmarks/bare_run.ts";
import { diskFileSystem } from "../../coordinator/file_system.ts";
import { openJournal } from "../../coordinator/journal.ts";
import { startCoordinator } from "../../coordinator/run_coordinator.ts";
import { openRunFolder } from "../../coordinator/run_folder.ts";
import type { RunReport } from "../../coordinator/run_report.ts";
import { systemClock } from "../../net/clock.ts";
import { decode } from "../../net/codec.ts";
import { createMemoryBroker } from "../../net/memory_transport.ts";
import { coordinatorMessageSchema, messageBytesMax } from "../../net/messages.ts";
import type { RunConfiguration } from "../../net/run_configuration.ts";
import { runWorker, type WorkerOptions } from "../../worker/run_worker.ts";
import { openTinyRun, tinyRun, undisturbedTinyRun } from "../support/tiny_run.ts";

const configuration: RunConfiguration = {
  ...tinyRun,
  workers: 2,
  epochs: null,
  steps: 20,
  membership: { ...tinyRun.membership, heartbeatMs: 25 },
};

/** What is said in a run besides its gradients, by kind. */
async function saidInRun(isBare: boolean): Promise<{ said: Set<string>; sha256: string }> {
  const broker = createMemoryBroker({ clock: systemClock });
  const said = new Set<string>();
  const listener = broker.connect();
  listener.subscribe("lockstep.>", ({ subject, data }) => {
    if (subject.includes(".data.")) said.add(subject.includes(".credit.") ? "credit" : "gradient");
    else if (!subject.endsWith(".workers")) said.add(subject.split(".").at(-1)!);
    else said.add(decode(data, coordinatorMessageSchema, { bytesMax: messageBytesMax }).type);
  });
  const path = await Deno.makeTempDir({ prefix: "lockstep-bare-" });
  const journal = openJournal(`${path}/journal.jsonl`);
  const transport = broker.connect();
  const coordinator = startCoordinator({
    transport: isBare ? withoutBeats(transport, "bare") : transport,
    run: "bare",
    configuration,
    folder: await openRunFolder(
      diskFileSystem,
      `${path}/run`,
      { configuration: structuredClone(configuration) as never, versions: {}, device: "" },
      { resume: false, mayChange: [], warn: assert.fail },
    ),
    journal,
    report: new Proxy({}, { get: () => () => {} }) as RunReport,
    limits: {
      startTimeoutMs: 20_000,
      silenceMsMax: 3_600_000,
      waitTimeoutMs: 20_000,
      workersMin: 2,
      workersMax: configuration.shards,
    },
    clock: systemClock,
    life: "first",
    timeOfDay: () => "2026-01-01T00:00:00Z",
  });
  const sums: WorkerOptions["sums"] = isBare
    ? bareSums(2)
    : { receiveBytesMax: 1_000, askAfterMs: 10 };
  const workers = ["w0", "w1"].map((name) =>
    runWorker({
      connect() {
        const control = broker.connect();
        return Promise.resolve({
          control: isBare ? withoutHeartbeats(control) : control,
          data: broker.connect({ noEcho: true }),
        });
      },
      run: "bare",
      name,
      where: name,
      joinTimeoutMs: 20_000,
      clock: systemClock,
      // Long enough for a beat, which comes four times a second.
      open: (opened, clock) => Promise.resolve(openTinyRun(opened, clock, { shardMs: 6 })),
      sums,
    })
  );
  try {
    const { parametersSha256 } = await coordinator.ended;
    await Promise.all(workers);
    return { said, sha256: parametersSha256 };
  } finally {
    coordinator.fail("the test is over");
    await coordinator.close();
    journal.close();
    await Promise.all([transport.close(), listener.close()]);
    await Deno.remove(path, { recursive: true });
  }
}

Deno.test("a bare run sends no sign of life and no credit, and ends in the same bits", async () => {
  const costs = ["beat", "credit", "heartbeat"];
  const [usual, bare] = [await saidInRun(false), await saidInRun(true)];
  assert.deepEqual([...usual.said].filter((each) => costs.includes(each)).sort(), costs);
  assert.deepEqual([...bare.said].filter((each) => costs.includes(each)), []);
  assert.deepEqual(
    [...bare.said].sort(),
    [...usual.said].filter((each) => !costs.includes(each)).sort(),
  );
  const { parametersSha256 } = await undisturbedTinyRun(configuration, () => {});
  assert.deepEqual([usual.sha256, bare.sha256], [parametersSha256, parametersSha256]);
});
