import assert from "node:assert/strict";
import { createAllReduce } from "../../collective/all_reduce.ts";
import type { AllReduceOptions } from "../../collective/all_reduce_options.ts";
import { assignShards } from "../../collective/canonical_tree.ts";
import { type AllReduce, AllReduceError } from "../../collective/reduction.ts";
import { encode } from "../../net/codec.ts";
import { createMemoryBroker, type MemoryBroker } from "../../net/memory_transport.ts";
import { connectNats } from "../../net/nats_transport.ts";
import { type Random, random } from "../../net/random.ts";
import type { Transport } from "../../net/transport.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { bitsOf, randomOwners, randomShards, treeSum } from "../support/gradients.ts";
import { natsServerMissing, startTestServer } from "../support/nats_server.ts";

interface Cluster {
  readonly clock: FakeClock;
  readonly broker: MemoryBroker;
  readonly ranks: AllReduce[];
  readonly owners: readonly number[];
  readonly transports: readonly Transport[];
}

type Overrides = Partial<AllReduceOptions>;

async function cluster(
  owners: readonly number[],
  elements: number,
  overrides: Overrides = {},
): Promise<Cluster> {
  const clock = new FakeClock();
  const broker = createMemoryBroker({ clock });
  const transports = Array.from(
    { length: Math.max(...owners) + 1 },
    () => broker.connect({ noEcho: true }),
  );
  const ranks = transports.map((transport, rank) =>
    createAllReduce({ ...defaults(transport, rank, owners), elements, clock, ...overrides })
  );
  await Promise.all(ranks.map((each) => each.ready()));
  return { clock, broker, ranks, owners, transports };
}

function defaults(transport: Transport, rank: number, owners: readonly number[]) {
  return {
    transport,
    rank,
    members: Array.from({ length: Math.max(...owners) + 1 }, (_, each) => `w${each}`),
    owners,
    subjectPrefix: "run",
    generation: 3,
    firstStep: 0,
    timeoutMs: 5000,
  };
}

/** One rank's part of a step: its shards in an order of its own, then the total. */
async function runStep(
  { ranks, owners }: Pick<Cluster, "ranks" | "owners">,
  rank: number,
  step: number,
  shards: readonly Float32Array[],
  draw: Random,
): Promise<Float32Array> {
  const reduction = ranks[rank].begin(step);
  const own = [...owners.keys()].filter((shard) => owners[shard] === rank);
  for (const shard of draw.shuffle(own)) {
    const values = shards[shard].slice();
    reduction.add(shard, values);
    values.fill(NaN);
    if (draw.uniform() < 0.5) await Promise.resolve();
  }
  return (await reduction.total()).slice();
}

/** Lets everything that is under way in the memory broker arrive. */
async function settle(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 0));
}

const noneDropped = { malformed: 0, generation: 0, sender: 0, step: 0, duplicate: 0 };

Deno.test("all-reduce gives every rank the bits of the tree sum at any world size", async () => {
  const draw = random(5, "all-reduce");
  for (let round = 0; round < 40; round++) {
    const worldSize = 1 + (round % 5);
    const count = worldSize + draw.integer(12);
    const elements = 1 + draw.integer(200);
    const owners = round % 2 === 0
      ? assignShards(count, worldSize)
      : randomOwners(draw, count, worldSize);
    const all = await cluster(owners, elements, {
      chunkBytesMax: 4 * (1 + draw.integer(40)),
      inFlightBytesMax: 1 + draw.integer(2000),
      firstStep: 7,
    });
    for (let step = 7; step < 10; step++) {
      const shards = randomShards(draw, count, elements);
      const expected = bitsOf(treeSum(shards));
      const totals = await Promise.all(
        all.ranks.map((_, rank) => runStep(all, rank, step, shards, draw)),
      );
      for (const total of totals) assert.deepEqual(bitsOf(total), expected, `owners ${owners}`);
    }
    for (const rank of all.ranks) assert.deepEqual(rank.dropped, noneDropped);
    assert.equal(all.clock.pendingCount, 0);
  }
});

