import assert from "node:assert/strict";
import { createStrikes } from "../../net/strikes.ts";

const why = "it sent too many malformed messages";
const limits = { strikesMax: 3, withinMs: 1000, sendersMax: 2 };

Deno.test("createStrikes gives a sender up at the strike that is one too many, and tells once", () => {
  const strikes = createStrikes(limits);
  assert.deepEqual([0, 1, 2, 3].map((at) => strikes.add("a", at)), [false, false, true, false]);
  assert.deepEqual(["a", "b"].map(strikes.whyOut), [why, undefined]);
  assert.equal(strikes.add("b", 3), false, "each sender has its own");
});

Deno.test("createStrikes forgets strikes that are long ago", () => {
  const strikes = createStrikes(limits);
  for (let atMs = 0; atMs < 100_000; atMs += 500) assert.equal(strikes.add("a", atMs), false);
  assert.equal(strikes.add("a", 99_600), true);
});

Deno.test("createStrikes remembers no more senders than it may, the newest", () => {
  const strikes = createStrikes(limits);
  for (const name of ["a", "b"]) for (let at = 0; at < 3; at++) strikes.add(name, at);
  for (const name of ["c", "d", "e"]) strikes.add(name, 3);
  assert.deepEqual(["a", "b"].map(strikes.whyOut), [why, why], "who is out is not pushed out");
  for (let at = 4; at < 6; at++) strikes.add("e", at);
  assert.deepEqual(["a", "b", "e"].map(strikes.whyOut), [undefined, why, why]);
  strikes.exclude("f", "it is not wanted");
  assert.deepEqual(["b", "e", "f"].map(strikes.whyOut), [undefined, why, "it is not wanted"]);
  assert.equal(strikes.add("f", 9), false, "nothing counts of who is out");
});
