/**
 * What every transport does, also what is unpleasant about it, written once and run against each of
 * them, so that neither the in-memory broker nor the simulated one can drift from the real server.
 */
import assert from "node:assert/strict";
import { type Clock, delay } from "../../net/clock.ts";
import { type Message, type Transport, TransportError } from "../../net/transport.ts";

export interface Broker {
  connect(options?: { noEcho?: boolean }): Promise<Transport>;
  /** Connects over a way that can be disturbed; absent where there is none. */
  connectThrough?(options?: { pingIntervalMs?: number }): Promise<DisturbedTransport>;
  /** Goes away at once, as in a crash. */
  crash(): Promise<void>;
  /** Cleans up, also after `crash`. */
  stop(): Promise<void>;
}

export interface DisturbedTransport {
  readonly transport: Transport;
  /** Nothing passes in this direction from now on, and waits. */
  stall(direction: Direction): void;
  /** Everything passes again. */
  heal(): void;
  /** Ends the connection for both sides, without what waits. */
  cut(): void;
}

/** To the broker, from it, or both. */
export type Direction = "up" | "down" | "both";

export interface ConformanceOptions {
  readonly name: string;
  readonly ignore?: boolean;
  readonly clock: Clock;
  /** Whether its brokers have `connectThrough`. */
  readonly canBeDisturbed: boolean;
  /** How late what a connection sent may come after its end, once the way is free. @default {50} */
  readonly lateMsMax?: number;
  /** @param pendingBytesMax what the broker keeps for a reader that does not read, where it counts */
  startBroker(options?: { pendingBytesMax: number }): Promise<Broker>;
  /** Runs a test's body in the time that `clock` tells. @default {at once} */
  run?(body: () => Promise<void>): Promise<void>;
}

const bytes = (...values: number[]) => new Uint8Array(values);

