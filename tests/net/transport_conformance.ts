/**
 * What every transport must do, written once and run against each of them, so that the in-memory
 * broker cannot drift from the real server.
 */
import assert from "node:assert/strict";
import { type Message, type Transport, TransportError } from "../../net/transport.ts";

export interface Broker {
  connect(options?: { noEcho?: boolean }): Promise<Transport>;
  /** Goes away at once, as in a crash. */
  crash(): Promise<void>;
  /** Cleans up, also after `crash`. */
  stop(): Promise<void>;
}

export interface ConformanceOptions {
  readonly name: string;
  readonly ignore?: boolean;
  startBroker(): Promise<Broker>;
}

const bytes = (...values: number[]) => new Uint8Array(values);

/** Registers the suite as tests named after `options.name`. */
export function testTransport(options: ConformanceOptions): void {
  function test(criterion: string, body: (broker: Broker) => Promise<void>): void {
    Deno.test({
      name: `${options.name} ${criterion}`,
      ignore: options.ignore ?? false,
      async fn() {
        const broker = await options.startBroker();
        try {
          await body(broker);
        } finally {
          await broker.stop();
        }
      },
    });
  }

  test("delivers a message to each subscriber of its subject and to no other", async (broker) => {
    const [a, b] = [await broker.connect(), await broker.connect()];
    const seen: string[] = [];
    for (const pattern of ["run.a", "run.*", "run.>", "*.a", ">", "run.a.b", "run", "other.*"]) {
      b.subscribe(pattern, (message) => seen.push(`${pattern}:${message.subject}:${message.data}`));
    }
    await b.flush();
    a.publish("run.a", bytes(1, 2));
    await settle(a, b);
    assert.deepEqual(seen.sort(), [
      "*.a:run.a:1,2",
      ">:run.a:1,2",
      "run.*:run.a:1,2",
      "run.>:run.a:1,2",
      "run.a:run.a:1,2",
    ]);
    seen.length = 0;
    a.publish("run.a.b", bytes());
    await settle(a, b);
    assert.deepEqual(seen.sort(), [">:run.a.b:", "run.>:run.a.b:", "run.a.b:run.a.b:"]);
    await close(a, b);
  });

  test("keeps the order of one publisher across subjects", async (broker) => {
    const [a, b] = [await broker.connect(), await broker.connect()];
    const seen: number[] = [];
    b.subscribe("n.*", ({ data }) => seen.push(data[0] * 256 + data[1]));
    await b.flush();
    const sent = Array.from({ length: 1000 }, (_, i) => i);
    for (const i of sent) a.publish(`n.${i % 3}`, bytes(i >> 8, i & 255));
    await settle(a, b);
    assert.deepEqual(seen, sent);
    await close(a, b);
  });

  test("delivers asynchronously, never inside publish()", async (broker) => {
    const a = await broker.connect();
    let delivered = false;
    a.subscribe("x", () => delivered = true);
    await a.flush();
    a.publish("x", bytes(1));
    assert.equal(delivered, false);
    await settle(a, a);
    assert.equal(delivered, true);
    await close(a);
  });

  test("copies: data may change once flush() has resolved", async (broker) => {
    const [a, b] = [await broker.connect(), await broker.connect()];
    const seen: number[] = [];
    for (let subscriber = 0; subscriber < 2; subscriber++) {
      b.subscribe("x", ({ data }) => {
        seen.push(data[0]);
        data.fill(99);
      });
    }
    await b.flush();
    const data = bytes(5, 6);
    a.publish("x", data);
    await a.flush();
    data.fill(7);
    await settle(a, b);
    assert.deepEqual(seen, [5, 5]);
    assert.deepEqual(data, bytes(7, 7));
    await close(a, b);
  });

  test("echoes a message to its publisher unless noEcho says otherwise", async (broker) => {
    const [loud, quiet] = [await broker.connect(), await broker.connect({ noEcho: true })];
    const seen: string[] = [];
    loud.subscribe("x", ({ data }) => seen.push(`loud ${data}`));
    quiet.subscribe("x", ({ data }) => seen.push(`quiet ${data}`));
    await Promise.all([loud.flush(), quiet.flush()]);
    loud.publish("x", bytes(1));
    await settle(loud, quiet);
    quiet.publish("x", bytes(2));
    await settle(quiet, loud);
    assert.deepEqual(seen.sort(), ["loud 1", "loud 2", "quiet 1"]);
    await close(loud, quiet);
  });

  test("stops delivering after unsubscribe()", async (broker) => {
    const [a, b] = [await broker.connect(), await broker.connect()];
    const seen: number[] = [];
    const subscription = b.subscribe("x", ({ data }) => seen.push(data[0]));
    await b.flush();
    a.publish("x", bytes(1));
    await settle(a, b);
    subscription.unsubscribe();
    subscription.unsubscribe();
    await b.flush();
    a.publish("x", bytes(2));
    await settle(a, b);
    assert.deepEqual(seen, [1]);
    await close(a, b);
  });

  test("answers a request with the first respond(), and only the one who asked", async (broker) => {
    const [a, b] = [await broker.connect(), await broker.connect()];
    b.subscribe("double", (message) => {
      message.respond(message.data.map((value) => 2 * value));
      message.respond(bytes(0));
    });
    await b.flush();
    const answers = await Promise.all(
      [1, 2, 3].map((value) => a.request("double", bytes(value), { timeoutMs: 5000 })),
    );
    assert.deepEqual(answers.map((answer) => answer[0]), [2, 4, 6]);
    await close(a, b);
  });

  test("answers a request long after it came, other messages in between", async (broker) => {
    const [asker, answerer] = [await broker.connect(), await broker.connect()];
    const waiting: Message[] = [];
    answerer.subscribe("late", (message) => void waiting.push(message));
    answerer.subscribe("noise", () => {});
    await answerer.flush();
    const answer = asker.request("late", bytes(1), { timeoutMs: 5000 });
    for (let i = 0; i < 50; i++) asker.publish("noise", new Uint8Array(20_000).fill(255));
    await settle(asker, answerer);
    waiting[0].respond(bytes(7));
    assert.deepEqual(await answer, bytes(7));
  });

  test("respond() does nothing for a message that asks for no answer", async (broker) => {
    const [a, b] = [await broker.connect(), await broker.connect()];
    const received = Promise.withResolvers<void>();
    b.subscribe("x", (message) => {
      message.respond(bytes(1));
      received.resolve();
    });
    await b.flush();
    a.publish("x", bytes(1));
    await received.promise;
    await close(a, b);
  });

  test("request() fails at once where nobody listens", async (broker) => {
    const a = await broker.connect();
    await assert.rejects(
      a.request("nobody.here", bytes(1), { timeoutMs: 60_000 }),
      transportError(/^Cannot get an answer on "nobody\.here": nobody listens there$/),
    );
    await close(a);
  });

  test("request() fails after timeoutMs where nobody answers", async (broker) => {
    const [a, b] = [await broker.connect(), await broker.connect()];
    b.subscribe("mute", () => {});
    await b.flush();
    await assert.rejects(
      a.request("mute", bytes(1), { timeoutMs: 40 }),
      transportError(/^Cannot get an answer on "mute": none came within 40 ms$/),
    );
    await close(a, b);
  });

  test("takes payloadBytesMax and refuses one byte more, staying open", async (broker) => {
    const [a, b] = [await broker.connect(), await broker.connect()];
    const seen: number[] = [];
    b.subscribe("x", ({ data }) => seen.push(data.length));
    await b.flush();
    const tooLong = new Uint8Array(a.payloadBytesMax + 1);
    const refused = transportError(
      new RegExp(`^Cannot publish ${tooLong.length} bytes on "x": .*${a.payloadBytesMax}`),
    );
    assert.throws(() => a.publish("x", tooLong), refused);
    await assert.rejects(a.request("x", tooLong, { timeoutMs: 1000 }), refused);
    a.publish("x", tooLong.subarray(1));
    await settle(a, b);
    assert.deepEqual(seen, [a.payloadBytesMax]);
    await close(a, b);
  });

  test("refuses a malformed subject", async (broker) => {
    const a = await broker.connect();
    for (const subject of ["", "a b", "a..b", ".a", "a.", "a.*", "a.>"]) {
      const message = transportError(/not a valid NATS subject$/);
      assert.throws(() => a.publish(subject, bytes()), message, subject);
      await assert.rejects(a.request(subject, bytes(), { timeoutMs: 10 }), message, subject);
    }
    for (const subject of ["", "a b", "a..b", "a.", "a.>.b", "a*.b"]) {
      assert.throws(() => a.subscribe(subject, () => {}), TransportError, subject);
    }
    await close(a);
  });

  test("flush() makes a subscription known before it resolves", async (broker) => {
    const [a, b] = [await broker.connect(), await broker.connect()];
    for (let round = 0; round < 20; round++) {
      let count = 0;
      const subscription = b.subscribe("x", () => count++);
      await b.flush();
      a.publish("x", bytes(1));
      await settle(a, b);
      assert.equal(count, 1);
      subscription.unsubscribe();
    }
    await close(a, b);
  });

  test("close() sends what was published before, then refuses everything", async (broker) => {
    const [a, b] = [await broker.connect(), await broker.connect()];
    let count = 0;
    b.subscribe("x", () => count++);
    await b.flush();
    for (let i = 0; i < 50; i++) a.publish("x", new Uint8Array(1000));
    await a.close();
    await a.close();
    assert.equal(await a.closed, undefined);
    await settle(b, b);
    assert.equal(count, 50);
    const refused = transportError(/closed/);
    assert.throws(() => a.publish("x", bytes()), refused);
    assert.throws(() => a.subscribe("x", () => {}), refused);
    await assert.rejects(async () => await a.flush(), refused);
    await assert.rejects(async () => await a.request("x", bytes(), { timeoutMs: 10 }), refused);
    await close(b);
  });

  test("resolves closed with a reason when the broker goes away", async (broker) => {
    const [a, b] = [await broker.connect(), await broker.connect()];
    b.subscribe("mute", () => {});
    await b.flush();
    const lost = transportError(/^Lost the connection/);
    const pending = assert.rejects(a.request("mute", bytes(1), { timeoutMs: 60_000 }), lost);
    await a.flush();
    await broker.crash();
    assert.match((await a.closed)?.message ?? "", /^Lost the connection/);
    assert.match((await b.closed)?.message ?? "", /^Lost the connection/);
    await pending;
    assert.throws(() => a.publish("x", bytes()), transportError(/closed/));
    await close(a, b);
  });
}

/** Waits until all that `from` published has reached the callbacks of `to`. */
async function settle(from: Transport, to: Transport): Promise<void> {
  await from.flush();
  // What the server has sent to `to` before its answer to this flush arrives before it.
  await to.flush();
  await new Promise((resolve) => setTimeout(resolve, 0));
}

async function close(...transports: Transport[]): Promise<void> {
  for (const transport of transports) await transport.close();
}

export function transportError(pattern: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof TransportError, String(error));
    assert.match(error.message, pattern);
    return true;
  };
}
