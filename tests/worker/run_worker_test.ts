import assert from "node:assert/strict";
import { openJournal } from "../../coordinator/journal.ts";
import { diskFileSystem } from "../../coordinator/file_system.ts";
import {
  type Coordinator,
  type RunEnd,
  startCoordinator,
} from "../../coordinator/run_coordinator.ts";
import { openRunFolder } from "../../coordinator/run_folder.ts";
import type { RunReport } from "../../coordinator/run_report.ts";
import { type Clock, delay, systemClock } from "../../net/clock.ts";
import { createMemoryBroker } from "../../net/memory_transport.ts";
import { resumableFields, type RunConfiguration } from "../../net/run_configuration.ts";
import {
  BrokerAddressError,
  LoginCutError,
  LoginRefusedError,
  type Transport,
  TransportError,
} from "../../net/transport.ts";
import { countStep, emptyTally, meanLoss } from "../../worker/tally.ts";
import { decode, encode } from "../../net/codec.ts";
import {
  finishedSchema,
  joinSchema,
  messageBytesMax,
  type StepProgress,
  workerSubjects,
} from "../../net/messages.ts";
import type { GenerationTrainer, OpenedRun } from "../../worker/opened_run.ts";
import { runWorker } from "../../worker/run_worker.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { openTinyRun, tinyRun, undisturbedTinyRun } from "../support/tiny_run.ts";

const configuration: RunConfiguration = {
  ...tinyRun,
  epochs: null,
  steps: 60,
  checkpointSteps: 10,
  membership: { ...tinyRun.membership, heartbeatMs: 25, silenceMsMax: 400 },
};

/** Coordinator and workers in this process, around one broker; each can be killed. */
class Cluster {
  readonly told: string[] = [];
  readonly warned: string[] = [];
  readonly steps: number[] = [];
  /** The last that was told of each step. */
  readonly progress = new Map<number, StepProgress>();
  readonly ends: Promise<void>[] = [];
  /** Workers whose gradients are lost until they connect again. */
  readonly muted = new Set<string>();
  /** Workers that hear nothing of the coordinator. */
  readonly deaf = new Set<string>();
  /** Called before a worker asks to begin a generation; what it asks waits for the promise. */
  onBegin: (name: string) => Promise<void> = () => Promise.resolve();
  #lives = 0;
  #broker: ReturnType<typeof createMemoryBroker>;
  #coordinator: { coordinator: Coordinator; transport: Transport; close(): void } | undefined;
  readonly #workers = new Map<string, { kill(): void; leave(): void }>();
  /** In place of a worker's own samples. */
  samples: GenerationTrainer["samples"] | undefined;
  /** Pictures that were drawn, by their steps. */
  readonly drawn: number[] = [];
  /** Called when a worker begins on a shard. */
  onStep: (step: number) => void = () => {};

  constructor(
    readonly path: string,
    readonly configuration: RunConfiguration,
    readonly clock: Clock,
  ) {
    this.#broker = createMemoryBroker({ clock });
  }

  async startCoordinator({ resume = false } = {}): Promise<Coordinator> {
    const folder = await openRunFolder(
      diskFileSystem,
      this.path,
      { configuration: structuredClone(this.configuration) as never, versions: {}, device: "" },
      { resume, mayChange: [...resumableFields], warn: (sentence) => this.warned.push(sentence) },
    );
    const journal = openJournal(`${this.path}/journal.jsonl`);
    const transport = this.#broker.connect();
    const { workersMin, silenceMsMax, waitTimeoutMs } = this.configuration.membership;
    const coordinator = startCoordinator({
      transport,
      run: "tiny",
      configuration: this.configuration,
      folder,
      journal,
      report: this.#report(),
      limits: {
        startTimeoutMs: 5_000,
        silenceMsMax: silenceMsMax!,
        waitTimeoutMs,
        workersMin,
        workersMax: this.configuration.shards,
      },
      clock: this.clock,
      life: `life-${++this.#lives}`,
      timeOfDay: () => "2026-01-01T00:00:00Z",
    });
    this.#coordinator = { coordinator, transport, close: () => journal.close() };
    return coordinator;
  }

