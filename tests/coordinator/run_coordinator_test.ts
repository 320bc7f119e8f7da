import assert from "node:assert/strict";
import type { FileSystem } from "../../coordinator/file_system.ts";
import type { JournalEntry } from "../../coordinator/journal.ts";
import { type Coordinator, startCoordinator } from "../../coordinator/run_coordinator.ts";
import type { RunReport } from "../../coordinator/run_report.ts";
import { defaultRun } from "../../launch/run_flags.ts";
import { decode, type Encodable, encode } from "../../net/codec.ts";
import { createMemoryBroker } from "../../net/memory_transport.ts";
import {
  coordinatorMessageSchema,
  messageBytesMax,
  protocolVersion,
  type Reply,
  replySchema,
  runSubjects,
  staleGeneration,
  type StartMessage,
  workerSubjects,
  type WorkerVerb,
} from "../../net/messages.ts";
import type { RunConfiguration } from "../../net/run_configuration.ts";
import type { Transport } from "../../net/transport.ts";
import { isDiskBusy, watchedDisk } from "../support/watched_disk.ts";
import { FakeClock } from "../support/fake_clock.ts";

const configuration: RunConfiguration = { ...defaultRun, lanes: 2, shards: 2, workers: 2 };
const vectors = { parameters: 3, "lane/0": 1, "lane/1": 1 };
const stale: Reply = { ok: false, text: staleGeneration };
const accepted: Reply = { ok: true, text: "" };

interface Opened {
  readonly coordinator: Coordinator;
  readonly transport: Transport;
  readonly clock: FakeClock;
  /** What was written and said, in order: "journal 1", "start 1", "stop", "end". */
  readonly order: string[];
  readonly starts: StartMessage[];
  /** What was written, without members and step. */
  readonly entries: Partial<JournalEntry>[];
  readonly told: string[];
  readonly rejoins: { worker: string; where?: string }[];
  ask(worker: string, verb: WorkerVerb, body: Encodable): Promise<Reply>;
  publish(worker: string, verb: WorkerVerb, body: Encodable): void;
  /** What is no message of ours. */
  publishBytes(worker: string, verb: string, bytes: Uint8Array): void;
  join(...workers: string[]): Promise<void>;
  ready(worker: string, change?: Record<string, Encodable>): Promise<Reply>;
  write(generation: number): Promise<void>;
  snapshot(worker: string, generation: number, step: number, save?: boolean): Promise<Reply>;
}

