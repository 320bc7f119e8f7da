import assert from "node:assert/strict";
import type { ReadyReport } from "../../../coordinator/membership/state.ts";
import { few, play, testTransitions } from "./play_events.ts";
import {
  accept,
  alone,
  awaited,
  failure,
  join,
  joined,
  leave,
  lost,
  ready,
  refused,
  running,
  snapshot,
  start,
  stop,
  tell,
  wait,
} from "./sample_events.ts";

testTransitions("gathering", [
  {
    name: "the first of two joins",
    before: [],
    event: join("a"),
    phase: "gathering",
    commands: [accept("a")],
  },
  {
    name: "a namesake joins from another process",
    before: [join("a")],
    event: join("a", "elsewhere"),
    phase: "gathering",
    commands: [
      refused("a", 'a worker named "a" has already joined from host of a; give another --name'),
    ],
  },
  {
    name: "devices may differ in name",
    before: [...joined, ready("b", { device: "GPU 0" })],
    event: ready("a", { device: "GPU 1" }),
    phase: "running",
    commands: [start(1, "a", "b")],
  },
  {
    name: "a worker leaves before the start",
    before: [...joined, ready("a")],
    event: leave("a"),
    phase: "gathering",
    commands: [tell('Lost worker "a": it left')],
  },
  {
    name: "a snapshot cannot come from nowhere",
    before: [...joined, ready("a")],
    event: snapshot,
    phase: "gathering",
    commands: [],
  },
  {
    name: "workers are not alike",
    before: [...joined, ready("a")],
    event: ready("b", { engine: "wasm" }),
    phase: "ended",
    commands: [
      failure(
        'Cannot start: worker "b" (host of b) has engine wasm, worker "a" (host of a) has tensorflow; equal weights on every worker need them equal',
      ),
    ],
  },
]);

testTransitions("while running", [
  {
    name: "somebody comes: nothing stops for it",
    before: [...running, join("c")],
    event: ready("c"),
    phase: "running",
    commands: [],
    active: ["a", "b"],
  },
  {
    name: "a snapshot takes in who waits",
    before: awaited,
    event: snapshot,
    phase: "running",
    commands: [tell('Worker "c" joined; going on with 3'), start(2, "a", "b", "c")],
    active: ["a", "b", "c"],
    restarts: 0,
  },
  {
    name: "a snapshot without anybody waiting opens no generation",
    before: running,
    event: snapshot,
    phase: "running",
    commands: [],
    active: ["a", "b"],
  },
  {
    name: "who has joined and is not ready is not taken in",
    before: [...running, join("c")],
    event: snapshot,
    phase: "running",
    commands: [],
  },
  {
    name: "beyond the most that own something, others stand by",
    given: { limits: { workersMax: 2 } },
    before: awaited,
    event: snapshot,
    phase: "running",
    commands: [],
    active: ["a", "b"],
  },
  {
    name: "who stands by takes the place of one that leaves",
    given: { limits: { workersMax: 2 } },
    before: [...awaited, leave("a")],
    event: snapshot,
    phase: "running",
    commands: [tell('Worker "c" joined; Worker "a" left; going on with 2'), start(2, "b", "c")],
    active: ["b", "c"],
    restarts: 0,
  },
  {
    name: "who leaves stays until the next snapshot",
    before: running,
    event: leave("b"),
    phase: "running",
    commands: [],
    active: ["a", "b"],
  },
  {
    name: "a snapshot lets go who leaves",
    before: [...running, leave("b")],
    event: snapshot,
    phase: "running",
    commands: [tell('Worker "b" left; going on with 1'), start(2, "a")],
    active: ["a"],
    restarts: 0,
  },
  {
    name: "the last one leaves: the run waits",
    before: [...alone, leave("a")],
    event: snapshot,
    phase: "gathering",
    commands: [wait('Worker "a" left; waiting up to 30 s for 1 more worker')],
    active: [],
    restarts: 1,
  },
  {
    name: "the same process comes back: it had lost its part of the generation",
    before: running,
    event: join("b"),
    phase: "running",
    commands: [
      tell('Lost worker "b": lost its connection and came back; going on with 1'),
      start(2, "a"),
      accept("b"),
    ],
    active: ["a"],
    restarts: 1,
  },
  {
    name: "the same process comes back before it was ready",
    before: [...running, join("c")],
    event: join("c"),
    phase: "running",
    commands: [accept("c")],
    restarts: 0,
  },
  {
    name: "a newcomer that does not fit is refused, and the run goes on",
    before: [...running, join("c")],
    event: ready("c", { precision: "bfloat16" }),
    phase: "running",
    commands: [
      refused(
        "c",
        'worker "c" (host of c) has precision bfloat16, worker "a" (host of a) has float32; equal weights on every worker need them equal',
      ),
    ],
    active: ["a", "b"],
  },
  {
    name: "a newcomer must fit what the run began with, also when nobody else is there",
    given: { limits: { workersMin: 1 } },
    before: [...alone, lost("a"), join("c")],
    event: ready("c", { engineVersion: "TensorFlow 2.20.0" }),
    phase: "gathering",
    commands: [
      refused(
        "c",
        'worker "c" (host of c) has engine version TensorFlow 2.20.0, the run began with TensorFlow 2.21.0; equal weights on every worker need them equal',
      ),
    ],
  },
  {
    name: "an active one says again what it runs on",
    before: running,
    event: ready("a", { engine: "wasm" }),
    phase: "running",
    commands: [],
    active: ["a", "b"],
  },
  {
    name: "nobody is taken in on the way to the stop",
    before: [...awaited, stop],
    event: snapshot,
    phase: "running",
    commands: [],
    active: ["a", "b"],
  },
]);

testTransitions("while waiting for more", [
  {
    name: "a snapshot that comes late takes nobody in",
    given: few,
    before: alone,
    event: snapshot,
    phase: "gathering",
    commands: [],
  },
]);

Deno.test("changeMembership compares all that equal weights need", () => {
  const differences: [Partial<ReadyReport>, string][] = [
    [{ engine: "wasm" }, "engine wasm, worker"],
    [{ engineVersion: "TensorFlow 2.20.0" }, "engine version TensorFlow 2.20.0, worker"],
    [{ precision: "bfloat16" }, "precision bfloat16, worker"],
    [{ parameterCount: 101 }, "parameter count 101, worker"],
    [{ modelSource: "cafe" }, "source of the model's module cafe, worker"],
    [{ data: "1 file of 8 bytes, SHA-256 02" }, "data of 1 file of 8 bytes, SHA-256 02, worker"],
    [{ fingerprint: "beef" }, "model and data fingerprint beef, worker"],
  ];
  for (const [difference, words] of differences) {
    const { state, commands } = play({}, [...joined, ready("a"), ready("b", difference)]);
    assert.equal(state.phase, "ended");
    const [command] = commands;
    assert.ok(command.type === "fail");
    assert.ok(
      command.message.startsWith(
        `Cannot start: worker "b" (host of b) has ${words} "a" (host of a) has `,
      ),
    );
    assert.ok(command.message.endsWith("; equal weights on every worker need them equal"));
  }
  // Every pair is compared, also where the first one to be ready changes its mind.
  const three = [join("a"), join("b"), join("c"), ready("a"), ready("b")];
  const changed = play({ workers: 3 }, [...three, ready("a", { engine: "wasm" })]);
  assert.equal(changed.commands[0].type, "fail");
});