  ended(): Promise<RunEnd> {
    return this.#coordinator!.coordinator.ended;
  }

  stop(): void {
    this.#coordinator!.coordinator.stop();
  }

  /** Resolves when a worker was given up. */
  async lost(): Promise<void> {
    while (!this.told.some((sentence) => sentence.startsWith("Lost"))) {
      await delay(systemClock, 10);
    }
  }

  /** As SIGKILL does: nothing is said and nothing more is saved. */
  async killCoordinator(): Promise<void> {
    const { coordinator, transport, close } = this.#coordinator!;
    await transport.close();
    await coordinator.close();
    close();
    this.#coordinator = undefined;
  }

  startWorker(
    name: string,
    { engineVersion = "1", where = name, shardMs = 1 }: {
      engineVersion?: string;
      where?: string;
      shardMs?: number;
    } = {},
  ): Promise<void> {
    let isKilled = false;
    const transports: Transport[] = [];
    const leaving = Promise.withResolvers<void>();
    const end = runWorker({
      connect: () => {
        if (isKilled) throw new Error("killed");
        const control = heldBack(
          deafened(this.#broker.connect(), () => this.deaf.has(name)),
          (subject) => subject.endsWith(".begin") ? this.onBegin(name) : Promise.resolve(),
        );
        this.muted.delete(name);
        const data = muted(this.#broker.connect({ noEcho: true }), () => this.muted.has(name));
        transports.push(control, data);
        return Promise.resolve({ control, data });
      },
      run: "tiny",
      name,
      where,
      joinTimeoutMs: 5_000,
      stallMs: 500,
      clock: this.clock,
      open: (opened, clock) => {
        const run = openTinyRun(opened, clock, {
          shardMs,
          onShard: (step) => this.onStep(step),
        });
        return Promise.resolve({
          ...run,
          report: { ...run.report, engineVersion },
          createTrainer: (...args) => {
            const own = run.createTrainer(...args);
            return { ...own, samples: this.samples ?? own.samples };
          },
        });
      },
      leave: leaving.promise,
    }).catch((error) => {
      if (!isKilled) throw error;
    });
    end.catch(() => {});
    this.ends.push(end);
    this.#workers.set(name, {
      kill() {
        isKilled = true;
        for (const transport of transports) void transport.close();
      },
      leave: leaving.resolve,
    });
    return end;
  }

  kill(name: string): void {
    this.#workers.get(name)!.kill();
  }

  leave(name: string): void {
    this.#workers.get(name)!.leave();
  }

  stopBroker(): void {
    this.#broker.stop();
  }

  /** Once, when any worker begins on this step. */
  reach(step: number): Promise<void> {
    return new Promise((resolve) => {
      const before = this.onStep;
      this.onStep = (begun) => {
        before(begun);
        if (begun >= step) resolve();
      };
    });
  }

  async close(): Promise<void> {
    // A failed test's run still goes on, and would write into its folder while that is removed.
    this.#coordinator?.coordinator.fail("the test is over");
    await this.#coordinator?.coordinator.close();
    this.#coordinator?.close();
    await Promise.allSettled(this.ends);
    this.#broker.stop();
  }

  #report(): RunReport {
    return {
      joined() {},
      started() {},
      progress: (told) => {
        this.steps.push(told.step);
        this.progress.set(told.step, told);
      },
      validating() {},
      validated() {},
      checkpointed() {},
      rewound() {},
      tell: (sentence) => void this.told.push(sentence),
      stopping() {},
      warn: (sentence) => void this.warned.push(sentence),
      picture: (step) => Promise.resolve(void this.drawn.push(step)),
      figures: () => {
        throw new Error("not asked for");
      },
      close() {},
    };
  }
}

