import { few, testTransitions } from "./play_events.ts";
import {
  alone,
  askStop,
  awaited,
  done,
  failed,
  failure,
  finished,
  interrupt,
  joined,
  ready,
  running,
  stop,
  tell,
} from "./sample_events.ts";

testTransitions("gathering", [
  {
    name: "a worker says it has finished what has not begun",
    before: [...joined, ready("a"), finished("a")],
    event: finished("b"),
    phase: "gathering",
    commands: [],
  },
  {
    name: "a worker fails before the start",
    before: joined,
    event: failed("a", "no space left"),
    phase: "ended",
    commands: [failure('Worker "a" (host of a) failed: no space left')],
  },
  {
    name: "a stop is asked for before the start",
    before: joined,
    event: stop,
    phase: "ended",
    commands: [interrupt],
  },
]);

testTransitions("while running", [
  {
    name: "one that waits fails: its own affair",
    before: awaited,
    event: failed("c", "cannot read frames.npy"),
    phase: "running",
    commands: [tell('Worker "c" (host of c) failed: cannot read frames.npy')],
    active: ["a", "b"],
    restarts: 0,
  },
  {
    name: "an active one fails: it would fail anywhere",
    before: running,
    event: failed("b", "cannot read frames.npy"),
    phase: "ended",
    commands: [failure('Worker "b" (host of b) failed: cannot read frames.npy')],
  },
  {
    name: "the first of two finishes",
    before: running,
    event: finished("b"),
    phase: "running",
    commands: [],
  },
  {
    name: "the same one finishes twice",
    before: [...running, finished("b")],
    event: finished("b"),
    phase: "running",
    commands: [],
  },
  {
    name: "all have finished",
    before: [...running, finished("b")],
    event: finished("a"),
    phase: "ended",
    commands: [done],
  },
  {
    name: "one that waits need not finish",
    before: [...awaited, finished("b")],
    event: finished("a"),
    phase: "ended",
    commands: [done],
  },
  {
    name: "one that waits cannot finish for another",
    before: [...awaited, finished("b")],
    event: finished("c"),
    phase: "running",
    commands: [],
  },
  {
    name: "workers end with other weights",
    before: [...running, finished("b", "abd")],
    event: finished("a", "abc"),
    phase: "ended",
    commands: [
      failure(
        'Workers disagree after step 12: parameters of "a" have SHA-256 abc, those of "b" abd; check that all run on the same kind of device',
      ),
    ],
  },
  {
    name: "a stop is asked for",
    before: running,
    event: stop,
    phase: "running",
    commands: [askStop],
  },
  {
    name: "a stop is asked for twice",
    before: [...running, stop],
    event: stop,
    phase: "running",
    commands: [],
  },
]);

testTransitions("while waiting for more", [
  {
    name: "what is finished counts for nothing while it waits",
    given: few,
    before: alone,
    event: finished("a"),
    phase: "gathering",
    commands: [],
  },
  {
    name: "a stop ends the waiting",
    given: few,
    before: alone,
    event: stop,
    phase: "ended",
    commands: [interrupt],
  },
  {
    name: "one that fails while waiting is one less",
    given: few,
    before: alone,
    event: failed("a", "no disk"),
    phase: "gathering",
    commands: [tell('Worker "a" (host of a) failed: no disk')],
  },
]);
