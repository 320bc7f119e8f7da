/**
 * A run of a few numbers (`tiny_run.ts`) on a real nats-server with the product's permissions:
 * coordinator and workers in this process, each with the login that it has in a run.
 */
import { openJournal } from "../../coordinator/journal.ts";
import { diskFileSystem } from "../../coordinator/file_system.ts";
import { type Coordinator, startCoordinator } from "../../coordinator/run_coordinator.ts";
import { openRunFolder } from "../../coordinator/run_folder.ts";
import type { RunReport } from "../../coordinator/run_report.ts";
import { type Login, sharedLogin } from "../../launch/broker_permissions.ts";
import { type NatsServer, startNatsServer } from "../../launch/nats_server.ts";
import { systemClock } from "../../net/clock.ts";
import { connectNats } from "../../net/nats_transport.ts";
import type { RunConfiguration } from "../../net/run_configuration.ts";
import type { Transport } from "../../net/transport.ts";
import { runWorker } from "../../worker/run_worker.ts";
import { findNatsServer } from "./nats_server.ts";
import { openTinyRun, tinyRun } from "./tiny_run.ts";

export interface TinyWorker {
  readonly name: string;
  /** Rejects with its sentence. */
  readonly ended: Promise<void>;
  /** Resolves when it has joined for the first time. */
  readonly joined: Promise<void>;
  leave(): void;
}

export interface TinyCluster {
  readonly broker: NatsServer;
  readonly coordinator: Coordinator;
  /** What a person would have read. */
  readonly told: readonly string[];
  readonly path: string;
  /** The one that all workers share. */
  readonly login: Login;
  /** A connection with that login. */
  connect(): Promise<Transport>;
  /** @param between put between the worker and its connection for gradients */
  startWorker(name: string, where: string, between?: (data: Transport) => Transport): TinyWorker;
}

export const tinyRunName = "tiny";

export async function withTinyCluster(
  changed: Partial<RunConfiguration>,
  body: (cluster: TinyCluster) => Promise<void>,
): Promise<void> {
  const path = await Deno.makeTempDir({ prefix: "lockstep-tiny-" });
  const shared = sharedLogin();
  const roles = { run: tinyRunName, workers: [shared] };
  const broker = await startNatsServer({ binary: findNatsServer()!, roles });
  const connectAs = ({ user, password }: Login, name: string) =>
    connectNats({ servers: broker.url, name, credentials: { user, password }, noEcho: true });
  const configuration = { ...tinyRun, ...changed };
  const told: string[] = [];
  const workers: TinyWorker[] = [];
  const transport = await connectAs(broker, "coordinator");
  const journal = openJournal(`${path}/journal.jsonl`);
  const coordinator = startCoordinator({
    transport,
    run: tinyRunName,
    configuration,
    folder: await openRunFolder(
      diskFileSystem,
      `${path}/run`,
      { configuration: structuredClone(configuration) as never, versions: {}, device: "" },
      { resume: false, mayChange: [], warn: (sentence) => told.push(sentence) },
    ),
    journal,
    life: "first",
    report: reportTo(told),
    limits: {
      startTimeoutMs: 20_000,
      silenceMsMax: configuration.membership.silenceMsMax ?? 5_000,
      waitTimeoutMs: 20_000,
      workersMin: configuration.membership.workersMin,
      workersMax: configuration.shards,
    },
    clock: systemClock,
    timeOfDay: () => "2026-01-01T00:00:00Z",
  });
  try {
    await body({
      broker,
      login: shared,
      coordinator,
      told,
      path,
      connect: () => connectAs(shared, "test"),
      startWorker(name, where, between = (data) => data) {
        const joined = Promise.withResolvers<void>();
        const leaving = Promise.withResolvers<void>();
        const ended = runWorker({
          async connect() {
            const [control, data] = await Promise.all([
              connectAs(shared, `${name} control`),
              connectAs(shared, `${name} data`),
            ]);
            return { control, data: between(data) };
          },
          run: tinyRunName,
          name,
          where,
          joinTimeoutMs: 20_000,
          clock: systemClock,
          open: (opened, clock) => Promise.resolve(openTinyRun(opened, clock, { shardMs: 1 })),
          onJoined: joined.resolve,
          leave: leaving.promise,
        });
        ended.catch(() => {});
        const worker = { name, ended, joined: joined.promise, leave: leaving.resolve };
        workers.push(worker);
        return worker;
      },
    });
  } finally {
    coordinator.fail("the test is over");
    await Promise.allSettled(workers.map(({ ended }) => ended));
    await coordinator.close();
    journal.close();
    await transport.close();
    await broker.stop();
    await Deno.remove(path, { recursive: true });
  }
}

function reportTo(told: string[]): RunReport {
  const nothing = () => {};
  return {
    joined: nothing,
    started: nothing,
    progress: nothing,
    validating: nothing,
    validated: nothing,
    checkpointed: nothing,
    rewound: nothing,
    tell: (sentence) => void told.push(sentence),
    stopping: nothing,
    warn: (sentence) => void told.push(sentence),
    picture: () => Promise.resolve(),
    figures: () => {
      throw new Error("not asked for");
    },
    close: nothing,
  };
}