Deno.test("all-reduce keeps the partials of a rank that is one step ahead", async () => {
  const draw = random(6, "ahead");
  const all = await cluster([0, 1, 2], 30, { chunkBytesMax: 16 });
  const steps = Array.from({ length: 20 }, () => randomShards(draw, 3, 30));
  // Each rank goes on as soon as it can, and yields a different number of times between.
  const totals = await Promise.all(all.ranks.map(async (_, rank) => {
    const own: Float32Array[] = [];
    for (const [step, shards] of steps.entries()) {
      for (let i = draw.integer(40); i > 0; i--) await Promise.resolve();
      own.push(await runStep(all, rank, step, shards, draw));
    }
    return own;
  }));
  for (const own of totals) {
    for (const [step, total] of own.entries()) {
      assert.deepEqual(bitsOf(total), bitsOf(treeSum(steps[step])));
    }
  }
  for (const rank of all.ranks) assert.deepEqual(rank.dropped, noneDropped);
});

Deno.test("all-reduce sends a partial before the later shards are added", async () => {
  const all = await cluster([0, 0, 1, 0], 8);
  let received = 0;
  all.transports[1].subscribe("run.w0.reduce.1", () => received++);
  await all.transports[1].flush();
  const reduction = all.ranks[0].begin(0);
  reduction.add(0, new Float32Array(8));
  await settle();
  assert.equal(received, 0);
  reduction.add(1, new Float32Array(8));
  await settle();
  assert.equal(received, 1);
  reduction.add(3, new Float32Array(8));
  await settle();
  assert.equal(received, 2);
});

Deno.test("all-reduce of one rank never touches the transport", async () => {
  const untouchable = new Proxy({} as Transport, {
    get(_, name) {
      throw new Error(`touched ${String(name)}`);
    },
  });
  const draw = random(8, "alone");
  const alone = createAllReduce({
    ...defaults(untouchable, 0, [0, 0, 0]),
    elements: 9,
    clock: new FakeClock(),
  });
  await alone.ready();
  for (let step = 0; step < 3; step++) {
    const shards = randomShards(draw, 3, 9);
    const total = await runStep({ ranks: [alone], owners: [0, 0, 0] }, 0, step, shards, draw);
    assert.deepEqual(bitsOf(total), bitsOf(treeSum(shards)));
  }
  alone.close();
});

Deno.test("all-reduce works where the connection echoes", async () => {
  const draw = random(9, "echo");
  const clock = new FakeClock();
  const broker = createMemoryBroker({ clock });
  const owners = [0, 1, 1];
  const ranks = [0, 1].map((rank) =>
    createAllReduce({ ...defaults(broker.connect(), rank, owners), elements: 12, clock })
  );
  await Promise.all(ranks.map((each) => each.ready()));
  const shards = randomShards(draw, 3, 12);
  const totals = await Promise.all(
    [0, 1].map((rank) => runStep({ ranks, owners }, rank, 0, shards, draw)),
  );
  for (const total of totals) assert.deepEqual(bitsOf(total), bitsOf(treeSum(shards)));
  for (const rank of ranks) assert.deepEqual(rank.dropped, noneDropped);
});