/** Hears what comes late, when it hears again, as over a connection that was blocked one way. */
function deafened(inner: Transport, isDeaf: () => boolean): Transport {
  const heard = async () => {
    while (isDeaf()) await delay(systemClock, 10);
  };
  return {
    payloadBytesMax: inner.payloadBytesMax,
    closed: inner.closed,
    publish: (subject, data) => inner.publish(subject, data),
    subscribe(subject, callback) {
      let last = Promise.resolve();
      return inner.subscribe(subject, ({ subject, data, respond }) => {
        const copy = { subject, data: data.slice(), respond };
        last = last.then(heard).then(() => callback(copy));
      });
    },
    async request(subject, data, options) {
      const answer = await inner.request(subject, data, options);
      await heard();
      return answer;
    },
    flush: () => inner.flush(),
    close: () => inner.close(),
  };
}

/** Asks later. */
function heldBack(inner: Transport, until: (subject: string) => Promise<void>): Transport {
  return {
    payloadBytesMax: inner.payloadBytesMax,
    closed: inner.closed,
    publish: (subject, data) => inner.publish(subject, data),
    subscribe: (subject, callback) => inner.subscribe(subject, callback),
    async request(subject, data, options) {
      await until(subject);
      return await inner.request(subject, data, options);
    },
    flush: () => inner.flush(),
    close: () => inner.close(),
  };
}

/** Loses what is published, as over a way that is cut and does not say so. */
function muted(inner: Transport, isMuted: () => boolean): Transport {
  return {
    payloadBytesMax: inner.payloadBytesMax,
    closed: inner.closed,
    publish(subject, data) {
      if (!isMuted()) inner.publish(subject, data);
    },
    subscribe: (subject, callback) => inner.subscribe(subject, callback),
    request: (subject, data, options) => inner.request(subject, data, options),
    flush: () => inner.flush(),
    close: () => inner.close(),
  };
}

/** A cluster in a folder of its own; everything has ended when it is over. */
async function withCluster(
  body: (cluster: Cluster) => Promise<void>,
  changed: Partial<RunConfiguration> = {},
  clock: Clock = systemClock,
): Promise<void> {
  const path = await Deno.makeTempDir();
  const cluster = new Cluster(`${path}/run`, { ...configuration, ...changed }, clock);
  try {
    await body(cluster);
  } finally {
    await cluster.close();
    await Deno.remove(path, { recursive: true });
  }
}

async function assertUndisturbed(
  { configuration, steps, progress }: Cluster,
  end: RunEnd,
): Promise<void> {
  const wanted = await undisturbedTinyRun(configuration);
  assert.equal(end.step, wanted.step);
  assert.equal(end.parametersSha256, wanted.parametersSha256);
  // Each step was told of, the last of them once it was final.
  assert.deepEqual(new Set(steps), new Set(Array.from({ length: end.step }, (_, i) => i + 1)));
  // The epoch's mean counts each of its steps once, whoever computed it and under which coordinator.
  let tally = emptyTally;
  for (let step = 1; step <= end.step; step++) {
    const told = progress.get(step)!;
    if (told.planStep === 1) tally = emptyTally;
    tally = countStep(tally, told);
    assert.equal(told.epochLoss, meanLoss(tally), `mean up to step ${step}`);
  }
}

Deno.test("runWorker: three workers end with the parameters that one alone computes", () =>
  withCluster(async (cluster) => {
    const { ended } = await cluster.startCoordinator();
    for (const name of ["a", "b", "c"]) cluster.startWorker(name);
    const end = await ended;
    await assertUndisturbed(cluster, end);
    assert.equal(end.restarts, 0);
    assert.deepEqual([cluster.told, cluster.warned], [[], []]);
  }));

