import assert from "node:assert/strict";
import {
  type Claim,
  claimRun,
  compareClaims,
  type Leadership,
  RunTakenError,
} from "../../coordinator/leadership.ts";
import { encode } from "../../net/codec.ts";
import { createMemoryBroker } from "../../net/memory_transport.ts";
import { runSubjects } from "../../net/messages.ts";
import type { Message, Transport } from "../../net/transport.ts";
import { FakeClock } from "../support/fake_clock.ts";

const claim: Claim = { life: "b", process: 1, folder: "runs/b", state: "asking", ageMs: 1000 };

Deno.test("compareClaims: who leads stays; of two alike one decides: who works, then who is older", () => {
  const table: [Partial<Claim>, Partial<Claim>, ReturnType<typeof compareClaims>][] = [
    [{ state: "gathering", ageMs: 0 }, { state: "asking", ageMs: 9e6 }, "stay"],
    [{ state: "asking", ageMs: 9e6 }, { state: "running", ageMs: 0 }, "yield"],
    // The one whose life sorts first decides.
    [{ life: "z" }, { life: "a" }, "tell"],
    [{ ageMs: 500 }, { life: "c", ageMs: 400 }, "stay"],
    [{ ageMs: 400 }, { life: "c", ageMs: 500 }, "yield"],
    [{ state: "running", ageMs: 0 }, { life: "c", state: "gathering", ageMs: 9e6 }, "stay"],
    [{ state: "gathering", ageMs: 9e6 }, { life: "c", state: "running", ageMs: 0 }, "yield"],
    [{ state: "running", ageMs: 2 }, { life: "c", state: "running", ageMs: 1 }, "stay"],
  ];
  for (const [own, other, expected] of table) {
    assert.equal(compareClaims({ ...claim, ...own }, { ...claim, ...other }), expected);
  }
});

/** Coordinators of one run on one broker, some of which may be cut off from the others. */
function hub() {
  const clock = new FakeClock();
  const broker = createMemoryBroker({ clock });
  const isCut = new Set<string>();
  const connect = (life: string): Transport => {
    const inner = broker.connect();
    const unlessCut = (receive: (message: Message) => void) => (message: Message) => {
      if (!isCut.has(life)) receive(message);
    };
    return {
      payloadBytesMax: inner.payloadBytesMax,
      closed: inner.closed,
      publish: (subject, data) => isCut.has(life) ? undefined : inner.publish(subject, data),
      subscribe: (subject, receive) => inner.subscribe(subject, unlessCut(receive)),
      request: (subject, data, options) => inner.request(subject, data, options),
      flush: () => inner.flush(),
      close: () => inner.close(),
    };
  };
  const asked = (life: string, bornMs = clock.nowMs()) =>
    claimRun({
      ...{ transport: connect(life), run: "r", life, process: 7, folder: `runs/${life}`, clock },
      ageMs: () => clock.nowMs() - bornMs,
    });
  const pass = async (ms: number) => {
    for (let gone = 0; gone < ms; gone += 50) {
      clock.advance(50);
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
  };
  return { broker, isCut, asked, pass, clock };
}

async function fates(
  asked: readonly Promise<Leadership>[],
): Promise<(Leadership | RunTakenError)[]> {
  return await Promise.all(asked.map((each) =>
    each.catch((error) => {
      assert.ok(error instanceof RunTakenError, String(error));
      return error;
    })
  ));
}

Deno.test("claimRun refuses the second by the first one's process, folder and age", async () => {
  const { asked, pass } = hub();
  const first = asked("z");
  await pass(300);
  (await first).lead(() => false, (sentence) => assert.fail(sentence));
  await pass(12_000);
  // Whoever's life sorts first, and though it claims to be older.
  for (const [life, seconds] of [["a", 12], ["zz", 13]] as const) {
    const ended = fates([asked(life, -1e6)]);
    await pass(300);
    const [second] = await ended;
    await assert.rejects(Promise.reject(second), {
      name: "RunTakenError",
      message: 'Cannot lead run "r": another coordinator leads it on this broker, process 7 with ' +
        `the run folder runs/z, there for ${seconds} s; wait for its end, or choose another name ` +
        "with --run",
    });
  }
  (await first)[Symbol.dispose]();
  const third = asked("c");
  await pass(300);
  (await third)[Symbol.dispose]();
});

Deno.test("claimRun: of those who ask at the same moment exactly one leads, the one that is oldest", async () => {
  const { asked, pass, clock } = hub();
  await pass(1000);
  const lives = ["c", "a", "d", "b"];
  const ended = fates(lives.map((life) => asked(life, life === "d" ? 0 : clock.nowMs())));
  await pass(300);
  const found = await ended;
  assert.deepEqual(found.map((each) => each instanceof Error), [true, true, false, true]);
});

Deno.test("claimRun: one that leads and does not answer is taken for dead", async () => {
  const { asked, pass, broker } = hub();
  broker.connect().subscribe(runSubjects("r").coordinators, () => {});
  const alone = asked("a");
  await pass(1_950);
  assert.equal(await Promise.race([alone, "not yet"]), "not yet");
  await pass(400);
  (await alone)[Symbol.dispose]();
});

Deno.test("two that lead in halves of a network find out when it is whole again, and one stays", async () => {
  for (
    const [workers, stays] of [[["a", "z"], "z"], [["a"], "a"], [["z"], "z"], [[], "z"]] as const
  ) {
    const { asked, pass, isCut } = hub();
    const ended: string[] = [];
    const start = async (life: string) => {
      const asking = asked(life);
      // A half that is cut off is asked in vain.
      await pass(2_500);
      const leadership = await asking;
      const lead = () =>
        leadership.lead(() => (workers as readonly string[]).includes(life), (sentence) => {
          assert.match(
            sentence,
            /^Cannot lead run "r": another coordinator leads it on this broker, /,
          );
          ended.push(life);
        });
      // One that waits for its first worker's engine leads before it knows who computes.
      leadership.lead(() => false, () => assert.fail("told what holds no more"));
      lead();
      return { leadership, lead };
    };
    const z = await start("z");
    isCut.add("z");
    const a = await start("a");
    await pass(5_000);
    assert.deepEqual(ended, []);
    isCut.clear();
    await pass(1_500);
    assert.deepEqual(ended, [stays === "a" ? "z" : "a"]);
    // Once is enough.
    await pass(5_000);
    assert.equal(ended.length, 1);
    const [stayed, left] = stays === "a" ? [a, z] : [z, a];
    assert.equal(stayed.leadership.outranked, undefined);
    assert.match(left.leadership.outranked!, /^Cannot lead run "r"/);
    // Who leads again after that hears it at once.
    left.lead();
    assert.equal(ended.length, 2);
  }
});

Deno.test("the last word of a coordinator that has died, heard late, ends no other one", async () => {
  for (const life of ["a", "z"]) {
    const { asked, pass, broker } = hub();
    const dead = broker.connect();
    const word = encode({ type: "claim", ...claim, life: "m", state: "running", ageMs: 9e6 });
    const say = () => dead.publish(runSubjects("r").coordinators, word);
    const asking = asked(life);
    // While it asks, and while it leads.
    await pass(100);
    say();
    await pass(3_000);
    (await asking).lead(() => false, (sentence) => assert.fail(sentence));
    say();
    await pass(5_000);
    (await asking)[Symbol.dispose]();
  }
});