Deno.test("all-reduce drops and counts what is not for it, and the sum stays right", async () => {
  const draw = random(10, "hostile");
  const all = await cluster([0, 1, 2], 12, { chunkBytesMax: 8 });
  const intruder = all.broker.connect();
  const bytes = new Uint8Array(8).fill(77);
  const [generation, step] = [3, 0];
  const send = (subject: string, chunk: (number | Uint8Array | string)[]) =>
    intruder.publish(`run.${subject}`, encode(chunk));
  const reductions = all.ranks.map((rank) => rank.begin(0));
  // Partials for rank 0, whose slice of four elements is two chunks.
  send("w1.reduce.0", [2, 1, 1, step, 1, 0, bytes]);
  send("w1.reduce.0", [4, 1, 1, step, 1, 0, bytes]);
  send("w1.reduce.0", [generation, 1, 1, 1, 1, 0, bytes]);
  send("w1.reduce.0", [generation, 1, 1, 9, 1, 0, bytes]);
  send("w2.reduce.0", [generation, 2, 1, step, 1, 0, bytes]);
  // Who is no other member is not even heard.
  send("w0.reduce.0", [generation, 0, 1, step, 0, 0, bytes]);
  send("stranger.reduce.0", [generation, 1, 1, step, 1, 0, bytes]);
  // Under another's name.
  send("w2.reduce.0", [generation, 1, 1, step, 1, 0, bytes]);
  send("w2.total", [generation, 1, 1, step, 0, 0, bytes]);
  send("w1.reduce.0", [generation, 1, 1, step, 5, 0, bytes]);
  send("w1.reduce.0", [generation, 1, 1, step, 1, 2, bytes]);
  send("w1.reduce.0", [generation, 1, 1, step, 1, 0, bytes.subarray(4)]);
  send("w1.reduce.0", [generation, 1, 1, step, 1, 0, new Uint8Array(12)]);
  send("w1.reduce.0", [generation, 1, 1, step, 1, 0]);
  send("w1.reduce.0", [generation, 1, 1, step, 1, 0, "eight by"]);
  send("w1.reduce.0", [generation, -1, 1, step, 1, 0, bytes]);
  send("w1.reduce.0", [generation, 1.5, 1, step, 1, 0, bytes]);
  intruder.publish("run.w1.reduce.0", new Uint8Array([0xc1]));
  intruder.publish("run.w1.reduce.0", new Uint8Array(0));
  send("w1.total", [generation, 9, 1, step, 0, 0, bytes]);
  send("w1.total", [generation, 1, 1, step, 0, 2, bytes]);
  send("w1.total", [generation, 1, 1, step + 1, 0, 0, bytes]);
  await settle();
  assert.deepEqual(all.ranks[0].dropped, {
    malformed: 10,
    generation: 2,
    sender: 5,
    step: 3,
    duplicate: 0,
  });
  const shards = randomShards(draw, 3, 12);
  for (const [rank, reduction] of reductions.entries()) reduction.add(rank, shards[rank]);
  const totals = await Promise.all(reductions.map((reduction) => reduction.total()));
  for (const total of totals) assert.deepEqual(bitsOf(total), bitsOf(treeSum(shards)));
  // A message of the finished step comes once more.
  send("w1.total", [generation, 1, 1, step, 0, 0, bytes]);
  send("w1.reduce.0", [generation, 1, 1, step, 1, 0, bytes]);
  await settle();
  assert.equal(all.ranks[0].dropped.step, 5);
  for (const total of totals) assert.deepEqual(bitsOf(total), bitsOf(treeSum(shards)));
});

