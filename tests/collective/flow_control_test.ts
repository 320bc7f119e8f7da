import assert from "node:assert/strict";
import { createAllReduce } from "../../collective/all_reduce.ts";
import type { AllReduceOptions } from "../../collective/all_reduce_options.ts";
import { type AllReduce, AllReduceError } from "../../collective/reduction.ts";
import { encode } from "../../net/codec.ts";
import { type Random, random } from "../../net/random.ts";
import { bitsOf, randomOwners, randomShards, treeSum } from "../support/gradients.ts";
import { type Envelope, LossyNetwork, type NetworkOptions } from "./lossy_network.ts";

interface Setting {
  readonly owners: readonly number[];
  readonly elements: number;
  readonly options?: Partial<AllReduceOptions>;
}

interface Group extends Setting {
  readonly network: LossyNetwork;
  readonly ranks: readonly AllReduce[];
}

function group(setting: Setting, networkOptions: NetworkOptions): Group {
  const network = new LossyNetwork(networkOptions);
  const { owners, elements, options } = setting;
  const members = Array.from({ length: Math.max(...owners) + 1 }, (_, rank) => `w${rank}`);
  const ranks = members.map((_, rank) =>
    createAllReduce({
      transport: network.connect(rank),
      clock: network.clock,
      subjectPrefix: "run",
      rank,
      members,
      owners,
      elements,
      generation: 3,
      firstStep: 0,
      timeoutMs: 120_000,
      ...options,
    })
  );
  return { ...setting, network, ranks };
}

/** What one rank does, step after step, each as soon as it can; its totals. */
async function takePart(
  { ranks, owners }: Group,
  rank: number,
  steps: readonly (readonly Float32Array[])[],
): Promise<Float32Array[]> {
  const totals: Float32Array[] = [];
  for (const [step, shards] of steps.entries()) {
    const reduction = ranks[rank].begin(step);
    for (const [shard, owner] of owners.entries()) {
      if (owner === rank) reduction.add(shard, shards[shard]);
    }
    totals.push((await reduction.total()).slice());
  }
  return totals;
}

async function checkSums(each: Group, draw: Random, stepCount: number): Promise<void> {
  const { owners, elements, network, ranks } = each;
  const steps = Array.from(
    { length: stepCount },
    () => randomShards(draw, owners.length, elements),
  );
  const all = await network.run(ranks.map((_, rank) => takePart(each, rank, steps)));
  for (const [step, shards] of steps.entries()) {
    const expected = bitsOf(treeSum(shards));
    for (const totals of all) assert.deepEqual(bitsOf(totals[step]), expected);
  }
}

const isCredit = (subject: string) => subject.includes(".credit.");
const isAgain = (subject: string) => /\.total\.\d+$/.test(subject);

Deno.test("all-reduce gives the same bits whatever is lost, doubled, late or out of order", async () => {
  const seen = { duplicate: 0, step: 0, again: 0 };
  for (let seed = 1; seed <= 60; seed++) {
    const draw = random(seed, "lossy");
    const worldSize = 2 + draw.integer(4);
    const windowBytes = 4 * 68 + draw.integer(3000);
    const each = group({
      owners: randomOwners(draw, worldSize + draw.integer(6), worldSize),
      elements: 1 + draw.integer(250),
      options: {
        chunkBytesMax: 4 * (1 + draw.integer(20)),
        inFlightBytesMax: 1 + draw.integer(2000),
        receiveBytesMax: windowBytes * (worldSize - 1),
      },
    }, {
      draw,
      lossShare: 0.3 * draw.uniform(),
      duplicateShare: 0.5 * draw.uniform(),
      delayMs: 10 * draw.uniform() ** 2,
      reorders: draw.uniform() < 0.5,
    });
    try {
      await checkSums(each, draw, 4);
    } catch (cause) {
      throw new Error(`Seed ${seed}`, { cause });
    }
    for (const { dropped } of each.ranks) {
      seen.duplicate += dropped.duplicate;
      seen.step += dropped.step;
      assert.equal(dropped.malformed + dropped.sender + dropped.generation, 0);
    }
    seen.again += each.network.published.filter(({ subject }) => isAgain(subject)).length;
  }
  for (const [what, count] of Object.entries(seen)) assert.ok(count > 100, `${what}: ${count}`);
});

