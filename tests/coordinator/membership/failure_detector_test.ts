import assert from "node:assert/strict";
import type { MembershipCommand } from "../../../coordinator/membership/commands.ts";
import type { MembershipEvent } from "../../../coordinator/membership/events.ts";
import { changeMembership } from "../../../coordinator/membership/membership.ts";
import type { MembershipState } from "../../../coordinator/membership/state.ts";
import { play, testTransitions, type Timed } from "./play_events.ts";
import {
  accept,
  beat,
  join,
  joined,
  ready,
  running,
  snapshot,
  start,
  tell,
  tick,
} from "./sample_events.ts";

testTransitions("while running", [
  {
    name: "two fall silent together: one restart",
    given: { workers: 3 },
    before: [...joined, join("c"), ready("a"), ready("b"), ready("c"), [4_000, beat("b")]],
    event: [5_250, tick],
    phase: "running",
    commands: [
      tell(
        'Lost worker "a": host of a was not heard of for 5.3 s; Lost worker "c": host of c was not heard of for 5.3 s; going on with 1',
      ),
      start(2, "b"),
    ],
    active: ["b"],
    restarts: 1,
  },
  {
    name: "silence up to the limit is no loss",
    before: [...running, [4_000, beat("a")]],
    event: [5_000, tick],
    phase: "running",
    commands: [],
    active: ["a", "b"],
  },
  {
    name: "the limit for starting does not hold for what runs",
    given: { limits: { silenceMsMax: 1e6 } },
    before: running,
    event: [100_000, tick],
    phase: "running",
    commands: [],
  },
]);

Deno.test("changeMembership gives up who falls silent, and says where it ran and for how long", () => {
  const { state } = play({}, [...running, [4_000, beat("a")]]);
  // The coordinator itself may not have been there: only time between ticks that came counts.
  let next = state;
  const told: MembershipCommand[] = [];
  for (let nowMs = 4_250; nowMs <= 5_250; nowMs += 250) {
    const change = changeMembership(next, tick, nowMs);
    next = change.state;
    told.push(...change.commands);
  }
  const sentence = 'Lost worker "b": host of b was not heard of for 5.3 s; going on with 1';
  assert.deepEqual(told, [tell(sentence), start(2, "a")]);
  // Here it stood still for a minute, and nobody is lost until they have been silent since.
  const late = changeMembership(state, tick, 64_000);
  assert.deepEqual(late.commands, []);
  assert.deepEqual(late.state.active, ["a", "b"]);
  const later = changeMembership(late.state, tick, 64_250);
  assert.deepEqual(later.commands, []);
});

Deno.test("changeMembership: who is busy in each generation gets the time that it takes", () => {
  let { state } = play({ workers: 1, limits: { silenceMsMax: 1_000 } }, []);
  let nowMs = 0;
  const lostAfterMs: number[] = [];
  const sentences: string[] = [];
  // Each generation keeps it from its signs of life for 6 s, then it comes back.
  for (let turn = 0; turn < 5; turn++) {
    if (!state.active.includes("a")) {
      for (const event of [join("a"), ready("a")]) {
        state = changeMembership(state, event, nowMs).state;
      }
    }
    const from = nowMs;
    while (nowMs < from + 6_000) {
      nowMs += 250;
      const { state: next, commands } = changeMembership(state, tick, nowMs);
      if (next.members.length < state.members.length) lostAfterMs.push(nowMs - from);
      sentences.push(...commands.flatMap((each) => each.type === "wait" ? [each.sentence] : []));
      state = next;
    }
  }
  assert.deepEqual(lostAfterMs, [1_250, 1_250, 2_250, 4_250]);
  assert.deepEqual(state.active, ["a"]);
  assert.match(sentences[0], /^Lost worker "a": host of a was not heard of for 1\.3 s; waiting/);
  assert.match(
    sentences[2],
    /for 2\.3 s, again since its last snapshot, so 4 s are allowed from now on;/,
  );
  // It keeps that after a snapshot, because it will be as busy again.
  ({ state } = changeMembership(state, beat("a"), nowMs));
  for (let turn = 0; turn < 3; turn++) {
    ({ state } = changeMembership(state, snapshot, nowMs));
    const quiet = silentFor(state, nowMs, 6_000);
    assert.equal(quiet.members.length, 1);
    nowMs += 6_000;
    ({ state } = changeMembership(quiet, beat("a"), nowMs));
  }
});

/** The state after so long without a word of anybody. */
function silentFor(before: MembershipState, fromMs: number, ms: number): MembershipState {
  let state = before;
  for (let nowMs = fromMs + 250; nowMs <= fromMs + ms; nowMs += 250) {
    ({ state } = changeMembership(state, tick, nowMs));
  }
  return state;
}

/** Of two workers, "b" is silent for so long in each of these turns; "a" and time go on meanwhile. */
function silencesOfOne(
  turns: number,
  silentMs: number,
  between: (active: readonly string[]) => readonly MembershipEvent[],
): boolean[] {
  let { state } = play({ limits: { silenceMsMax: 1_000 } }, running);
  let nowMs = 0;
  const lost: boolean[] = [];
  for (let turn = 0; turn < turns; turn++) {
    const until = nowMs + silentMs;
    while (nowMs < until) {
      nowMs += 250;
      for (const event of [beat("a"), tick]) {
        state = changeMembership(state, event, nowMs).state;
      }
    }
    lost.push(!state.active.includes("b"));
    const back = lost.at(-1) ? [join("b"), ready("b")] : [];
    for (const event of [...back, beat("b"), ...between(state.active)]) {
      state = changeMembership(state, event, nowMs).state;
    }
  }
  return lost;
}