/** A coordinator, and the workers' side of the broker to speak for them by hand. */
async function withCoordinator(
  body: (opened: Opened) => Promise<void>,
  fileSystem: FileSystem = watchedDisk,
): Promise<void> {
  const path = await Deno.makeTempDir();
  await Deno.mkdir(`${path}/checkpoints`);
  const clock = new FakeClock();
  const broker = createMemoryBroker({ clock });
  const [transport, workers] = [broker.connect(), broker.connect({ noEcho: true })];
  const [order, starts, told]: [string[], StartMessage[], string[]] = [[], [], []];
  const rejoins: Opened["rejoins"] = [];
  const entries: Opened["entries"] = [];
  workers.subscribe(runSubjects("r1").workers, ({ data }) => {
    const message = decode(data, coordinatorMessageSchema, { bytesMax: messageBytesMax });
    if (message.type === "start") starts.push(message);
    if (message.type === "rejoin") {
      const { type: _, life, ...whom } = message;
      assert.equal(life, "this-one");
      rejoins.push(whom);
    }
    order.push(message.type === "start" ? `start ${message.generation}` : message.type);
  });
  let generation = 0;
  const coordinator = startCoordinator({
    transport,
    run: "r1",
    configuration,
    folder: { path, checkpointsPath: `${path}/checkpoints` },
    journal: {
      get generation() {
        return generation;
      },
      members: [],
      restarts: 0,
      skippedSteps: [],
      append(entry: JournalEntry) {
        ({ generation } = entry);
        const { dropped, skipped, restarts } = entry;
        entries.push({
          generation,
          restarts,
          ...(skipped ? { skipped } : {}),
          ...(dropped ? { dropped } : {}),
        });
        order.push(`journal ${generation}`);
      },
      close() {},
    },
    report: reportTo(told),
    limits: {
      startTimeoutMs: 60_000,
      silenceMsMax: 60_000,
      waitTimeoutMs: 60_000,
      workersMin: 1,
      workersMax: 2,
    },
    clock,
    life: "this-one",
    timeOfDay: () => "2026-01-01T00:00:00Z",
    fileSystem,
  });
  await settle();
  const ask = async (worker: string, verb: WorkerVerb, request: Encodable) => {
    const subject = workerSubjects("r1", worker)[verb];
    const answer = await workers.request(subject, encode(request), { timeoutMs: 1000 });
    return decode(answer, replySchema, { bytesMax: messageBytesMax });
  };
  try {
    await body({
      coordinator,
      transport,
      clock,
      order,
      starts,
      entries,
      told,
      rejoins,
      ask,
      publish: (worker, verb, message) =>
        workers.publish(workerSubjects("r1", worker)[verb], encode(message)),
      publishBytes: (worker, verb, bytes) =>
        workers.publish(`${runSubjects("r1").from}.${worker}.${verb}`, bytes),
      async join(...names) {
        for (const worker of names) {
          const where = `process of ${worker}`;
          await ask(worker, "join", { protocol: protocolVersion, where });
        }
      },
      ready: (worker, change = {}) => ask(worker, "ready", { ...readyMessage, ...change }),
      async write(generation) {
        const { members: [first, second = first] } = starts.at(-1)!;
        for (const [vector, length] of Object.entries(vectors)) {
          const data = new Uint8Array(4 * length);
          const part = { generation, vector, totalBytes: data.length, offset: 0, data };
          const owner = vector === "lane/1" ? second : first;
          assert.deepEqual(await ask(owner, "write", part), accepted);
        }
      },
      snapshot: (worker, generation, step, save = false) =>
        ask(worker, "snapshot", { generation, save, step, epoch: 0, planStep: step }),
    });
  } finally {
    broker.stop();
    await coordinator.close();
    await Deno.remove(path, { recursive: true });
  }
}

const readyMessage = {
  engine: "tensorflow",
  engineVersion: "2.21.0",
  device: "CPU",
  precision: "float32",
  parameterCount: 3,
  fingerprint: "f00d",
  dataset: "noise",
  frameShape: [1, 1, 1],
  parameters: [{ name: "kernel", shape: [3] }],
  states: [{ name: "hidden", shape: [1] }],
  slots: [],
};

function reportTo(told: string[]): RunReport {
  const nothing = () => {};
  return {
    joined: nothing,
    started: nothing,
    progress: nothing,
    validating: nothing,
    validated: nothing,
    checkpointed: (step) => void told.push(`checkpoint ${step}`),
    rewound: nothing,
    tell: (sentence) => void told.push(sentence),
    stopping: nothing,
    warn: (sentence) => void told.push(`Warning: ${sentence}`),
    picture: () => Promise.resolve(),
    figures: () => assert.fail("not asked for"),
    close: nothing,
  };
}

/** Lets everything that is under way come to rest, the disk's work included. */
async function settle(): Promise<void> {
  for (let quiet = 0; quiet < 5; quiet++) {
    await new Promise((resolve) => setTimeout(resolve, 1));
    if (isDiskBusy()) quiet = 0;
  }
}

async function begin(opened: Opened): Promise<void> {
  await opened.join("a", "b");
  for (const worker of ["a", "b"]) await opened.ready(worker);
  await settle();
}

Deno.test("startCoordinator writes a generation down before anybody hears of it", () =>
  withCoordinator(async (opened) => {
    await begin(opened);
    opened.coordinator.workerLost("b", "it was killed");
    await settle();
    assert.deepEqual(opened.order, ["journal 1", "start 1", "journal 2", "start 2"]);
    assert.deepEqual(opened.starts.map(({ members }) => members), [["a", "b"], ["a"]]);
  }));