Deno.test("all-reduce at a loss of one in ten sends less than twice the bytes", async () => {
  const bytes = async (lossShare: number) => {
    const draw = random(3, "one in ten");
    const each = group(
      { owners: [0, 1, 2, 3], elements: 20_000, options: { chunkBytesMax: 1024 } },
      { draw, lossShare },
    );
    await checkSums(each, draw, 5);
    return each.network.published.reduce((sum, message) => sum + message.bytes, 0);
  };
  const [undisturbed, lossy] = [await bytes(0), await bytes(0.1)];
  assert.ok(lossy > 1.02 * undisturbed && lossy < 2 * undisturbed, `${lossy} ${undisturbed}`);
});

Deno.test("all-reduce sends nothing twice where nothing is lost, however slow a line is", async () => {
  const draw = random(4, "slow");
  const elements = 6000;
  const windowBytes = 4096;
  const options = { chunkBytesMax: 512, receiveBytesMax: 2 * windowBytes };
  const each = group({ owners: [0, 1, 2], elements, options }, {
    draw,
    // A chunk takes longer than it takes to be asked whether it was lost.
    bytesPerMs: (rank) => rank === 1 ? 2 : Infinity,
  });
  await checkSums(each, draw, 2);
  for (const { dropped } of each.ranks) assert.equal(dropped.duplicate + dropped.step, 0);
  const chunks = each.network.published.filter(({ subject }) => !isCredit(subject));
  // For each slice: two partials and one total.
  assert.ok(chunks.reduce((sum, { bytes }) => sum + bytes, 0) < 1.1 * 2 * 3 * 4 * elements);
  assert.equal(chunks.filter(({ subject }) => isAgain(subject)).length, 0);
});

Deno.test("all-reduce never has more under way to a rank than its window", async () => {
  for (const lossShare of [0, 0.1]) {
    const draw = random(5, "window");
    const windowBytes = 4096;
    const options = { chunkBytesMax: 300, receiveBytesMax: 3 * windowBytes };
    const each = group({ owners: [0, 1, 2, 3], elements: 8000, options }, {
      draw,
      lossShare,
      bytesPerMs: (rank) => rank === 2 ? 5 : 1000,
    });
    await checkSums(each, draw, 2);
    // Credits are not counted by their sender; a few are under way at most.
    const most = windowBytes + 4 * 200;
    for (const [way, bytes] of each.network.underWayMax) {
      assert.ok(bytes <= most, `${way}: ${bytes}`);
    }
    const toSlow = [0, 1, 3].map((from) => each.network.underWayMax.get(`${from}>2`)!);
    assert.ok(Math.max(...toSlow) > windowBytes / 2, `${toSlow}`);
  }
});

/** The nth message of those that `picks` names does not arrive. */
function losing(picks: (message: Envelope) => boolean, nth = 0): NetworkOptions {
  let count = 0;
  const passes = (message: Envelope) => !(picks(message) && count++ === nth);
  return { draw: random(1, "losing"), delayMs: 0.1, passes };
}

Deno.test("a chunk that was lost is sent again as soon as the next one has come", async () => {
  for (const subject of ["run.w1.reduce.0", "run.w1.total"]) {
    const picks = (message: Envelope) => message.to === 0 && message.subject === subject;
    const each = group(
      { owners: [0, 1, 2], elements: 300, options: { chunkBytesMax: 64 } },
      losing(picks, 1),
    );
    await checkSums(each, random(6, "gap"), 1);
    assert.ok(each.network.time.nowMs < 20, `${each.network.time.nowMs} ms`);
    const again = each.network.published.filter(({ subject }) => isAgain(subject));
    // A lost total goes to the one that lacks it, and to nobody else.
    const expected = subject.endsWith("total") ? ["run.w1.total.0"] : [];
    assert.deepEqual(again.map(({ subject }) => subject), expected);
  }
});

Deno.test("a chunk that was lost last is missed after a quiet while", async () => {
  for (const subject of ["run.w1.reduce.0", "run.w1.total"]) {
    const picks = (message: Envelope) => message.to === 0 && message.subject === subject;
    const each = group(
      { owners: [0, 1], elements: 2, options: { askAfterMs: 50 } },
      losing(picks),
    );
    await checkSums(each, random(7, "last"), 1);
    const { nowMs } = each.network.time;
    assert.ok(nowMs >= 50 && nowMs < 110, `${nowMs} ms`);
  }
});

