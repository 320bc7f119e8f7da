import assert from "node:assert/strict";
import type { MembershipEvent } from "../../../coordinator/membership/events.ts";
import { play, type Timed } from "./play_events.ts";
import { finished, join, ready, rollback, running, stalled, start, tell } from "./sample_events.ts";

Deno.test("changeMembership gives up whose gradients do not come through, once nobody is computing", () => {
  const three = [join("a"), join("b"), join("c"), ready("a"), ready("b"), ready("c")];
  const given = { workers: 3, limits: { silenceMsMax: 60_000 } };
  const told = (...events: Timed[]) => {
    const { state, commands } = play(given, [...three, ...events]);
    return [state.active, ...commands.filter(({ type }) => type === "tell")];
  };
  // "b" computes still: who waits for it is patient.
  const waiting = [stalled("a", "b"), stalled("c", "b"), [1_000, stalled("a", "b")]] as const;
  assert.deepEqual(told(...waiting, [1_000, stalled("c", "b")]), [["a", "b", "c"]]);
  const all = [stalled("a", "b"), stalled("b", "a", "c"), stalled("c", "b")];
  // Once is not enough: what waited in a broker that stood still comes all at once.
  assert.deepEqual(told(...all), [["a", "b", "c"]]);
  const again = all.map((event): Timed => [1_000, event]);
  assert.deepEqual(told(...all, ...again), [
    ["a", "c"],
    tell('Lost worker "b": "a", "c" wait for its gradients in vain; going on with 2'),
  ]);
  // What was said long ago does not count, nor what was said in an earlier generation.
  const late = all.map((event): Timed => [4_000, event]);
  assert.deepEqual(told(...all, ...late), [["a", "b", "c"]]);
  assert.deepEqual(told(...all, rollback, ...again), [["a", "b", "c"]]);
});

Deno.test("changeMembership: of two that miss each other the one that joined first begins anew", () => {
  const both = [stalled("a", "b"), stalled("b", "a")];
  const again = both.map((event): Timed => [1_000, event]);
  const { commands } = play({}, [...running, ...both, ...again]);
  assert.deepEqual(commands, [
    tell('Lost worker "a": "b" waits for its gradients in vain; going on with 1'),
    start(2, "b"),
  ]);
  // Where the broker takes nothing, nobody is to blame.
  const blameless = [stalled("a"), stalled("b"), [1_000, stalled("a")], [1_000, stalled("b")]];
  assert.deepEqual(play({}, [...running, ...blameless as Timed[]]).commands, []);
});

Deno.test("changeMembership gives up whose gradients do not come through, though it waits elsewhere", () => {
  const given = { limits: { silenceMsMax: 60_000 } };
  const twice = (event: MembershipEvent): Timed[] => [event, [1_000, event]];
  const miss = (...idle: string[]): Timed[] =>
    twice({ type: "stalled", worker: "a", missing: ["b"], idle });
  // "b" computes.
  assert.deepEqual(play(given, [...running, ...miss()]).commands, []);
  const lostB = [
    tell('Lost worker "b": "a" waits for its gradients in vain; going on with 1'),
    start(2, "a"),
  ];
  // "b" has ended the step, and waits for the snapshot of "a", or has ended the run.
  assert.deepEqual(play(given, [...running, ...miss("b")]).commands, lostB);
  assert.deepEqual(play(given, [...running, finished("b"), ...miss()]).commands, lostB);
});