Deno.test("all-reduce tells once of a member that sends what no sound one does, and of no other", async () => {
  const bad: [number, number][] = [];
  const all = await cluster([0, 1, 2], 12, { chunkBytesMax: 8 });
  const clock = new FakeClock();
  const told = createAllReduce({
    ...defaults(all.broker.connect({ noEcho: true }), 0, [0, 1, 2]),
    elements: 12,
    chunkBytesMax: 8,
    clock,
    onBadSender: (rank) => bad.push([rank, told.dropped.malformed + told.dropped.sender]),
  });
  await told.ready();
  told.begin(0);
  const intruder = all.broker.connect();
  const send = async (times: number, from: string, ...chunk: (number | Uint8Array)[]) => {
    for (let i = 0; i < times; i++) intruder.publish(`run.${from}.reduce.0`, encode(chunk));
    await settle();
  };
  const [bytes, tooLong] = [new Uint8Array(8), new Uint8Array(1000)];
  // Late or twice, and of an earlier generation, whose chunks may have been longer.
  await send(50, "w1", 3, 1, 1, 7, 1, 0, bytes);
  await send(50, "w1", 3, 1, 1, 0, 1, 0, bytes);
  for (const generation of [2, 200, 70_000, 2 ** 31]) {
    await send(20, "w1", generation, 1, 1, 0, 1, 0, tooLong);
  }
  assert.deepEqual([told.dropped.step, told.dropped.duplicate, told.dropped.generation], [
    50,
    49,
    80,
  ]);
  assert.deepEqual(bad, []);
  // A little of it in a minute may have another reason.
  for (let minute = 0; minute < 10; minute++) {
    await send(10, "w1", 3, 1, 1, 0, 1, 0, tooLong);
    clock.advance(60_000);
  }
  assert.deepEqual(bad, []);
  await send(10, "w2", 3, 2, 1, 0, 2, 9, bytes);
  await send(50, "w2", 3, 1, 1, 0, 1, 0, bytes);
  assert.deepEqual(bad, [[2, 115 + 1]]);
  // What comes of it after that is not looked at.
  assert.equal(told.dropped.sender, 6);
  assert.equal(told.dropped.malformed, 100 + 10 + 44);
  told.close();
});

Deno.test("all-reduce ignores a chunk that comes twice", async () => {
  const draw = random(12, "twice");
  const all = await cluster([0, 1], 6);
  const shards = randomShards(draw, 2, 6);
  // Everything that goes to rank 0 is sent again, as after a repeated delivery.
  const repeater = all.broker.connect();
  repeater.subscribe("run.*.reduce.0", ({ subject, data }) => {
    if (repeated++ < 3) repeater.publish(subject, data);
  });
  let repeated = 0;
  await repeater.flush();
  const reductions = all.ranks.map((rank) => rank.begin(0));
  reductions[1].add(1, shards[1]);
  await settle();
  assert.equal(all.ranks[0].dropped.duplicate, 3);
  reductions[0].add(0, shards[0]);
  for (const reduction of reductions) {
    assert.deepEqual(bitsOf(await reduction.total()), bitsOf(treeSum(shards)));
  }
});

Deno.test("all-reduce ignores a total that comes twice", async () => {
  const all = await cluster([0, 1], 6, { chunkBytesMax: 8 });
  const reduction = all.ranks[0].begin(0);
  const peer = all.broker.connect();
  for (let copy = 1; copy <= 3; copy++) {
    peer.publish("run.w1.total", encode([3, 1, copy, 0, 0, 0, new Uint8Array(8).fill(copy)]));
  }
  await settle();
  assert.equal(all.ranks[0].dropped.duplicate, 2);
  reduction.add(0, new Float32Array(6));
  assert.equal(all.ranks[0].dropped.duplicate, 2);
});

Deno.test("total() fails naming the ranks and the chunks that are missing", async () => {
  const all = await cluster([0, 1, 2], 24, { chunkBytesMax: 8 });
  const reductions = all.ranks.slice(0, 2).map((rank) => rank.begin(0));
  for (const [rank, reduction] of reductions.entries()) {
    reduction.add(rank, new Float32Array(24));
  }
  const intruder = all.broker.connect();
  intruder.publish("run.w2.reduce.0", encode([3, 2, 1, 0, 2, 1, new Uint8Array(8)]));
  await settle();
  const failing = assert.rejects(reductions[0].total(), (error: unknown) => {
    assert.ok(error instanceof AllReduceError);
    assert.equal(
      error.message,
      "Cannot all-reduce step 0: received 1 of 4 chunks from worker 2 within 5000 ms",
    );
    assert.equal(error.step, 0);
    assert.deepEqual(error.missingRanks, [2]);
    return true;
  });
  await settle();
  all.clock.advance(4999);
  await settle();
  all.clock.advance(1);
  await failing;
  assert.throws(() => all.ranks[0].begin(0), AllReduceError);
  assert.throws(() => reductions[0].add(0, new Float32Array(24)), AllReduceError);
});

