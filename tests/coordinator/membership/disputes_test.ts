import assert from "node:assert/strict";
import { random } from "../../../net/random.ts";
import { play, type Timed } from "./play_events.ts";
import { accuse, join, ready, start, tell } from "./sample_events.ts";

/** Who is excluded, in turn, where `sound` and `bad` workers are together and the bad have their way. */
function excludedBy(
  names: readonly string[],
  nextDispute: (active: readonly string[], count: number) => readonly [string, string] | undefined,
): string[] {
  const events: Timed[] = [...names.map((name) => join(name)), ...names.map((name) => ready(name))];
  const given = { workers: names.length, limits: { workersMax: names.length } };
  const excluded: string[] = [];
  for (;;) {
    const { state: { active, members, phase } } = play(given, events);
    for (const each of excluded) assert.ok(members.every(({ id }) => id !== each), each);
    if (phase !== "running" || active.length < 2) return excluded;
    const dispute = nextDispute(active, excluded.length);
    if (dispute === undefined) return excluded;
    events.push(accuse(...dispute));
    const { commands } = play(given, events);
    const [first] = commands;
    assert.ok(first?.type === "exclude", JSON.stringify(commands));
    excluded.push(first.worker);
  }
}

Deno.test("changeMembership excludes who is accused of malformed gradients; the rest goes on", () => {
  const three = [join("a"), join("b"), join("c"), ready("a"), ready("b"), ready("c")];
  const { state, commands } = play({ workers: 3 }, [...three, accuse("a", "b")]);
  const reason = '"a" got too many malformed gradients from it';
  assert.deepEqual(commands, [
    { type: "exclude", worker: "b", reason },
    tell(`Lost worker "b": ${reason}; going on with 2`),
    start(2, "a", "c"),
  ]);
  assert.equal(state.restarts, 1);
  // Nobody but two different members of the generation can be in a dispute.
  for (const event of [accuse("a", "a"), accuse("a", "d"), accuse("d", "a")]) {
    assert.deepEqual(play({ workers: 3 }, [...three, join("d"), ready("d"), event]).commands, []);
  }
});

Deno.test("changeMembership: a member that is not sound costs one sound one at most", () => {
  const names = ["bad", ...Array.from({ length: 63 }, (_, index) => `w${index}`)];
  const soundOf = (active: readonly string[]) => active.filter((name) => name !== "bad");
  // It sends malformed chunks, to all or to one.
  assert.deepEqual(
    excludedBy(names, (active) => active.includes("bad") ? ["w5", "bad"] : undefined),
    ["bad"],
  );
  // It accuses one after the other.
  assert.deepEqual(
    excludedBy(
      names,
      (active) => active.includes("bad") ? ["bad", soundOf(active)[0]] : undefined,
    ),
    ["w0", "bad"],
  );
  // It accuses one, and then sends to others.
  assert.deepEqual(
    excludedBy(names, (active, count) => {
      if (!active.includes("bad")) return undefined;
      return count === 0 ? ["bad", "w0"] : ["w1", "bad"];
    }),
    ["w0", "bad"],
  );
});

Deno.test("changeMembership: as many sound members as bad ones are lost at most, whatever those do", () => {
  for (let seed = 0; seed < 200; seed++) {
    const draw = random("disputes", seed);
    const bad = Array.from({ length: 1 + draw.integer(5) }, (_, index) => `bad${index}`);
    const sound = Array.from({ length: 2 + draw.integer(8) }, (_, index) => `w${index}`);
    const excluded = excludedBy(draw.shuffle([...bad, ...sound]), (active) => {
      const left = active.filter((name) => bad.includes(name));
      if (left.length === 0) return undefined;
      // The bad ones may quarrel with anybody; of two sound ones nobody has a reason.
      const one = left[draw.integer(left.length)];
      const others = active.filter((name) => name !== one);
      const other = others[draw.integer(others.length)];
      return draw.uniform() < 0.5 ? [one, other] : [other, one];
    });
    const lostSound = excluded.filter((name) => sound.includes(name)).length;
    assert.ok(lostSound <= bad.length, `seed ${seed}: ${excluded}`);
  }
});