Deno.test("startCoordinator tells a newcomer that does not fit why, on what it asked", () =>
  withCoordinator(async (opened) => {
    await begin(opened);
    await opened.join("c");
    const { ok, text } = await opened.ready("c", { fingerprint: "beef" });
    assert.equal(ok, false);
    assert.match(
      text,
      /^worker "c" \(.*\) has model and data fingerprint beef, worker "a" \(.*\) has f00d; /,
    );
    assert.deepEqual(opened.order, ["journal 1", "start 1"]);
  }));

Deno.test("startCoordinator says a start again to a member that has not heard of it", () =>
  withCoordinator(async (opened) => {
    await begin(opened);
    const beat = async (worker: string, generation: number) => {
      opened.publish(worker, "heartbeat", {
        generation,
        where: `process of ${worker}`,
        heardMs: 0,
      });
      await settle();
    };
    await beat("a", 1);
    assert.deepEqual(opened.order, ["journal 1", "start 1"]);
    await beat("b", 0);
    assert.deepEqual(opened.order, ["journal 1", "start 1", "start 1"]);
    assert.deepEqual(opened.starts[1], opened.starts[0]);
    // Who only waits has nothing to begin, and who is unknown is to come again.
    await opened.join("c");
    await opened.ready("c");
    await beat("c", 0);
    await beat("d", 1);
    assert.deepEqual(opened.order.slice(3), ["rejoin"]);
  }));

Deno.test("startCoordinator begins each generation from the last snapshot that was complete", () =>
  withCoordinator(async (opened) => {
    await begin(opened);
    await opened.write(1);
    const [first, second] = await Promise.all(["a", "b"].map((w) => opened.snapshot(w, 1, 10)));
    assert.deepEqual([first, second], [accepted, accepted]);
    // The next one is half done when a member is lost: who waits is told, and its parts are void.
    await opened.write(1);
    const waiting = opened.snapshot("a", 1, 20);
    await settle();
    opened.coordinator.workerLost("b", "it was killed");
    assert.deepEqual(await waiting, stale);
    assert.deepEqual(
      opened.starts.map(({ step, restore }) => [step, restore]),
      [[0, false], [10, true]],
    );
    const part = { vector: "parameters", totalBytes: 12, offset: 0, data: new Uint8Array(12) };
    assert.deepEqual(await opened.ask("a", "write", { generation: 1, ...part }), stale);
    await opened.write(2);
    assert.deepEqual(await opened.snapshot("a", 2, 20), accepted);
  }));

Deno.test("startCoordinator counts no end that was reached in an earlier generation", () =>
  withCoordinator(async (opened) => {
    await begin(opened);
    opened.coordinator.workerLost("b", "it was killed");
    await settle();
    const finish = (generation: number) =>
      opened.ask("a", "finished", {
        generation,
        reason: "done",
        step: 10,
        parametersSha256: "f00d",
        failure: "",
      });
    assert.deepEqual(await finish(1), stale);
    assert.equal(opened.order.includes("end"), false);
    assert.deepEqual(await finish(2), accepted);
    await settle();
    assert.equal(opened.order.at(-1), "end");
  }));

Deno.test("startCoordinator takes each vector from the member whose it is alone", () =>
  withCoordinator(async (opened) => {
    await begin(opened);
    for (const [vector, wrong, owner] of [["parameters", "b", "a"], ["lane/1", "a", "b"]]) {
      const data = new Uint8Array(vector === "parameters" ? 12 : 4).fill(1);
      const part = { generation: 1, vector, totalBytes: data.length, offset: 0, data };
      assert.deepEqual(await opened.ask(wrong, "write", part), {
        ok: false,
        text: `Cannot take vector "${vector}" from "${wrong}": it is that of "${owner}"`,
      });
    }
    await opened.write(1);
    const answers = await Promise.all(["a", "b"].map((w) => opened.snapshot(w, 1, 10)));
    assert.deepEqual(answers, [accepted, accepted]);
  }));