Deno.test("a total that another rank lacks is sent again from within the next step", async () => {
  const isLate = (message: Envelope) => message.to === 0 && message.subject === "run.w1.total";
  const each = group({ owners: [0, 1, 2], elements: 30 }, losing(isLate));
  const [first, second] = [1, 2].map((step) =>
    [0, 1, 2].map((rank) => new Float32Array(30).fill(10 * step + rank))
  );
  const late = takePart(each, 0, [first]);
  const ahead = [1, 2].map((rank) => takePart(each, rank, [first, second]));
  // The others go on and send their partials of the next step before anybody asks.
  await each.network.pass(100);
  assert.throws(() => each.ranks[1].begin(1), /step 1: step 1 is not finished/);
  assert.ok(each.network.published.every(({ subject }) => !isAgain(subject)));
  const [[total]] = await each.network.run([late]);
  assert.deepEqual(bitsOf(total), bitsOf(treeSum(first)));
  const reduction = each.ranks[0].begin(1);
  reduction.add(0, second[0]);
  const totals = await each.network.run([
    reduction.total(),
    ...ahead.map(async (all) => (await all)[1]),
  ]);
  for (const each of totals) assert.deepEqual(bitsOf(each), bitsOf(treeSum(second)));
});

Deno.test("windows open again before anybody has to ask", async () => {
  const draw = random(13, "quarter");
  const options = { chunkBytesMax: 256, receiveBytesMax: 2 * 4 * (256 + 64) };
  const each = group({ owners: [0, 1, 2], elements: 6000, options }, { draw, delayMs: 0.1 });
  await checkSums(each, draw, 1);
  const { nowMs } = each.network.time;
  assert.ok(nowMs < 100, `${nowMs} ms`);
  // Three partials and three totals of 32 chunks each way; a credit for each chunk at most.
  const credits = each.network.published.filter(({ subject }) => isCredit(subject)).length;
  assert.ok(credits <= 3 * 4 * 32, `${credits}`);
});

Deno.test("total() waits longer than timeoutMs while others take what was sent", async () => {
  const draw = random(14, "slower");
  const options = { chunkBytesMax: 256, receiveBytesMax: 4 * (256 + 64), timeoutMs: 2000 };
  const bytesPerMs = (rank: number) => rank === 1 ? 1 : Infinity;
  const each = group({ owners: [0, 1], elements: 4000, options }, { draw, bytesPerMs });
  const shards = randomShards(draw, 2, 4000);
  // Rank 1 has nothing to say for four times as long, but takes what it is sent.
  const early = takePart(each, 0, [shards]);
  await each.network.pass(8000);
  const totals = await each.network.run([early, takePart(each, 1, [shards])]);
  for (const [total] of totals) assert.deepEqual(bitsOf(total), bitsOf(treeSum(shards)));
});

Deno.test("full windows open again although every second credit is lost", async () => {
  let credits = 0;
  const draw = random(8, "credits");
  const passes = ({ subject }: Envelope) => !isCredit(subject) || credits++ % 2 === 1;
  const options = { chunkBytesMax: 256, receiveBytesMax: 2 * 4 * (256 + 64) };
  const each = group({ owners: [0, 1, 2], elements: 3000, options }, { draw, passes });
  await checkSums(each, draw, 3);
  for (const { dropped } of each.ranks) assert.equal(dropped.duplicate, 0);
});

Deno.test("total() names the rank that takes nothing, which gets no more than its window", async () => {
  const draw = random(9, "dead");
  const windowBytes = 4096;
  const options = { chunkBytesMax: 512, receiveBytesMax: 2 * windowBytes, timeoutMs: 5000 };
  const each = group({ owners: [0, 1, 2], elements: 30_000, options }, { draw });
  const shards = randomShards(draw, 3, 30_000);
  // Rank 2 is dead from the start.
  const failing = [0, 1].map((rank) =>
    assert.rejects(takePart(each, rank, [shards]), (error: unknown) => {
      assert.ok(error instanceof AllReduceError);
      assert.match(error.message, /received 0 of 79 chunks from worker 2 within 5000 ms$/);
      assert.deepEqual(error.missingRanks, [2]);
      return true;
    })
  );
  each.ranks[2].close();
  await each.network.run(failing);
  const toDead = each.network.published.filter(({ subject }) => subject.endsWith("reduce.2"));
  const bytes = [0, 1].map((from) =>
    toDead.filter((message) => message.from === from).reduce((sum, { bytes }) => sum + bytes, 0)
  );
  for (const each of bytes) assert.ok(each > 0 && each <= windowBytes, `${bytes}`);
});