Deno.test("runWorker: a picture that cannot be made costs a warning, and the next one is made", () =>
  withCluster(async (cluster) => {
    const sample = (frames: number, label = "test/0") => ({
      ...{ label, frames, firstPredicted: 1 },
      truth: new Float32Array(frames * 2),
      predictions: new Float32Array((frames - 1) * 2),
    });
    let pictures = 0;
    cluster.samples = () => {
      switch (++pictures) {
        case 1:
          return Promise.reject(new Error("Cannot read the test set"));
        // More frames than a picture holds, at whatever size.
        case 2:
          return Promise.resolve([sample(2 ** 24)]);
        // Its first predicted frame is none of its frames: refused when all of it was sent.
        case 3:
          return Promise.resolve([{ ...sample(3), firstPredicted: 9 }]);
        default:
          return Promise.resolve([sample(3, "a long name ".repeat(40))]);
      }
    };
    const { ended } = await cluster.startCoordinator();
    for (const name of ["a", "b", "c"]) cluster.startWorker(name);
    const end = await ended;
    await assertUndisturbed(cluster, end);
    assert.equal(end.restarts, 0);
    assert.deepEqual(cluster.drawn, [40, 50, 60]);
    assert.deepEqual(cluster.warned, [
      "Cannot draw predictions: Cannot read the test set",
      "Cannot draw predictions: 16777216 frames of 1x2x1 are more than a picture holds",
      "Cannot draw predictions: frame 9 of 3 is the first predicted one",
    ]);
  }, { imageSteps: 10 }));