Deno.test("startCoordinator takes what one member tells for all from the first one alone, and once", () =>
  withCoordinator(async (opened) => {
    await begin(opened);
    const told = (step: number) => ({ ...progress, step, fault: "its loss is NaN" });
    const picture = { generation: 1, step: 1, height: 1, width: 1, channels: 1, isLast: false };
    const messages: [WorkerVerb, Record<string, Encodable>][] = [
      ["progress", told(1)],
      ["validating", { generation: 1, done: 1, total: 2 }],
      ["pictures", { ...picture, samples: [] }],
    ];
    for (const [verb, message] of messages) {
      assert.deepEqual(await opened.ask("b", verb, message), {
        ok: false,
        text: `Cannot take ${verb}: it is "a" who tells of it`,
      });
    }
    assert.deepEqual(opened.told, [
      'Warning: Refused a message of "b" on progress: it is "a" who tells of it',
    ]);
    assert.equal(opened.entries.length, 1);
    for (const step of [1, 2, 2, 1]) opened.publish("a", "progress", told(step));
    await settle();
    assert.deepEqual(opened.entries.slice(1).map(({ skipped }) => skipped), [1, 2]);
    const back = { generation: 1, step: 1, fault: "its loss is NaN" };
    assert.deepEqual(await opened.ask("a", "rollback", back), {
      ok: false,
      text:
        "Cannot take rollback: nobody is to go back for step 1, with --on-nan stop after step 0",
    });
    assert.equal(opened.starts.length, 1);
  }));

Deno.test("startCoordinator draws no picture that is none or costs too much, and says why", () =>
  withCoordinator(async (opened) => {
    await begin(opened);
    const sample = { label: "s", frames: 2, firstPredicted: 1 };
    const whole = { generation: 1, step: 1, height: 4, width: 4, channels: 1, isLast: false };
    const refused: [Record<string, Encodable>, RegExp][] = [
      [{ samples: [] }, /0 samples of 4 × 4 pixels/],
      [{ samples: [sample], height: 2 ** 40 }, /1 samples of 1099511627776 × 4 pixels/],
      [{ samples: [{ ...sample, frames: 2 ** 40 }] }, /17592186044416 values in 1099511627776/],
      [{ samples: [{ ...sample, frames: 0 }] }, /frame 1 of 0 is the first predicted one/],
      [{ samples: [sample] }, /Cannot use vector "sample\/0\/truth": 0 bytes came/],
    ];
    for (const [change, why] of refused) {
      assert.deepEqual(await opened.ask("a", "pictures", { ...whole, ...change }), accepted);
      const sentence = opened.told.pop()!;
      assert.match(sentence, /^Warning: Cannot draw predictions: /);
      assert.match(sentence, why);
    }
  }));

Deno.test("startCoordinator counts no request of somebody who is no member", () =>
  withCoordinator(async (opened) => {
    await begin(opened);
    await opened.join("c");
    await opened.ready("c");
    await opened.write(1);
    assert.deepEqual(await opened.snapshot("c", 1, 10), stale);
    assert.deepEqual(
      await opened.ask("c", "begin", { generation: 1, where: "process of c" }),
      stale,
    );
    assert.equal(opened.starts.length, 1);
  }));

Deno.test("startCoordinator: a snapshot saved after its generation takes nobody in", async () => {
  const gate = Promise.withResolvers<void>();
  const slowDisk: FileSystem = {
    ...watchedDisk,
    async rename(from, to) {
      await gate.promise;
      await watchedDisk.rename(from, to);
    },
  };
  await withCoordinator(async (opened) => {
    await begin(opened);
    await opened.write(1);
    const saving = ["a", "b"].map((worker) => opened.snapshot(worker, 1, 10, true));
    await settle();
    opened.coordinator.workerLost("b", "it was killed");
    await opened.join("c");
    await opened.ready("c");
    gate.resolve();
    await Promise.all(saving);
    await settle();
    assert.ok(opened.told.includes("checkpoint 10"));
    // "c" waits for a snapshot of the generation that is under way now.
    assert.deepEqual(opened.starts.map(({ members, step }) => [members, step]), [
      [["a", "b"], 0],
      [["a"], 10],
    ]);
    await opened.write(2);
    assert.deepEqual(await opened.snapshot("a", 2, 20), accepted);
    await settle();
    assert.deepEqual(opened.starts.at(-1)!.members, ["a", "c"]);
    assert.equal(opened.starts.at(-1)!.step, 20);
  }, slowDisk);
});