Deno.test("total() names the ranks whose totals are missing", async () => {
  const all = await cluster([0, 1], 8, { chunkBytesMax: 8 });
  // Rank 1 sends its partials, and then falls silent.
  const silent = all.ranks[1].begin(0);
  const pending = all.ranks[0].begin(0);
  silent.add(1, new Float32Array(8));
  await settle();
  all.ranks[1].close();
  pending.add(0, new Float32Array(8));
  const failing = assert.rejects(
    pending.total(),
    /^AllReduceError: Cannot all-reduce step 0: received 0 of 2 chunks from worker 1 within 5000 ms$/,
  );
  await settle();
  all.clock.advance(5000);
  await failing;
});

Deno.test("total() waits longer than timeoutMs while chunks keep coming", async () => {
  const all = await cluster([0, 1], 16, { chunkBytesMax: 8 });
  const reduction = all.ranks[0].begin(0);
  reduction.add(0, new Float32Array(16));
  const failing = assert.rejects(reduction.total(), /received 3 of 4 chunks from worker 1 within/);
  const peer = all.broker.connect();
  for (let chunk = 0; chunk < 3; chunk++) {
    await settle();
    all.clock.advance(4000);
    peer.publish("run.w1.reduce.0", encode([3, 1, chunk + 1, 0, 1, chunk, new Uint8Array(8)]));
  }
  await settle();
  all.clock.advance(4999);
  assert.equal(all.clock.nowMs(), 16_999);
  await settle();
  all.clock.advance(1);
  await failing;
});

Deno.test("total() fails with the reason when the connection is lost", async () => {
  const all = await cluster([0, 1], 8);
  const reduction = all.ranks[0].begin(0);
  reduction.add(0, new Float32Array(8));
  const failing = assert.rejects(
    reduction.total(),
    /^AllReduceError: Cannot all-reduce step 0: Lost the connection: the broker stopped$/,
  );
  await settle();
  all.broker.stop();
  await failing;
  assert.equal(all.clock.pendingCount, 0);
});

Deno.test("total() fails when the all-reduce is closed, and close() stops listening", async () => {
  const all = await cluster([0, 1], 8);
  const reduction = all.ranks[0].begin(0);
  reduction.add(0, new Float32Array(8));
  const failing = assert.rejects(reduction.total(), /step 0: it was closed$/);
  all.ranks[0].close();
  all.ranks[0].close();
  await failing;
  all.broker.connect().publish("run.w1.total", new Uint8Array(3));
  await settle();
  assert.deepEqual(all.ranks[0].dropped, noneDropped);
});

Deno.test("all-reduce bounds what is on its way to the broker", async () => {
  const clock = new FakeClock();
  const broker = createMemoryBroker({ clock });
  const transport = broker.connect();
  // A broker that takes its time: flush() resolves only when the test says so.
  const flushes: { readonly publishedBefore: number; resolve(): void }[] = [];
  let published = 0;
  const slow: Transport = {
    payloadBytesMax: transport.payloadBytesMax,
    closed: transport.closed,
    publish: (_, data) => void (published += data.length),
    subscribe: (subject, callback) => transport.subscribe(subject, callback),
    request: (subject, data, options) => transport.request(subject, data, options),
    flush: () => new Promise((resolve) => flushes.push({ publishedBefore: published, resolve })),
    close: () => transport.close(),
  };
  const [elements, chunkBytesMax, inFlightBytesMax] = [100_000, 1000, 40_000];
  const allReduce = createAllReduce({
    ...defaults(slow, 0, [0, 1]),
    elements,
    clock,
    chunkBytesMax,
    inFlightBytesMax,
  });
  allReduce.begin(0).add(0, new Float32Array(elements));
  const limit = inFlightBytesMax + chunkBytesMax + 64;
  assert.ok(published > inFlightBytesMax / 2 && published <= limit, `${published}`);
  for (let flush = flushes.shift(); flush !== undefined; flush = flushes.shift()) {
    flush.resolve();
    await settle();
    const onItsWay = published - flush.publishedBefore;
    assert.ok(onItsWay <= limit, `${onItsWay}`);
  }
  const sliceBytes = 4 * elements / 2;
  assert.ok(published >= sliceBytes && published < sliceBytes * 1.1, `${published}`);
  allReduce.close();
});