Deno.test("total() names the rank that holds up everybody by confirming nothing", async () => {
  const draw = random(10, "confirming");
  const options = { chunkBytesMax: 512, receiveBytesMax: 2 * 6000, timeoutMs: 5000 };
  const passes = ({ subject }: Envelope) => !subject.startsWith("run.w2.credit.");
  const each = group({ owners: [0, 1, 2], elements: 3000, options }, { draw, passes });
  const shards = randomShards(draw, 3, 3000);
  const words = (from: number) =>
    new RegExp(
      `received . of 8 chunks from worker ${from}, worker 2 has not confirmed \\d+ bytes of ours`,
    );
  const ends = [0, 1].map((rank) =>
    assert.rejects(takePart(each, rank, [shards]), (error: unknown) => {
      assert.ok(error instanceof AllReduceError);
      assert.match(error.message, words(1 - rank));
      assert.deepEqual(error.missingRanks, [1 - rank, 2]);
      return true;
    })
  );
  await each.network.run([...ends, assert.rejects(takePart(each, 2, [shards]))]);
});

Deno.test("all-reduce drops and counts credits that are not for it", async () => {
  const network = new LossyNetwork({ draw: random(11, "hostile") });
  const stranger = network.connect(7);
  const ranks = [0, 1].map((rank) =>
    createAllReduce({
      transport: network.connect(rank),
      clock: network.clock,
      subjectPrefix: "run",
      rank,
      members: ["w0", "w1"],
      owners: [0, 1],
      elements: 200,
      generation: 3,
      firstStep: 0,
      chunkBytesMax: 40,
      timeoutMs: 1000,
    })
  );
  const send = (name: string, credit: (number | Uint8Array)[]) =>
    stranger.publish(`run.${name}.credit.0`, encode(credit));
  const bits = new Uint8Array(4);
  // Nothing is held, all is held, of a step that is far away: what is well-formed does no harm.
  send("w1", [3, 1, 0, 0, 0, 0, bits, 0, bits]);
  await network.pass(100);
  assert.deepEqual(ranks[0].dropped, { ...noneDropped });
  send("w1", [2, 1, 0, 0, 0, 0, bits, 0, bits]);
  // Who is no other member is not even heard.
  send("w0", [3, 1, 0, 0, 0, 0, bits, 0, bits]);
  send("w0", [3, 0, 0, 0, 0, 0, bits, 0, bits]);
  send("stranger", [3, 1, 0, 0, 0, 0, bits, 0, bits]);
  send("w1", [3, 9, 0, 0, 0, 0, bits, 0, bits]);
  // Of messages that were never sent, and of other lengths.
  send("w1", [3, 1, 0, 0, 9, 0, bits, 0, bits]);
  send("w1", [3, 1, 0, 0, 0, 0, new Uint8Array(8), 0, bits]);
  send("w1", [3, 1, 0, 0, 0, 0, bits, 0, new Uint8Array(3)]);
  send("w1", [3, 1, 0, 0, 0, 0, new Uint8Array(3), 0, bits]);
  send("w1", [3, 1, 2, 0, 0, 0, bits, 0, bits]);
  send("w1", [3, 1, 0, 0, 0, 0, bits, 0]);
  await network.pass(200);
  assert.deepEqual(ranks[0].dropped, { ...noneDropped, generation: 1, sender: 1, malformed: 6 });
  const shards = randomShards(random(12, "hostile"), 2, 200);
  const each = { network, ranks, owners: [0, 1], elements: 200 };
  const totals = await network.run(ranks.map((_, rank) => takePart(each, rank, [shards])));
  for (const [total] of totals) assert.deepEqual(bitsOf(total), bitsOf(treeSum(shards)));
});

const noneDropped = { malformed: 0, generation: 0, sender: 0, step: 0, duplicate: 0 };