/** Registers the suite as tests named after `options.name`. */
export function testTransport(options: ConformanceOptions): void {
  const { clock, name, ignore = false, lateMsMax = 50, run = (body) => body() } = options;

  function test(
    criterion: string,
    body: (broker: Broker) => Promise<void>,
    brokerOptions?: { pendingBytesMax: number },
  ): void {
    Deno.test({
      name: `${name} ${criterion}`,
      ignore,
      fn: () =>
        run(async () => {
          const broker = await options.startBroker(brokerOptions);
          try {
            await body(broker);
          } finally {
            await broker.stop();
          }
        }),
    });
  }

  /** Waits until all that `from` published has reached the callbacks of `to`. */
  async function settle(from: Transport, to: Transport): Promise<void> {
    await from.flush();
    // What the server has sent to `to` before its answer to this flush arrives before it.
    await to.flush();
    await delay(clock, 0);
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

  test("keeps nothing for those who subscribe later", async (broker) => {
    const [a, b] = [await broker.connect(), await broker.connect()];
    const seen: number[] = [];
    a.publish("x", bytes(1));
    await a.flush();
    b.subscribe("x", ({ data }) => seen.push(data[0]));
    await b.flush();
    a.publish("x", bytes(2));
    await settle(a, b);
    assert.deepEqual(seen, [2]);
    await close(a, b);
  });

  test("keeps the order of each of two publishers that publish at once", async (broker) => {
    const [a, b, c] = [await broker.connect(), await broker.connect(), await broker.connect()];
    const seen: number[] = [];
    c.subscribe("x", ({ data }) => seen.push(data[0]));
    await c.flush();
    for (let i = 0; i < 100; i++) {
      a.publish("x", bytes(i));
      b.publish("x", bytes(100 + i));
    }
    await settle(a, c);
    await settle(b, c);
    const sent = Array.from({ length: 100 }, (_, i) => i);
    assert.deepEqual(seen.filter((value) => value < 100), sent);
    assert.deepEqual(seen.filter((value) => value >= 100), sent.map((i) => 100 + i));
    await close(a, b, c);
  });

  if (!options.canBeDisturbed) return;
  const through = (broker: Broker, options?: { pingIntervalMs: number }) =>
    broker.connectThrough!(options);

  test("misses what is published while its subscription is under way", async (broker) => {
    const [a, way] = [await broker.connect(), await through(broker)];
    const b = way.transport;
    const seen: number[] = [];
    way.stall("up");
    b.subscribe("x", ({ data }) => seen.push(data[0]));
    a.publish("x", bytes(1));
    await a.flush();
    way.heal();
    await b.flush();
    a.publish("x", bytes(2));
    await settle(a, b);
    assert.deepEqual(seen, [2]);
    await close(a, b);
  });

  test("loses nothing in a stall that ends, and keeps the order", async (broker) => {
    const ways = [await through(broker), await through(broker)];
    const [a, b] = ways.map(({ transport }) => transport);
    const seen: number[] = [];
    b.subscribe("x", ({ data }) => seen.push(data[0]));
    await b.flush();
    const sent = Array.from({ length: 100 }, (_, i) => i);
    ways[0].stall("up");
    for (const i of sent.slice(0, 50)) a.publish("x", bytes(i));
    await delay(clock, 20);
    assert.deepEqual(seen, []);
    ways[1].stall("down");
    ways[0].heal();
    for (const i of sent.slice(50)) a.publish("x", bytes(i));
    await a.flush();
    await delay(clock, 20);
    assert.deepEqual(seen, []);
    ways[1].heal();
    await settle(a, b);
    assert.deepEqual(seen, sent);
    await close(a, b);
  });

  test("passes one direction while the other is stalled", async (broker) => {
    const [a, way] = [await broker.connect(), await through(broker)];
    const b = way.transport;
    const heard = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    a.subscribe("to.a", () => heard[0].resolve());
    b.subscribe("to.b", () => heard[1].resolve());
    await Promise.all([a.flush(), b.flush()]);
    way.stall("up");
    a.publish("to.b", bytes(1));
    await heard[1].promise;
    way.heal();
    await b.flush();
    way.stall("down");
    b.publish("to.a", bytes(1));
    await heard[0].promise;
    way.heal();
    await close(a, b);
  });

  for (const direction of ["up", "down", "both"] as const) {
    test(`ends when its pings go unanswered: stalled ${direction}`, async (broker) => {
      const way = await through(broker, { pingIntervalMs: 30 });
      const { transport } = way;
      transport.subscribe("x", () => {});
      await transport.flush();
      way.stall(direction);
      const silent = /^Lost the connection.*did not answer three pings$/;
      await assert.rejects(transport.flush(), transportError(silent));
      assert.match((await transport.closed)?.message ?? "", silent);
      way.heal();
    });
  }

  test("loses what was under way when it is cut", async (broker) => {
    const [way, b] = [await through(broker), await broker.connect()];
    const a = way.transport;
    let count = 0;
    b.subscribe("x", () => count++);
    await b.flush();
    way.stall("up");
    for (let i = 0; i < 3; i++) a.publish("x", bytes(i));
    const flushed = assert.rejects(a.flush(), transportError(/^Lost the connection/));
    await delay(clock, 20);
    way.cut();
    await flushed;
    assert.match((await a.closed)?.message ?? "", /^Lost the connection/);
    way.heal();
    await delay(clock, 20);
    await settle(b, b);
    assert.equal(count, 0);
    assert.throws(() => a.publish("x", bytes()), transportError(/closed/));
    await close(b);
  });

  test("may deliver late what it sent before its end, when its owner has gone on", async (broker) => {
    const b = await broker.connect();
    const seen: string[] = [];
    b.subscribe("x", ({ data }) => seen.push(`stale ${data}`));
    await b.flush();
    // How much of it arrives is not said; in one of many rounds, some does.
    for (let round = 0; seen.length === 0 && round < 30; round++) {
      const way = await through(broker, { pingIntervalMs: 30 });
      const a = way.transport;
      await a.flush();
      way.stall("up");
      for (let i = 0; i < 3; i++) a.publish("x", bytes(i));
      await a.closed;
      assert.deepEqual(seen, []);
      const next = await broker.connect();
      way.heal();
      await delay(clock, lateMsMax);
      await settle(next, b);
      await close(next);
    }
    assert.notEqual(seen.length, 0);
    assert.deepEqual(seen, ["stale 0", "stale 1", "stale 2"].slice(0, seen.length));
    await close(b);
  });

  const pendingBytesMax = 1024 * 1024;
  test("is cut off, with loss, when it does not read what waits for it", async (broker) => {
    const [a, way] = [await broker.connect(), await through(broker)];
    const b = way.transport;
    const seen: number[] = [];
    b.subscribe("x", ({ data }) => seen.push(data[0] * 256 + data[1]));
    await b.flush();
    way.stall("down");
    // More than the broker and all sockets on the way take.
    const sent = Array.from({ length: 400 }, (_, i) => i);
    for (const i of sent) {
      const message = new Uint8Array(64 * 1024);
      message.set([i >> 8, i & 255]);
      a.publish("x", message);
      await a.flush();
    }
    way.heal();
    assert.match((await b.closed)?.message ?? "", /^Lost the connection/);
    assert.ok(seen.length < sent.length, `${seen.length} of ${sent.length} came`);
    assert.deepEqual(seen, sent.slice(0, seen.length));
    // The publisher goes on as if nothing had happened.
    await a.flush();
    await close(a);
  }, { pendingBytesMax });

  test("hears of the broker's end when its way is free", async (broker) => {
    const way = await through(broker);
    const { transport } = way;
    let isClosed = false;
    void transport.closed.then(() => isClosed = true);
    way.stall("down");
    await broker.crash();
    await delay(clock, 30);
    assert.equal(isClosed, false);
    way.heal();
    assert.match((await transport.closed)?.message ?? "", /^Lost the connection/);
  });
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
