import assert from "node:assert/strict";
import { few, play, testTransitions } from "./play_events.ts";
import {
  abandoned,
  alone,
  beat,
  done,
  failure,
  finished,
  interrupt,
  join,
  joinAgain,
  joined,
  leave,
  ready,
  running,
  snapshot,
  start,
  tell,
  tick,
} from "./sample_events.ts";

testTransitions("gathering", [
  {
    name: "one is ready before the others have joined",
    before: [join("a")],
    event: ready("a"),
    phase: "gathering",
    commands: [],
  },
  {
    name: "the last one is ready; ranks are in the order of joining",
    before: [...joined, ready("b")],
    event: ready("a"),
    phase: "running",
    commands: [start(1, "a", "b")],
    active: ["a", "b"],
  },
  {
    name: "more than were asked for have joined; those who are ready start",
    before: [...joined, join("c"), ready("c")],
    event: ready("b"),
    phase: "running",
    commands: [start(1, "b", "c")],
    active: ["b", "c"],
  },
  {
    name: "time passes up to the limit",
    before: [join("a")],
    event: [60_000, tick],
    phase: "gathering",
    commands: [],
  },
  {
    name: "workers do not join in time",
    before: [join("a")],
    event: [60_001, tick],
    phase: "ended",
    commands: [
      failure(
        "Cannot start: 1 of 2 workers joined within 60 s; start the others, or lower --workers",
      ),
    ],
  },
  {
    name: "workers are not ready in time",
    before: joined,
    event: [60_001, tick],
    phase: "ended",
    commands: [failure('Cannot start: worker "a", "b" was not ready within 60 s')],
  },
]);

testTransitions("while waiting for more", [
  {
    name: "another one comes, and it goes on",
    given: few,
    before: [...alone, join("c")],
    event: ready("c"),
    phase: "running",
    commands: [start(2, "a", "c")],
    active: ["a", "c"],
    restarts: 1,
  },
  {
    name: "the one that was lost comes back as another process",
    given: few,
    before: [...alone, join("b", "elsewhere")],
    event: ready("b"),
    phase: "running",
    commands: [start(2, "a", "b")],
  },
  {
    name: "it waits up to the limit",
    given: few,
    before: alone,
    event: [5_000, beat("a")],
    phase: "gathering",
    commands: [],
  },
  {
    name: "it gives up",
    given: { limits: { workersMin: 2, silenceMsMax: 100_000 } },
    before: alone,
    event: [30_001, tick],
    phase: "ended",
    commands: [
      failure(
        "Gave up: 1 of at least 2 workers were there for 30 s; start more workers and resume, or lower --min-workers",
      ),
    ],
  },
]);

testTransitions("when nobody starts workers any more", [
  {
    name: "all have left and none is started again: the run ends",
    before: [...running, leave("a"), leave("b"), snapshot],
    event: abandoned,
    phase: "ended",
    commands: [interrupt],
  },
  {
    name: "the last one is still there: it ends when that has gone",
    before: [...running, abandoned, leave("a"), leave("b"), snapshot],
    event: tick,
    phase: "ended",
    commands: [interrupt],
  },
  {
    name: "somebody has come from elsewhere: the run goes on",
    before: [...running, join("c"), ready("c"), abandoned, leave("a"), leave("b"), snapshot],
    event: tick,
    phase: "running",
    commands: [],
    active: ["c"],
  },
  {
    name: "a coordinator that took over waits a little for those from elsewhere",
    given: { generation: 7 },
    before: [abandoned],
    event: [10_000, tick],
    phase: "gathering",
    commands: [],
  },
  {
    name: "nobody from elsewhere has come back: the run ends",
    given: { generation: 7 },
    before: [abandoned],
    event: [10_001, tick],
    phase: "ended",
    commands: [interrupt],
  },
  {
    name: "nobody has ever come: the run ends at once",
    before: [],
    event: abandoned,
    phase: "ended",
    commands: [interrupt],
  },
]);

testTransitions("after taking over", [
  {
    name: "all are there again",
    given: { generation: 7 },
    before: [...joined, ready("a")],
    event: ready("b"),
    phase: "running",
    commands: [start(8, "a", "b")],
  },
  {
    name: "some are missing: they are waited for a little",
    given: { generation: 7, limits: { silenceMsMax: 100_000 } },
    before: [join("a"), ready("a")],
    event: [10_000, tick],
    phase: "gathering",
    commands: [],
  },
  {
    name: "then it goes on with those who are there",
    given: { generation: 7, limits: { silenceMsMax: 100_000 } },
    before: [join("a"), ready("a")],
    event: [10_001, tick],
    phase: "running",
    commands: [tell("Going on with 1 of 2 workers"), start(8, "a")],
  },
  {
    name: "unless they are too few",
    given: { generation: 7, limits: { silenceMsMax: 100_000, workersMin: 2 } },
    before: [join("a"), ready("a")],
    event: [10_001, tick],
    phase: "gathering",
    commands: [],
  },
  {
    name: "as many as took part last have come back",
    given: { workers: 4, generation: 7, earlierMembers: 2 },
    before: [joinAgain("a"), joinAgain("b"), ready("a")],
    event: ready("b"),
    phase: "running",
    commands: [start(8, "a", "b")],
  },
  {
    name: "as many new ones as took part last are not all that were started",
    given: { workers: 4, generation: 7, earlierMembers: 2 },
    before: [join("a"), joinAgain("b"), ready("a")],
    event: ready("b"),
    phase: "gathering",
    commands: [],
  },
  {
    name: "one has come back: the others that lived come at the same moment",
    given: { generation: 7 },
    before: [[3_000, joinAgain("a")], ready("a")],
    event: [4_000, tick],
    phase: "gathering",
    commands: [],
  },
  {
    name: "and who has not is not waited for",
    given: { generation: 7 },
    before: [[3_000, joinAgain("a")], ready("a")],
    event: [4_001, tick],
    phase: "running",
    commands: [tell("Going on with 1 of 2 workers"), start(8, "a")],
  },
  {
    name: "unless those who came back are too few",
    given: { generation: 7, limits: { workersMin: 2 } },
    before: [[3_000, joinAgain("a")], ready("a")],
    event: [5_000, tick],
    phase: "gathering",
    commands: [],
  },
  {
    name: "and gives up in the end",
    given: { generation: 7, limits: { silenceMsMax: 100_000, workersMin: 2 } },
    before: [join("a"), ready("a")],
    event: [30_001, tick],
    phase: "ended",
    commands: [
      failure(
        "Gave up: 1 of at least 2 workers were there for 30 s; start more workers and resume, or lower --min-workers",
      ),
    ],
  },
]);

Deno.test("changeMembership: a run of one worker needs nobody else", () => {
  const one = { workers: 1 };
  assert.deepEqual(play(one, [join("a"), ready("a")]).commands, [start(1, "a")]);
  assert.deepEqual(play(one, [join("a"), ready("a"), finished("a")]).commands, [done]);
});