Deno.test("startCoordinator keeps no snapshot of workers at different steps", () =>
  withCoordinator(async (opened) => {
    await begin(opened);
    await opened.write(1);
    const answers = await Promise.all([opened.snapshot("a", 1, 10), opened.snapshot("b", 1, 11)]);
    assert.ok(answers.every(({ ok }) => !ok));
    await assert.rejects(opened.coordinator.ended, /"a" is at step 10 and "b" at step 11/);
  }));

Deno.test("startCoordinator survives the loss of its broker at any moment", () =>
  withCoordinator(async (opened) => {
    await begin(opened);
    const { coordinator, transport, clock } = opened;
    const closing = transport.close();
    // What is to be said now is said to nobody.
    coordinator.workerLost("b", "it was killed");
    coordinator.stop();
    clock.advance(250);
    await closing;
    await assert.rejects(coordinator.ended, { name: "BrokerLostError" });
  }));

Deno.test("startCoordinator keeps a cloned identity out of the generation that calls its name", () =>
  withCoordinator(async (opened) => {
    await begin(opened);
    const clone = { generation: 1, where: "process of another a" };
    const taken = 'a worker named "a" has already joined from process of a; give another --name';
    assert.deepEqual(await opened.ask("a", "begin", clone), { ok: false, text: taken });
    opened.publish("a", "heartbeat", { ...clone, heardMs: 0 });
    await settle();
    assert.deepEqual(opened.rejoins, [{ worker: "a", where: clone.where }]);
    const joined = await opened.ask("a", "join", { protocol: protocolVersion, where: clone.where });
    assert.deepEqual(joined, { ok: false, text: taken, holderSilentMs: 0 });
    // The one that joined first has lost nothing.
    const begun = ["a", "b"].map((worker) =>
      opened.ask(worker, "begin", { generation: 1, where: `process of ${worker}` })
    );
    assert.deepEqual(await Promise.all(begun), [accepted, accepted]);
    assert.equal(opened.starts.length, 1);
  }));

Deno.test("startCoordinator gives up a member that sends malformed messages, and says so once", () =>
  withCoordinator(async (opened) => {
    await begin(opened);
    for (let sent = 0; sent < 100; sent++) opened.publishBytes("b", "read", new Uint8Array([0xc1]));
    await settle();
    assert.deepEqual(opened.told.map((sentence) => sentence.replace(/: Cannot.*/, "")), [
      'Warning: Refused a message of "b" on read',
      'Warning: "b" is not heard any more: it sent too many malformed messages, the last on read',
      'Lost worker "b": it sent too many malformed messages; going on with 1',
    ]);
    assert.deepEqual(opened.order, [
      "journal 1",
      "start 1",
      "journal 1",
      "journal 2",
      "start 2",
      "rejoin",
    ]);
    assert.deepEqual(opened.starts.map(({ members }) => members), [["a", "b"], ["a"]]);
    const again = await opened.ask("b", "join", { protocol: protocolVersion, where: "anywhere" });
    const text = "it sent too many malformed messages";
    assert.deepEqual(again, { ok: false, text, excluded: true });
  }));

Deno.test("startCoordinator excludes a member that another one accuses, in that generation only", () =>
  withCoordinator(async (opened) => {
    await begin(opened);
    opened.publish("a", "accuse", { generation: 0, accused: "b" });
    opened.publish("a", "accuse", { generation: 1, accused: "nobody" });
    opened.publish("a", "accuse", { generation: 1, accused: "b" });
    await settle();
    const why = '"a" got too many malformed gradients from it';
    const dropped = `"b" is not heard any more: ${why}`;
    assert.deepEqual(opened.told, [
      `Warning: ${dropped}`,
      `Lost worker "b": ${why}; going on with 1`,
    ]);
    assert.deepEqual(opened.entries, [
      { generation: 1, restarts: 0 },
      { generation: 1, restarts: 1, dropped },
      { generation: 2, restarts: 1 },
    ]);
    assert.deepEqual(opened.starts.map(({ members }) => members), [["a", "b"], ["a"]]);
    assert.deepEqual(opened.rejoins, [{ worker: "b" }]);
    const again = await opened.ask("b", "join", { protocol: protocolVersion, where: "anywhere" });
    assert.deepEqual(again, { ok: false, text: why, excluded: true });
  }));