Deno.test("all-reduce refuses steps out of order and totals without all shards", async () => {
  const all = await cluster([0, 0, 1], 4, { firstStep: 5 });
  assert.throws(() => all.ranks[0].begin(4), /Cannot begin step 4: step 5 comes next$/);
  const reduction = all.ranks[0].begin(5);
  assert.throws(() => all.ranks[0].begin(6), /Cannot begin step 6: step 5 is not finished$/);
  assert.throws(() => reduction.add(2, new Float32Array(4)), /shard 2: it is not ours/);
  reduction.add(0, new Float32Array(4));
  await assert.rejects(reduction.total(), /Cannot total step 5: 1 shards to be added$/);
});

Deno.test("createAllReduce() refuses options that contradict each other", () => {
  const clock = new FakeClock();
  const transport = createMemoryBroker({ clock, payloadBytesMax: 1000 }).connect();
  const create = (overrides: Overrides) => () =>
    createAllReduce({
      ...defaults(transport, 0, [0, 1]),
      elements: 10,
      chunkBytesMax: 100,
      clock,
      ...overrides,
    });
  create({})();
  assert.throws(create({ owners: [0, 2] }), /worker 1 of 3 owns no shard/);
  assert.throws(create({ owners: [] }), /worker 0 is not among the owners/);
  assert.throws(create({ rank: 2 }), /worker 2 is not among the owners/);
  assert.throws(create({ members: ["w0"] }), /a name of its own for each of 2 workers, got \[w0\]/);
  assert.throws(create({ members: ["w0", "w0"] }), /a name of its own for each of 2 workers/);
  assert.throws(create({ members: ["w0", "*"] }), /"\*" cannot be part of a subject/);
  assert.throws(create({ elements: 0 }), /elements is 0/);
  assert.throws(create({ chunkBytesMax: 3 }), /chunkBytesMax is 3/);
  assert.throws(create({ chunkBytesMax: 937 }), /chunks of 937 bytes: .* at most 1000/);
  assert.throws(create({ timeoutMs: 0 }), /timeoutMs is 0/);
  assert.throws(create({ generation: -1 }), /generation is -1/);
});

Deno.test({
  name: "all-reduce gives the same bits through a real nats-server",
  ignore: natsServerMissing,
  async fn() {
    const draw = random(13, "nats");
    const server = await startTestServer();
    const clock = new FakeClock();
    try {
      for (const owners of [[0, 0, 1, 1], [0, 1, 1, 2, 2, 0, 2]]) {
        const worldSize = Math.max(...owners) + 1;
        const transports = await Promise.all(
          Array.from(
            { length: worldSize },
            (_, rank) => connectNats({ servers: server.url, name: `w${rank}`, noEcho: true }),
          ),
        );
        const ranks = transports.map((transport, rank) =>
          createAllReduce({ ...defaults(transport, rank, owners), elements: 300_001, clock })
        );
        await Promise.all(ranks.map((each) => each.ready()));
        for (let step = 0; step < 4; step++) {
          const shards = randomShards(draw, owners.length, 16).map((seed) =>
            Float32Array.from({ length: 300_001 }, (_, i) => seed[i % 16] * (1 + i / 1e5))
          );
          const expected = bitsOf(treeSum(shards));
          const totals = await Promise.all(
            ranks.map((_, rank) => runStep({ ranks, owners }, rank, step, shards, draw)),
          );
          for (const total of totals) {
            assert.ok(bitsOf(total).every((each, i) => each === expected[i]));
          }
        }
        for (const rank of ranks) assert.deepEqual(rank.dropped, noneDropped);
        for (const transport of transports) await transport.close();
      }
    } finally {
      await server.stop();
    }
  },
});