Deno.test("changeMembership: who is busy between snapshots of the others gets the time that it takes", () => {
  // The others make a snapshot without it, at which it is taken in, and then it is busy again.
  assert.deepEqual(silencesOfOne(8, 6_000, () => [snapshot]), [
    ...[true, true, true, true],
    ...[false, false, false, false],
  ]);
});

Deno.test("changeMembership: who falls silent now and then is given up as soon each time", () => {
  // It takes part in a snapshot before each silence.
  const lost = silencesOfOne(12, 1_500, () => [snapshot, snapshot]);
  assert.deepEqual(lost, lost.map(() => true));
});

Deno.test("changeMembership has a limit to what any process may be silent for", () => {
  let { state } = play({ workers: 1, limits: { silenceMsMax: 120_000 } }, []);
  let nowMs = 0;
  const lostAfterMs: number[] = [];
  for (let turn = 0; turn < 6; turn++) {
    for (const event of [join("a"), ready("a")]) {
      state = changeMembership(state, event, nowMs).state;
    }
    const from = nowMs;
    while (state.members.length > 0) {
      nowMs += 250;
      ({ state } = changeMembership(state, tick, nowMs));
    }
    lostAfterMs.push(nowMs - from - 250);
  }
  assert.deepEqual(lostAfterMs, [120_000, 120_000, 240_000, 480_000, 600_000, 600_000]);
});

Deno.test("changeMembership frees the name of a worker that never got ready", () => {
  let { state } = play({ limits: { silenceMsMax: 1e6, startTimeoutMs: 4_000 } }, [
    ...running,
    join("c"),
  ]);
  for (let nowMs = 250; nowMs <= 4_000; nowMs += 250) {
    ({ state } = changeMembership(state, tick, nowMs));
  }
  const twin = changeMembership(state, join("c", "elsewhere"), 4_000);
  assert.equal(twin.commands[0].type, "refuse");
  ({ state } = changeMembership(state, tick, 4_001));
  assert.deepEqual(changeMembership(state, join("c", "elsewhere"), 4_002).commands, [accept("c")]);
});

Deno.test("changeMembership gives a silent holder's name to another process, within five seconds", () => {
  for (const [silenceMsMax, limitMs] of [[1_000, 1_000], [120_000, 5_000]]) {
    for (const before of [[join("a")], [...running]]) {
      const { state } = play({ limits: { silenceMsMax } }, before);
      const early = changeMembership(state, join("a", "elsewhere"), limitMs);
      assert.deepEqual(early.commands.map(({ type }) => type), ["refuse"]);
      const late = changeMembership(state, join("a", "elsewhere"), limitMs + 1);
      assert.deepEqual(late.commands.at(-1), accept("a"));
      assert.equal(late.state.members.find(({ id }) => id === "a")!.where, "elsewhere");
      assert.equal(late.state.active.includes("a"), false);
      // The one that was only busy hears that its name is taken, once the other one speaks.
      const back = changeMembership(late.state, join("a"), limitMs + 2);
      assert.deepEqual(back.commands.map(({ type }) => type), ["refuse"]);
    }
  }
});

/** Ticks and heartbeats as they come, each a quarter of a second after what it tells of. */
function listen(
  events: readonly Timed[],
  hears: (worker: string, nowMs: number) => boolean,
  untilMs: number,
): { told: string[]; state: MembershipState; atMs: number } {
  let { state } = play({ limits: { silenceMsMax: 1_000 } }, events);
  const heardMs = new Map<string, number>();
  const told: string[] = [];
  let atMs = 0;
  for (let nowMs = 250; nowMs <= untilMs; nowMs += 250) {
    for (const { id } of state.members) {
      if (hears(id, nowMs)) heardMs.set(id, nowMs - 250);
      ({ state } = changeMembership(state, beat(id, heardMs.get(id) ?? 0), nowMs));
    }
    const change = changeMembership(state, tick, nowMs);
    state = change.state;
    for (const command of change.commands) {
      if (command.type === "tell") told.push(command.sentence);
      atMs = nowMs;
    }
  }
  return { told, state, atMs };
}

Deno.test("changeMembership gives up who speaks and does not hear, within two seconds", () => {
  const { told, state, atMs } = listen(running, (id, nowMs) => id === "a" || nowMs < 2_000, 8_000);
  assert.deepEqual(told, [
    'Lost worker "b": host of b has heard nothing for 2.0 s; going on with 1',
  ]);
  assert.deepEqual([state.active, state.restarts], [["a"], 1]);
  assert.equal(atMs, 3_500);
  // One who has never heard anything is no better.
  assert.match(listen(running, (id) => id === "a", 8_000).told[0], /^Lost worker "b": .* 2\.0 s;/);
});

Deno.test("changeMembership gives up nobody where nobody hears: it may be the coordinator's own way", () => {
  const { told, state } = listen(running, (_, nowMs) => nowMs < 2_000, 20_000);
  assert.deepEqual([told, state.active], [[], ["a", "b"]]);
  // Nor after it stood still, when it has said nothing either.
  const { state: before } = play({ limits: { silenceMsMax: 1_000 } }, running);
  const heard = changeMembership(before, beat("a", 0), 60_000).state;
  const late = changeMembership(changeMembership(heard, beat("b", 0), 60_000).state, tick, 60_000);
  assert.deepEqual(late.commands, []);
});
