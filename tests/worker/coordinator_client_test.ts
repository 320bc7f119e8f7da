import assert from "node:assert/strict";
import { emptyTally } from "../../worker/tally.ts";
import { decode, type Encodable, encode } from "../../net/codec.ts";
import { createMemoryBroker } from "../../net/memory_transport.ts";
import {
  type CoordinatorMessage,
  finishedSchema,
  heartbeatSchema,
  joinSchema,
  messageBytesMax,
  readSchema,
  runSubjects,
  staleGeneration,
  type StartMessage,
  vectorPartBytesMax,
  workerSubjects,
  writeSchema,
} from "../../net/messages.ts";
import {
  connectCoordinator,
  ConnectionLostError,
  GenerationEndedError,
  RunEndedError,
} from "../../worker/coordinator_client.ts";
import { FakeClock } from "../support/fake_clock.ts";

const subjects = { ...workerSubjects("r1", "w0"), workers: runSubjects("r1").workers };
const accepted = { ok: true, text: "" };

/** A client, and the coordinator's side of its transport to answer by hand. */
function open({ payloadBytesMax = 1024 * 1024 } = {}) {
  const clock = new FakeClock();
  const broker = createMemoryBroker({ clock, payloadBytesMax });
  const transport = broker.connect();
  const dataTransport = broker.connect({ noEcho: true });
  const client = connectCoordinator({
    control: broker.connect({ noEcho: true }),
    data: dataTransport,
    run: "r1",
    worker: "w0",
    clock,
  });
  const heard: string[] = [];
  return {
    client,
    broker,
    dataTransport,
    clock,
    heard,
    /** Answers every request on a subject, or leaves it without an answer. */
    answer(subject: string, respond: (data: Uint8Array) => Encodable | undefined) {
      transport.subscribe(subject, ({ data, respond: send }) => {
        heard.push(subject);
        const reply = respond(data.slice());
        if (reply !== undefined) send(encode(reply));
      });
    },
    broadcast(message: CoordinatorMessage) {
      transport.publish(subjects.workers, encode(message));
    },
    publish: (data: Uint8Array) => transport.publish(subjects.workers, data),
  };
}

