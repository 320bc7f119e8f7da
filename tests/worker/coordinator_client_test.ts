import assert from "node:assert/strict";
import { decode, type Encodable, encode } from "../../net/codec.ts";
import { createMemoryBroker } from "../../net/memory_transport.ts";
import {
  type CoordinatorMessage,
  messageBytesMax,
  readSchema,
  runSubjects,
  writeSchema,
} from "../../net/messages.ts";
import { connectCoordinator, RunEndedError } from "../../worker/coordinator_client.ts";
import { FakeClock } from "../support/fake_clock.ts";

const subjects = runSubjects("r1");
const accepted = { ok: true, text: "" };

/** A client, and the coordinator's side of its transport to answer by hand. */
function open({ payloadBytesMax = 1024 * 1024 } = {}) {
  const clock = new FakeClock();
  const broker = createMemoryBroker({ clock, payloadBytesMax });
  const transport = broker.connect();
  const client = connectCoordinator({
    transport: broker.connect({ noEcho: true }),
    run: "r1",
    worker: "w0",
    clock,
  });
  const heard: string[] = [];
  return {
    client,
    broker,
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

const start: CoordinatorMessage = {
  type: "start",
  generation: 1,
  members: ["w0"],
  step: 0,
  epoch: 0,
  planStep: 0,
  restore: false,
};

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
  const { client, clock, answer, heard } = open();
  answer(subjects.ready, () => accepted);
  answer(subjects.heartbeat, () => undefined);
  await settle();
  await pass(clock, 1000);
  assert.deepEqual(heard, []);
  await client.ready({
    engine: "wasm",
    engineVersion: "4.22.0",
    device: "CPU",
    precision: "float32",
    threads: 1,
    parameterCount: 3,
    fingerprint: "f",
    dataset: "noise",
    parameters: [],
    states: [],
    slots: [],
  });
  await pass(clock, 2000);
  const beats = heard.filter((subject) => subject === subjects.heartbeat).length;
  assert.ok(beats >= 8 && beats <= 9, `${beats} in 2 s`);
  client.close();
  await pass(clock, 2000);
  assert.equal(heard.filter((subject) => subject === subjects.heartbeat).length, beats);
});

Deno.test("vectors go and come whole, in parts that the broker takes", async () => {
  const { client, answer } = open({ payloadBytesMax: 4096 + 100 });
  const stored = new Map<string, Uint8Array>();
  const parts = new Map<string, number>();
  answer(subjects.write, (data) => {
    const part = decode(data, writeSchema, { bytesMax: messageBytesMax });
    const { vector, totalBytes, offset } = part;
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
    await client.writeVector(name, values);
    assert.equal(parts.get(name), Math.max(1, Math.ceil(4 * length / 100)));
    assert.deepEqual(await client.readVector(name), values.slice());
  }
  client.close();
});

Deno.test("readVector refuses a vector that does not come whole", async () => {
  const { client, answer } = open();
  const answers: Encodable[] = [
    {
      ok: false,
      text: 'there is no vector "slot/a" to read',
      totalBytes: 0,
      data: new Uint8Array(0),
    },
    { ...accepted, totalBytes: 8, data: new Uint8Array(0) },
    { ...accepted, totalBytes: 8, data: new Uint8Array(12) },
  ];
  answer(subjects.read, () => answers.shift());
  await settle();
  const messages = [
    'Cannot restore "slot/a": there is no vector "slot/a" to read',
    'Cannot restore "slot/a": bytes [0, 0) came of 8, with 0 of 8 before',
    'Cannot restore "slot/a": bytes [0, 12) came of 8, with 0 of 8 before',
  ];
  for (const message of messages) await assert.rejects(client.readVector("slot/a"), { message });
  client.close();
});

Deno.test("the coordinator's broadcasts start, stop and end the run", async () => {
  const { client, broadcast, publish } = open();
  await settle();
  // What is no message of the protocol is no message.
  publish(new Uint8Array([0xc1, 2, 3]));
  publish(encode({ type: "begin" }));
  assert.equal(client.stopRequested(), false);
  broadcast(start);
  assert.deepEqual(await client.started, start);
  broadcast({ type: "stop" });
  await settle();
  assert.equal(client.stopRequested(), true);
  broadcast({ type: "end", reason: "" });
  assert.equal(await client.ended, "");
  client.close();
});

Deno.test("what waits for an answer ends when the run fails, with the run's reason", async () => {
  const { client, answer, broadcast } = open();
  answer(subjects.begin, () => undefined);
  answer(subjects.checkpoint, () => undefined);
  await settle();
  const position = { step: 1, epoch: 0, planStep: 1 };
  const waiting = [client.begin(), client.checkpoint(position)];
  await settle();
  broadcast({ type: "end", reason: 'Lost worker "w1" (host b): not heard of for 5.0 s' });
  for (const outcome of await Promise.allSettled(waiting)) {
    assert.ok(outcome.status === "rejected" && outcome.reason instanceof RunEndedError);
    assert.match(outcome.reason.message, /^Lost worker "w1"/);
  }
  // And nothing is asked after that.
  await assert.rejects(client.begin(), RunEndedError);
  client.close();
});

Deno.test("a request that the coordinator refuses ends the run for this worker", async () => {
  const { client, answer } = open();
  answer(subjects.checkpoint, () => ({ ok: false, text: "Cannot write: no space left" }));
  await settle();
  await assert.rejects(client.checkpoint({ step: 1, epoch: 0, planStep: 1 }), {
    name: "RunEndedError",
    message: "The coordinator refused: Cannot write: no space left",
  });
  client.close();
});

Deno.test("a coordinator that is gone is noticed, and so is a connection that is lost", async () => {
  const gone = open();
  let isThere = true;
  gone.answer(subjects.join, () => ({ ok: true, text: "{}" }));
  gone.answer(subjects.heartbeat, () => isThere ? accepted : undefined);
  await settle();
  await gone.client.join("process 1", 1000);
  let reason: string | undefined;
  void gone.client.ended.then((text) => reason = text);
  await pass(gone.clock, 100_000, 500);
  assert.equal(reason, undefined);
  isThere = false;
  await pass(gone.clock, 65_000, 500);
  assert.match(reason ?? "", /^Lost the coordinator: /);
  gone.client.close();

  const cut = open();
  await settle();
  cut.broker.stop();
  assert.equal(await cut.client.ended, "Lost the connection: the broker stopped");
  cut.client.close();
});