Deno.test("startCoordinator writes down what a coordinator after it could not know", () =>
  withCoordinator(async (opened) => {
    await begin(opened);
    opened.publish("a", "progress", { ...progress, step: 7, fault: "" });
    opened.publish("a", "progress", { ...progress, step: 8, fault: "loss was not finite" });
    await settle();
    // Nobody is left to go on.
    for (const worker of ["a", "b"]) opened.coordinator.workerLost(worker, "it was killed");
    assert.deepEqual(opened.entries, [
      { generation: 1, restarts: 0 },
      { generation: 1, restarts: 0, skipped: 8 },
      { generation: 2, restarts: 1 },
      { generation: 2, restarts: 2 },
    ]);
  }));

const progress = {
  generation: 1,
  epoch: 0,
  planStep: 1,
  planSteps: 9,
  loss: 1,
  epochLoss: 1,
  learningRate: 0.1,
  frames: 2,
  seconds: 1,
  paddedShare: 0,
};

Deno.test("startCoordinator gives up a member that waits for a checkpoint, and whose gradients are missing", async () => {
  const stuck = async (save: boolean) => {
    let starts: readonly string[][] = [];
    await withCoordinator(async (opened) => {
      await begin(opened);
      await opened.write(1);
      void opened.snapshot("b", 1, 10, save);
      for (let times = 0; times < 3; times++) {
        opened.publish("a", "stalled", { generation: 1, missing: ["b"] });
        await settle();
        opened.clock.advance(300);
      }
      starts = opened.starts.map(({ members }) => members);
      opened.coordinator.workerLost("b", "it was killed");
      await settle();
    });
    return starts;
  };
  assert.deepEqual(await stuck(true), [["a", "b"], ["a"]]);
  // That of a snapshot which is not waited for computes meanwhile.
  assert.deepEqual(await stuck(false), [["a", "b"]]);
});

Deno.test("startCoordinator counts what comes on subjects that nobody is to use", () =>
  withCoordinator(async (opened) => {
    await begin(opened);
    for (let sent = 0; sent < 20; sent++) {
      opened.publishBytes("b", "constructor", new Uint8Array(1));
    }
    await settle();
    assert.match(opened.told[1], /^Warning: "b" is not heard any more: .* on an unknown subject: /);
  }));

Deno.test("startCoordinator leaves alone what is said to another one of the run's name", () =>
  withCoordinator(async (opened) => {
    await begin(opened);
    const { clock, coordinator } = opened;
    assert.equal(coordinator.isRunning, true);
    // Well formed, of this generation, and from a member: but to another coordinator's life.
    const other = { life: "another", generation: 1 };
    const finished = { reason: "done", step: 9, parametersSha256: "f", failure: "" };
    for (const worker of ["a", "b"]) {
      const lost = assert.rejects(opened.ask(worker, "finished", { ...other, ...finished }));
      opened.publish(worker, "leave", { life: "another" });
      await settle();
      clock.advance(1_000);
      await lost;
    }
    // Its workers hear that this one is here; whether theirs has died, they know.
    opened.publish("c", "heartbeat", { ...other, where: "process of c", heardMs: 0 });
    await settle();
    assert.deepEqual(opened.rejoins, [{ worker: "c", where: "process of c" }]);
    for (const worker of ["a", "b"]) {
      const own = { life: "this-one", generation: 1, ...finished };
      assert.deepEqual(await opened.ask(worker, "finished", own), accepted);
    }
    assert.equal((await coordinator.ended).step, 9);
  }));