/** Lets everything that is under way in microtasks come to rest. */
function settle(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

/** Moves the clock in steps, and lets what falls due happen in between. */
async function pass(clock: FakeClock, ms: number, stepMs = 50): Promise<void> {
  for (let gone = 0; gone < ms; gone += stepMs) {
    clock.advance(stepMs);
    await settle();
  }
}

function start(generation: number): StartMessage {
  const at = { step: 0, epoch: 0, planStep: 0, restore: false, skipUpTo: 0 };
  return { type: "start", generation, members: ["w0"], ...at };
}

const report = {
  engine: "wasm",
  engineVersion: "4.22.0",
  device: "CPU",
  precision: "float32",
  parameterCount: 3,
  fingerprint: "f",
  dataset: "noise",
  frameShape: [5, 4, 1],
  parameters: [],
  states: [],
  slots: [],
};
const position = { step: 1, epoch: 0, planStep: 1 };

Deno.test("join waits for a coordinator to appear, and gives the configuration", async () => {
  const { client, clock, answer, heard } = open();
  const joined = client.join("process 1", 60_000);
  await pass(clock, 1000);
  assert.deepEqual(heard, []);
  answer(subjects.join, () => ({ ok: true, text: '{"lanes": 12}' }));
  answer(subjects.heartbeat, () => accepted);
  await pass(clock, 500);
  assert.equal(await joined, '{"lanes": 12}');
  assert.deepEqual(heard.filter((subject) => subject === subjects.join).length, 1);
  client.close();
});

Deno.test("join gives up when nobody answers in time, and says what to do", async () => {
  const { client, clock } = open();
  const joined = assert.rejects(client.join("process 1", 3000), {
    message: 'Cannot join run "r1": no coordinator answered within 3 s; start it with `deno task ' +
      "coordinator`, or check --run and --nats",
  });
  await pass(clock, 4000);
  await joined;
  client.close();
});

Deno.test("join ends with the coordinator's reason when it refuses", async () => {
  const { client, answer, heard } = open();
  answer(subjects.join, () => ({ ok: false, text: "the run already has its 2 workers" }));
  await settle();
  await assert.rejects(client.join("process 1", 60_000), {
    name: "RunEndedError",
    message: "The coordinator refused: the run already has its 2 workers",
  });
  assert.equal(heard.length, 1, "a refusal is not asked for again");
  client.close();
});

Deno.test("a worker beats from when it is ready until it closes", async () => {
  const { client, clock, answer, heard, broadcast } = open();
  answer(subjects.ready, () => accepted);
  const generations: number[] = [];
  answer(subjects.heartbeat, (data) => {
    const message = decode(data, heartbeatSchema, { bytesMax: messageBytesMax });
    generations.push(message.generation);
    return undefined;
  });
  await settle();
  await pass(clock, 1000);
  assert.deepEqual(heard, []);
  await client.ready(report, 200);
  await pass(clock, 2000);
  const beats = heard.filter((subject) => subject === subjects.heartbeat).length;
  assert.ok(beats >= 10 && beats <= 11, `${beats} in 2 s`);
  assert.deepEqual(new Set(generations), new Set([0]));
  // What it has heard of is what the coordinator goes by.
  broadcast(start(4));
  await pass(clock, 200);
  assert.equal(generations.at(-1), 4);
  const before = generations.length;
  client.close();
  await pass(clock, 2000);
  assert.equal(generations.length, before);
});

Deno.test("vectors go and come whole, in parts that the broker takes", async () => {
  const { client, answer } = open({ payloadBytesMax: 4096 + 100 });
  const conversation = client.generation(start(3));
  const stored = new Map<string, Uint8Array>();
  const parts = new Map<string, number>();
  answer(subjects.write, (data) => {
    const part = decode(data, writeSchema, { bytesMax: messageBytesMax });
    const { generation, vector, totalBytes, offset } = part;
    assert.equal(generation, 3);
    if (!stored.has(vector)) stored.set(vector, new Uint8Array(totalBytes));
    parts.set(vector, (parts.get(vector) ?? 0) + 1);
    stored.get(vector)!.set(part.data, offset);
    return accepted;
  });
  answer(subjects.read, (data) => {
    const { vector, offset, bytes } = decode(data, readSchema, { bytesMax: messageBytesMax });
    const values = stored.get(vector)!;
    const part = values.slice(offset, offset + bytes);
    return { ...accepted, totalBytes: values.length, data: part };
  });
  await settle();
  for (const length of [0, 1, 25, 26, 1000]) {
    const name = `lane/${length}`;
    // A part of a larger array, as a view of a tensor's memory may be.
    const values = Float32Array.from({ length: length + 2 }, (_, i) => i / 3).subarray(
      1,
      length + 1,
    );
    await conversation.writeVector(name, values);
    assert.equal(parts.get(name), Math.max(1, Math.ceil(4 * length / 100)));
    assert.deepEqual(await conversation.readVector(name), values.slice());
  }
  client.close();
});

Deno.test("what no message of the broker's can hold ends the worker with its figures", async () => {
  const { client, answer } = open({ payloadBytesMax: 8192 });
  const joins: unknown[] = [];
  answer(subjects.join, (data) => {
    joins.push(decode(data, joinSchema, { bytesMax: 8192 }).payloadBytesMax);
    return accepted;
  });
  await client.join("here", 1000);
  // Short for a gradient: the coordinator tells all.
  assert.deepEqual(joins, [8192]);
  const specs = Array.from({ length: 300 }, (_, index) => ({
    name: `layer_${index}/kernel`,
    shape: [3, 3, 16, 16],
  }));
  const long = { ...report, parameters: specs };
  await assert.rejects(client.ready(long, 1000), (error: Error) => {
    assert.ok(!(error instanceof ConnectionLostError), "it would join again, for ever");
    assert.match(
      error.message,
      /^Cannot say "ready" to the coordinator: it takes \d+ bytes, and the broker 8192 at most in one message; raise its max_payload$/,
    );
    return true;
  });
});

Deno.test("a part of a vector is no longer than the coordinator takes, whatever the broker would", async () => {
  const { client, answer } = open({ payloadBytesMax: 64 * 1024 * 1024 });
  const conversation = client.generation(start(1));
  const written: number[] = [];
  const asked: number[] = [];
  const values = new Float32Array(vectorPartBytesMax / 4 + 1).fill(1);
  const stored = new Uint8Array(values.buffer);
  answer(subjects.write, (data) => {
    assert.ok(data.length <= messageBytesMax);
    written.push(decode(data, writeSchema, { bytesMax: messageBytesMax }).data.length);
    return accepted;
  });
  answer(subjects.read, (data) => {
    const { offset, bytes } = decode(data, readSchema, { bytesMax: messageBytesMax });
    asked.push(bytes);
    const part = stored.slice(offset, offset + bytes);
    return { ...accepted, totalBytes: stored.length, data: part };
  });
  await settle();
  await conversation.writeVector("parameters", values);
  assert.deepEqual(written, [vectorPartBytesMax, 4]);
  assert.equal((await conversation.readVector("parameters")).length, values.length);
  assert.deepEqual(asked, [vectorPartBytesMax, vectorPartBytesMax]);
  client.close();
});

Deno.test("readVector refuses a vector that does not come whole", async () => {
  const { client, answer } = open();
  const conversation = client.generation(start(1));
  const answers: Encodable[] = [
    { ok: false, text: 'there is no vector "slot/a" to read' },
    { ...accepted, totalBytes: 8, data: new Uint8Array(0) },
    { ...accepted, totalBytes: 8, data: new Uint8Array(12) },
  ];
  answer(subjects.read, () => answers.shift());
  await settle();
  const messages = [
    'The coordinator refused: there is no vector "slot/a" to read',
    'Cannot restore "slot/a": bytes [0, 0) came of 8, with 0 of 8 before',
    'Cannot restore "slot/a": bytes [0, 12) came of 8, with 0 of 8 before',
  ];
  for (const message of messages) {
    await assert.rejects(conversation.readVector("slot/a"), { message });
  }
  client.close();
});

Deno.test("the coordinator's broadcasts start, stop and end the run", async () => {
  const { client, broadcast, publish } = open();
  await settle();
  // What is no message of the protocol is no message.
  publish(new Uint8Array([0xc1, 2, 3]));
  publish(encode({ type: "begin" }));
  assert.equal(client.stopRequested(), false);
  broadcast(start(1));
  assert.deepEqual(await client.nextStart(0), start(1));
  broadcast({ type: "stop" });
  await settle();
  assert.equal(client.stopRequested(), true);
  broadcast({ type: "end", reason: "" });
  await assert.rejects(client.nextStart(1), { name: "RunEndedError", message: "" });
  client.close();
});

Deno.test("nextStart gives the newest generation, whatever order and how often they come", async () => {
  const { client, broadcast } = open();
  await settle();
  const waiting = [client.nextStart(0), client.nextStart(4)];
  for (const generation of [3, 5, 4, 5]) broadcast(start(generation));
  await settle();
  assert.equal((await waiting[0]).generation, 5);
  assert.equal((await waiting[1]).generation, 5);
  assert.equal((await client.nextStart(3)).generation, 5);
  let next: StartMessage | undefined;
  void client.nextStart(5).then((message) => next = message);
  broadcast(start(5));
  broadcast(start(2));
  await settle();
  assert.equal(next, undefined);
  broadcast(start(6));
  await settle();
  assert.equal(next!.generation, 6);
  client.close();
});

Deno.test("what waits in a generation is interrupted at once by a newer one", async () => {
  const { client, answer, broadcast } = open();
  for (const subject of [subjects.begin, subjects.snapshot, subjects.write]) {
    answer(subject, () => undefined);
  }
  await settle();
  broadcast(start(1));
  const conversation = client.generation(await client.nextStart(0));
  const waiting = [
    conversation.interrupted,
    conversation.begin(),
    conversation.snapshot(position, true, emptyTally),
    conversation.writeVector("parameters", new Float32Array(4)),
  ];
  await settle();
  broadcast(start(2));
  for (const outcome of await Promise.allSettled(waiting)) {
    assert.ok(outcome.status === "rejected" && outcome.reason instanceof GenerationEndedError);
  }
  // And nothing is asked for it any more.
  await assert.rejects(conversation.begin(), GenerationEndedError);
  assert.equal((await client.nextStart(1)).generation, 2);
  client.close();
});

Deno.test("a request that comes too late for its generation is no failure of the run", async () => {
  const { client, answer } = open();
  answer(subjects.snapshot, () => ({ ok: false, text: staleGeneration }));
  answer(subjects.read, () => ({ ok: false, text: staleGeneration }));
  await settle();
  const conversation = client.generation(start(1));
  await assert.rejects(conversation.snapshot(position, false, emptyTally), GenerationEndedError);
  await assert.rejects(conversation.readVector("parameters"), GenerationEndedError);
  client.close();
});

Deno.test("what waits for an answer ends when the run fails, with the run's reason", async () => {
  const { client, answer, broadcast } = open();
  answer(subjects.begin, () => undefined);
  answer(subjects.snapshot, () => undefined);
  await settle();
  const conversation = client.generation(start(1));
  const waiting = [conversation.begin(), conversation.snapshot(position, true, emptyTally)];
  await settle();
  broadcast({ type: "end", reason: 'Lost worker "w1" (host b): not heard of for 5.0 s' });
  for (const outcome of await Promise.allSettled(waiting)) {
    assert.ok(outcome.status === "rejected" && outcome.reason instanceof RunEndedError);
    assert.match(outcome.reason.message, /^Lost worker "w1"/);
  }
  // And nothing is asked after that.
  await assert.rejects(conversation.begin(), RunEndedError);
  client.close();
});

Deno.test("a request that the coordinator refuses ends the run for this worker", async () => {
  const { client, answer } = open();
  answer(subjects.snapshot, () => ({ ok: false, text: "Cannot write: no space left" }));
  await settle();
  await assert.rejects(client.generation(start(1)).snapshot(position, true, emptyTally), {
    name: "RunEndedError",
    message: "The coordinator refused: Cannot write: no space left",
  });
  client.close();
});

Deno.test("a worker that was given up is told to come again, but not for an earlier connection", async () => {
  const { client, clock, answer, broadcast } = open();
  // Said before this worker's new connection had joined: about the one before.
  answer(subjects.join, () => {
    broadcast({ type: "rejoin", worker: "w0" });
    return { ok: true, text: "{}" };
  });
  answer(subjects.heartbeat, () => accepted);
  await settle();
  await client.join("process 1", 1000);
  const errors: unknown[] = [];
  void client.nextStart(0).catch((reason) => errors.push(reason));
  broadcast({ type: "rejoin", worker: "w1" });
  await pass(clock, 200);
  assert.equal(errors.length, 0);
  broadcast({ type: "rejoin", worker: "w0" });
  await settle();
  assert.ok(errors[0] instanceof ConnectionLostError);
  client.close();
});

Deno.test("the stop and the end of a coordinator that is gone do not reach those of the next", async () => {
  const { client, answer, broadcast } = open();
  answer(subjects.join, () => ({ ok: true, text: "{}", life: "second" }));
  answer(subjects.heartbeat, () => accepted);
  await settle();
  broadcast({ type: "end", reason: "Interrupted", life: "first" });
  await settle();
  await client.join("process 1", 1000);
  broadcast({ type: "end", reason: "Interrupted", life: "first" });
  broadcast({ type: "stop", life: "first" });
  broadcast(start(1));
  assert.deepEqual(await client.nextStart(0), start(1));
  assert.equal(client.stopRequested(), false);
  broadcast({ type: "stop", life: "second" });
  broadcast({ type: "end", reason: "", life: "second" });
  await assert.rejects(client.nextStart(1), { name: "RunEndedError", message: "" });
  assert.equal(client.stopRequested(), true);
  client.close();
});

Deno.test("a coordinator that is gone is noticed, and so is a connection that is lost", async () => {
  const gone = open();
  let isThere = true;
  gone.answer(subjects.join, () => ({ ok: true, text: "{}" }));
  gone.answer(subjects.heartbeat, () => isThere ? accepted : undefined);
  await settle();
  await gone.client.join("process 1", 1000);
  const reasons: unknown[] = [];
  void gone.client.nextStart(0).catch((reason) => reasons.push(reason));
  await pass(gone.clock, 100_000, 500);
  assert.equal(reasons.length, 0);
  isThere = false;
  await pass(gone.clock, 65_000, 500);
  const [reason] = reasons;
  assert.ok(reason instanceof ConnectionLostError);
  assert.match(reason.message, /^Lost the coordinator: /);
  gone.client.close();

  const cut = open();
  await settle();
  const lost = { name: "ConnectionLostError", message: "Lost the connection: the broker stopped" };
  const interrupted = assert.rejects(cut.client.generation(start(1)).interrupted, lost);
  cut.broker.stop();
  await assert.rejects(cut.client.nextStart(0), lost);
  await interrupted;
  cut.client.close();

  // Without its gradients' connection a worker is of no use either.
  const dataLost = open();
  await settle();
  await dataLost.dataTransport.close();
  await assert.rejects(dataLost.client.nextStart(0), { name: "ConnectionLostError" });
  dataLost.client.close();
});

Deno.test("failed never throws, and says why in the newest generation", async () => {
  const { client, answer, broadcast, broker } = open();
  const said: Record<string, unknown>[] = [];
  answer(subjects.finished, (data) => {
    said.push({ ...decode(data, finishedSchema, { bytesMax: messageBytesMax }) });
    return accepted;
  });
  await settle();
  broadcast(start(3));
  await settle();
  await client.failed("Cannot read frames.npy: it is cut short");
  assert.deepEqual(
    said.map(({ generation, failure }) => [generation, failure]),
    [[3, "Cannot read frames.npy: it is cut short"]],
  );
  broker.stop();
  await client.failed("and now there is nobody to tell");
  client.close();
});

Deno.test("a worker answers only the life of the coordinator that it has joined", async () => {
  const { client, clock, answer, broadcast, heard } = open();
  answer(subjects.join, () => ({ ok: true, text: "{}", life: "first" }));
  const lives: (string | undefined)[] = [];
  answer(subjects.heartbeat, (data) => {
    lives.push(decode(data, heartbeatSchema, { bytesMax: messageBytesMax }).life);
    return accepted;
  });
  await settle();
  await client.join("process 1", 60_000);
  assert.equal(client.life, "first");
  const { interrupted } = client.generation({ ...start(1), life: "first" });
  const ends: unknown[] = [];
  interrupted.catch((error) => ends.push(error));
  for (let beats = 0; beats < 8; beats++) {
    broadcast({ type: "beat", life: "first", sentMs: beats });
    // Another run of the same name has workers of the same name, and calls this one.
    broadcast({ ...start(7), life: "second" });
    broadcast({ type: "stop", life: "second" });
    broadcast({ type: "end", reason: "it is over", life: "second" });
    broadcast({ type: "rejoin", worker: "w0", where: "process 1", life: "second" });
    await pass(clock, 250);
  }
  assert.equal(ends.length, 0);
  assert.equal(client.stopRequested(), false);
  assert.ok(lives.length > 0 && lives.every((life) => life === "first"), `${lives}`);
  assert.ok(heard.length > 0);
  // Its own has died without a word: the one that calls is the next.
  await pass(clock, 1_000);
  broadcast({ type: "rejoin", worker: "w0", where: "process 1", life: "second" });
  await settle();
  assert.ok(ends[0] instanceof ConnectionLostError);
  client.close();
});

Deno.test("join waits while the holder of its name is silent, and ends where it speaks", async () => {
  for (const speaks of [false, true]) {
    const { client, clock, answer, heard } = open();
    const text = 'a worker named "w0" has already joined from elsewhere; give another --name';
    const heardAtMs = clock.nowMs() - 400;
    answer(subjects.join, () => {
      const silentMs = clock.nowMs() - heardAtMs;
      if (!speaks && silentMs > 1_000) return { ok: true, text: "{}" };
      return { ok: false, text, holderSilentMs: speaks ? silentMs % 500 : silentMs };
    });
    answer(subjects.heartbeat, () => accepted);
    await settle();
    let fate = "asking";
    const joined = client.join("here", 60_000).then(
      () => fate = "joined",
      (error) => fate = error.message,
    );
    await pass(clock, 1_500);
    await joined;
    assert.equal(fate, speaks ? `The coordinator refused: ${text}` : "joined");
    const asked = heard.filter((subject) => subject === subjects.join).length;
    assert.ok(asked > 1, `it asked ${asked} times`);
    client.close();
  }
});