Deno.test("runWorker: nobody computes before all can hear", () =>
  withCluster(async (cluster) => {
    const { ended } = await cluster.startCoordinator();
    const [asked, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    cluster.onBegin = async (name) => {
      if (name !== "b") return;
      asked.resolve();
      await gate.promise;
    };
    let begun = 0;
    cluster.onStep = () => void begun++;
    for (const name of ["a", "b", "c"]) cluster.startWorker(name);
    await Promise.race([asked.promise, ended]);
    await delay(systemClock, 100);
    assert.equal(begun, 0);
    gate.resolve();
    await assertUndisturbed(cluster, await ended);
  }));

Deno.test("runWorker: a worker dies, one comes, one leaves, and no bit differs", () =>
  withCluster(async (cluster) => {
    const { ended } = await cluster.startCoordinator();
    for (const name of ["a", "b", "c"]) cluster.startWorker(name);
    await cluster.reach(14);
    cluster.kill("a");
    await cluster.lost();
    cluster.startWorker("d");
    await cluster.reach(30);
    cluster.leave("b");
    await cluster.reach(45);
    cluster.kill("c");
    const end = await ended;
    await assertUndisturbed(cluster, end);
    // Who leaves costs no work and is no loss.
    assert.equal(end.restarts, 2);
    assert.ok(cluster.told.some((sentence) => sentence.startsWith('Lost worker "a"')));
    assert.ok(cluster.told.some((sentence) => sentence.includes('Worker "d" joined')));
    assert.ok(cluster.told.some((sentence) => sentence.includes('Worker "b" left')));
  }));

Deno.test("runWorker: the coordinator dies and comes back, and no bit differs", () =>
  withCluster(async (cluster) => {
    await cluster.startCoordinator();
    for (const name of ["a", "b", "c"]) cluster.startWorker(name);
    for (const step of [13, 41]) {
      await cluster.reach(step);
      await cluster.killCoordinator();
      await cluster.startCoordinator({ resume: true });
      if (step > 13) continue;
      await cluster.reach(20);
      cluster.kill("b");
      await cluster.lost();
    }
    const end = await cluster.ended();
    await assertUndisturbed(cluster, end);
    // It was counted under the coordinator before.
    assert.equal(end.restarts, 1);
  }));

Deno.test("runWorker: the broker cuts everybody off, and no bit differs", () =>
  withCluster(async (cluster) => {
    await cluster.startCoordinator();
    for (const name of ["a", "b", "c"]) cluster.startWorker(name);
    await cluster.reach(22);
    cluster.stopBroker();
    await assert.rejects(cluster.ended(), { name: "BrokerLostError" });
    await cluster.killCoordinator();
    await cluster.startCoordinator({ resume: true });
    await assertUndisturbed(cluster, await cluster.ended());
  }));

Deno.test("runWorker: who speaks and does not hear is given up, and comes back when it hears", () =>
  withCluster(async (cluster) => {
    const { ended } = await cluster.startCoordinator();
    for (const name of ["a", "b", "c"]) cluster.startWorker(name);
    await cluster.reach(8);
    cluster.deaf.add("b");
    await cluster.lost();
    cluster.deaf.delete("b");
    const end = await ended;
    await assertUndisturbed(cluster, end);
    assert.equal(end.restarts, 1);
    assert.match(
      cluster.told[0],
      /^Lost worker "b": b has heard nothing for 1\.\d s; going on with 2$/,
    );
  }));

Deno.test("runWorker: whose gradients are lost comes again over new connections, and no bit differs", () =>
  withCluster(async (cluster) => {
    const { ended } = await cluster.startCoordinator();
    for (const name of ["a", "b", "c"]) cluster.startWorker(name);
    await cluster.reach(8);
    cluster.muted.add("b");
    const end = await ended;
    await assertUndisturbed(cluster, end);
    assert.equal(end.restarts, 1);
    const sentence = 'Lost worker "b": "a", "c" wait for its gradients in vain; going on with 2';
    assert.ok(cluster.told.includes(sentence), cluster.told.join("\n"));
  }));

Deno.test("runWorker: who is 200,000 times slower than the others is waited for", async () => {
  const clock = new FakeClock();
  // A second goes by whenever nothing more happens in this one.
  const passing = setInterval(() => clock.advance(1_000), 1);
  const changed = {
    steps: 2,
    membership: { ...configuration.membership, heartbeatMs: 1_000, silenceMsMax: 60_000 },
  };
  try {
    await withCluster(
      async (cluster) => {
        const { ended, fail } = await cluster.startCoordinator();
        clock.after(3_000_000, () => fail(cluster.told.join("; ")));
        cluster.startWorker("a");
        cluster.startWorker("b");
        cluster.startWorker("c", { shardMs: 200_000 });
        const end = await ended;
        assert.deepEqual(cluster.told, []);
        assert.equal(end.restarts, 0);
        assert.ok(clock.nowMs() > 300_000, `it took ${clock.nowMs()} ms`);
        await assertUndisturbed(cluster, end);
      },
      changed,
      clock,
    );
  } finally {
    clearInterval(passing);
  }
});

Deno.test("runWorker: a newcomer that does not fit is told why, and the run goes on", () =>
  withCluster(async (cluster) => {
    await cluster.startCoordinator();
    for (const name of ["a", "b", "c"]) cluster.startWorker(name);
    await cluster.reach(5);
    await assert.rejects(cluster.startWorker("d", { engineVersion: "2" }), {
      name: "RunEndedError",
      message:
        /^The coordinator refused: worker "d" \(d\) has engine version 2, worker "a" \(a\) has 1; /,
    });
    await cluster.reach(10);
    await assert.rejects(cluster.startWorker("a", { where: "another process" }), {
      message: /a worker named "a" has already joined from a; give another --name$/,
    });
    const end = await cluster.ended();
    await assertUndisturbed(cluster, end);
    assert.equal(end.restarts, 0);
  }));

Deno.test("runWorker: a configuration that cannot be used is opened by nobody, and the coordinator told", async () => {
  const broker = createMemoryBroker({ clock: systemClock });
  const coordinator = broker.connect();
  const subjects = workerSubjects("r", "a");
  const text = JSON.stringify({ ...configuration, lanes: "12" });
  coordinator.subscribe(subjects.join, ({ respond }) => respond(encode({ ok: true, text })));
  coordinator.subscribe(
    subjects.heartbeat,
    ({ respond }) => respond?.(encode({ ok: true, text: "" })),
  );
  const told: string[] = [];
  coordinator.subscribe(subjects.finished, ({ data, respond }) => {
    told.push(decode(data, finishedSchema, { bytesMax: messageBytesMax }).failure);
    respond(encode({ ok: true, text: "" }));
  });
  const what =
    "the coordinator's answer holds an unusable configuration.lanes: expected an integer, " +
    'got "12"; mend it, or use the version of Lockstep that wrote it';
  await assert.rejects(
    runWorker({
      connect: () => Promise.resolve({ control: broker.connect(), data: broker.connect() }),
      open: () => assert.fail("it was opened"),
      ...{ run: "r", name: "a", where: "a", joinTimeoutMs: 5_000, clock: systemClock },
    }),
    { name: "ConfigurationError", message: what },
  );
  assert.deepEqual(told, [what]);
  await coordinator.close();
});

Deno.test("runWorker: who comes back offers the engine that the run has opened, not its usual one", async () => {
  const broker = createMemoryBroker({ clock: systemClock });
  const coordinator = broker.connect();
  const subjects = workerSubjects("r", "a");
  const text = JSON.stringify({ ...configuration, engine: "wasm" });
  const offered: unknown[] = [];
  coordinator.subscribe(subjects.join, ({ data, respond }) => {
    offered.push(decode(data, joinSchema, { bytesMax: messageBytesMax }).engine);
    respond(encode({ ok: offered.length === 1, text: offered.length === 1 ? text : "enough" }));
  });
  coordinator.subscribe(
    subjects.heartbeat,
    ({ respond }) => respond?.(encode({ ok: true, text: "" })),
  );
  let control: Transport | undefined;
  let closes = 0;
  const ended = runWorker({
    connect() {
      control = broker.connect();
      return Promise.resolve({ control, data: broker.connect() });
    },
    async open() {
      // The coordinator is lost before it hears that the worker is ready.
      await control!.close();
      return { report: {}, close: () => void closes++ } as unknown as OpenedRun;
    },
    engine: "tensorflow",
    ...{ run: "r", name: "a", where: "a", joinTimeoutMs: 5_000, clock: systemClock },
  });
  await assert.rejects(ended, { name: "RunEndedError", message: /enough/ });
  assert.deepEqual(offered, ["tensorflow", "wasm"]);
  assert.equal(closes, 1);
  await coordinator.close();
});

Deno.test("runWorker: a broker that cuts logins is asked each second, one that is gone ten times as often, and no other again", async () => {
  const table: [TransportError, number][] = [
    [new LoginCutError("the login was cut"), 4],
    [new TransportError("nobody listens"), 31],
    [new LoginRefusedError("the login was refused"), 1],
    [new BrokerAddressError("that is no address"), 1],
  ];
  for (const [error, expected] of table) {
    const clock = new FakeClock();
    let connections = 0;
    const ended = runWorker({
      connect() {
        connections++;
        return Promise.reject(error);
      },
      open: () => assert.fail("nobody answered"),
      ...{ run: "r", name: "a", where: "a", joinTimeoutMs: 3_000, clock },
    }).catch((error) => error);
    for (let ms = 0; ms < 4_000; ms += 50) {
      await delay(systemClock, 0);
      clock.advance(50);
    }
    assert.equal(await ended, error);
    assert.equal(connections, expected, error.message);
  }
});

Deno.test("runWorker: stopped while it regroups, a run ends with a checkpoint to go on from", () =>
  withCluster(async (cluster) => {
    await cluster.startCoordinator();
    for (const name of ["a", "b", "c"]) cluster.startWorker(name);
    await cluster.reach(17);
    cluster.kill("b");
    await cluster.lost();
    cluster.stop();
    await assert.rejects(cluster.ended(), { name: "InterruptedError" });
    await cluster.killCoordinator();
    await Promise.allSettled(cluster.ends);
    const { length } = cluster.steps;
    await cluster.startCoordinator({ resume: true });
    for (const name of ["d", "e", "f"]) cluster.startWorker(name);
    await assertUndisturbed(cluster, await cluster.ended());
    // From the last snapshot: the last checkpoint before it was the first epoch's, of step 11.
    assert.ok(cluster.steps[length] > 12, `went on with step ${cluster.steps[length]}`);
  }, { membership: { ...configuration.membership, workersMin: 3 } }));
