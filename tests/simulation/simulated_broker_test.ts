import assert from "node:assert/strict";
import type { Clock } from "../../net/clock.ts";
import { delay } from "../../net/clock.ts";
import { random } from "../../net/random.ts";
import { testTransport } from "../net/transport_conformance.ts";
import { type BrokerOptions, SimulatedBroker } from "./simulated_broker.ts";
import { SimulatedProcess, VirtualTime } from "./virtual_time.ts";

/** What a test that waits for longer waits for does not come. */
const virtualMsMax = 3_600_000;
let time = new VirtualTime();
let seed = 0;

/** Runs a test's body in a virtual time of its own. */
function inVirtualTime(body: () => Promise<void>): Promise<void> {
  return new Promise((resolve, reject) =>
    // Not within the reaction of a promise, where others would not run.
    setTimeout(() => {
      time = new VirtualTime();
      seed++;
      let end = () => reject(new Error("The test waits for what does not happen"));
      let isOver = false;
      body().then(() => end = resolve, (error) => end = () => reject(error))
        .finally(() => isOver = true);
      time.run(virtualMsMax, () => isOver);
      end();
    }, 0)
  );
}

function createBroker(options: Partial<BrokerOptions> = {}): SimulatedBroker {
  return new SimulatedBroker({
    time,
    random: random(seed, "conformance"),
    payloadBytesMax: 1024 * 1024,
    pendingBytesMax: 64 * 1024 * 1024,
    latencyMs: 0.3,
    lateShare: 0.02,
    ...options,
  });
}

const clock: Clock = {
  nowMs: () => time.nowMs,
  after: (delayMs, action) => time.after(delayMs, action),
};

testTransport({
  name: "simulated broker",
  clock,
  canBeDisturbed: true,
  lateMsMax: 4_000,
  run: inVirtualTime,
  startBroker(options) {
    const broker = createBroker(options);
    return Promise.resolve({
      connect: (options) => broker.connect(new SimulatedProcess("test", time), options),
      async connectThrough() {
        const process = new SimulatedProcess("test", time);
        const transport = await broker.connectSimulated(process);
        return {
          transport,
          stall: (direction) => broker.block(process, direction),
          heal: () => broker.unblock(process),
          cut: () => transport.cut("reset by peer", { arrives: "none", isHeardAtOnce: true }),
        };
      },
      crash: () => Promise.resolve(broker.stop()),
      stop: () => Promise.resolve(),
    });
  },
});

/** What nats-server may do as well, but not whenever a test would like it to. */
function testSimulated(criterion: string, body: () => Promise<void>): void {
  Deno.test(`simulated broker alone: ${criterion}`, () => inVirtualTime(body));
}

async function connectTwo(broker: SimulatedBroker) {
  const processes = [new SimulatedProcess("a", time), new SimulatedProcess("b", time)];
  const [a, b] = [
    await broker.connectSimulated(processes[0]),
    await broker.connectSimulated(processes[1]),
  ];
  return { a, b, processes };
}

testSimulated("messages of two publishers overtake each other", async () => {
  const broker = createBroker();
  const { a, b } = await connectTwo(broker);
  const seen: number[] = [];
  b.subscribe("x", ({ data }) => seen.push(data[0]));
  await b.flush();
  for (let i = 0; i < 50; i++) (i % 2 === 0 ? a : b).publish("x", new Uint8Array([i]));
  await Promise.all([a.flush(), b.flush()]);
  await delay(clock, 1000);
  assert.equal(seen.length, 50);
  assert.notDeepEqual(seen, seen.toSorted((x, y) => x - y));
  assert.ok(broker.counts.overtaken > 0);
});

testSimulated("two subscribers see two publishers in different orders", async () => {
  const broker = createBroker({ latencyMs: 5, lateShare: 0 });
  const { a, b } = await connectTwo(broker);
  const seen: number[][] = [[], []];
  for (const [index, connection] of [a, b].entries()) {
    connection.subscribe("x", ({ data }) => seen[index].push(data[0]));
  }
  await Promise.all([a.flush(), b.flush()]);
  for (let i = 0; i < 250; i++) {
    (i % 2 === 0 ? a : b).publish("x", new Uint8Array([i]));
    await delay(clock, 2);
  }
  await delay(clock, 10_000);
  assert.deepEqual(seen.map(({ length }) => length), [250, 250]);
  assert.notDeepEqual(seen[0], seen[1]);
});

testSimulated("a write that waits too long ends the connection", async () => {
  const broker = createBroker({ pendingBytesMax: 10_000 });
  const { a, b, processes } = await connectTwo(broker);
  b.subscribe("x", () => {});
  await b.flush();
  processes[1].freeze();
  a.publish("x", new Uint8Array(5_000));
  await delay(clock, 9_000);
  assert.equal(broker.counts["write deadline"], 0);
  await delay(clock, 2_000);
  assert.equal(broker.counts["write deadline"], 1);
  processes[1].thaw();
  assert.match((await b.closed)?.message ?? "", /^Lost the connection/);
});

testSimulated("a publisher waits for a consumer that is nearly full", async () => {
  const broker = createBroker({ pendingBytesMax: 10_000 });
  const { a, b, processes } = await connectTwo(broker);
  b.subscribe("x", () => {});
  await b.flush();
  processes[1].freeze();
  for (let i = 0; i < 9; i++) a.publish("x", new Uint8Array(1_000));
  await a.flush();
  assert.ok(broker.counts["publisher stalled"] > 0);
  assert.equal(broker.counts["slow consumer"], 0);
});

testSimulated("a lame duck takes nobody and lets everybody go, one by one", async () => {
  const broker = createBroker();
  const { a, b, processes } = await connectTwo(broker);
  broker.leave(1_000);
  await assert.rejects(broker.connect(processes[0]), /nobody listens there/);
  const ends: number[] = [];
  await Promise.all([a, b].map(async ({ closed }) => {
    assert.match((await closed)?.message ?? "", /^Lost the connection/);
    ends.push(time.nowMs);
  }));
  assert.notEqual(ends[0], ends[1]);
  await delay(clock, 1_000);
  assert.equal(broker.isUp, false);
});

testSimulated("gradients come twice where they are told to, and nothing else does", async () => {
  const broker = createBroker({ duplicateShare: 1 });
  const { a, b } = await connectTwo(broker);
  const seen: string[] = [];
  b.subscribe(">", ({ subject }) => seen.push(subject));
  await b.flush();
  a.publish("run.data.x", new Uint8Array(4));
  a.publish("run.workers", new Uint8Array(4));
  await delay(clock, 1_000);
  assert.deepEqual(seen.sort(), ["run.data.x", "run.data.x", "run.workers"]);
});
