import assert from "node:assert/strict";
import {
  changeMembership,
  initialMembership,
  type MembershipCommand,
  type MembershipEvent,
  type MembershipLimits,
  type MembershipState,
  type Phase,
  type ReadyReport,
} from "../../coordinator/membership.ts";
import { random } from "../../net/random.ts";

const limits: MembershipLimits = {
  startTimeoutMs: 60_000,
  silenceMsMax: 5_000,
  waitTimeoutMs: 30_000,
  workersMin: 1,
  workersMax: 4,
};

const report: ReadyReport = {
  engine: "tensorflow",
  engineVersion: "TensorFlow 2.21.0",
  device: "CPU",
  precision: "float32",
  parameterCount: 100,
  fingerprint: "f00d",
};

const join = (worker: string, where = `host of ${worker}`): MembershipEvent => ({
  type: "join",
  worker,
  where,
});
const ready = (worker: string, change: Partial<ReadyReport> = {}): MembershipEvent => ({
  type: "ready",
  worker,
  report: { ...report, ...change },
});
const beat = (worker: string, heardMs = Infinity): MembershipEvent => ({
  type: "heartbeat",
  worker,
  heardMs,
});
const lost = (worker: string): MembershipEvent => ({
  type: "lost",
  worker,
  reason: "it was killed",
});
const leave = (worker: string): MembershipEvent => ({ type: "leave", worker });
const finished = (worker: string, sha = "abc"): MembershipEvent => ({
  type: "finished",
  worker,
  report: { reason: "done", step: 12, parametersSha256: sha },
});
const failed = (worker: string, message: string): MembershipEvent => ({
  type: "failed",
  worker,
  message,
});
const snapshot: MembershipEvent = { type: "snapshot" };
const rollback: MembershipEvent = { type: "rollback", sentence: "Step 7 was not applied" };
const stop: MembershipEvent = { type: "stop" };
const abandoned: MembershipEvent = { type: "abandoned" };
const tick: MembershipEvent = { type: "tick" };

/** Later, a time when something happens, after ticks four times a second until then. */
type Timed = MembershipEvent | readonly [nowMs: number, event: MembershipEvent];

interface Given {
  readonly workers?: number;
  readonly limits?: Partial<MembershipLimits>;
  /** The newest generation of an earlier coordinator. */
  readonly generation?: number;
  /** How many took part in it. */
  readonly earlierMembers?: number;
}

interface Played {
  readonly state: MembershipState;
  /** What the last event asked for. */
  readonly commands: readonly MembershipCommand[];
}

/** The state after `events`. */
function play(
  { workers = 2, limits: changed, generation = 0, earlierMembers = workers }: Given,
  events: readonly Timed[],
): Played {
  const earlier = { generation, members: earlierMembers, restarts: 0 };
  let state = initialMembership(workers, { ...limits, ...changed }, earlier, 0);
  let commands: readonly MembershipCommand[] = [];
  let nowMs = 0;
  const happen = (
    event: MembershipEvent,
  ) => ({ state, commands } = changeMembership(state, event, nowMs));
  for (const timed of events) {
    if ("type" in timed) {
      happen(timed);
      continue;
    }
    const [untilMs, event] = timed;
    while (nowMs + 250 < untilMs) {
      nowMs += 250;
      happen(tick);
    }
    nowMs = untilMs;
    happen(event);
  }
  return { state, commands };
}

/** The same process as under an earlier coordinator. */
const joinAgain = (worker: string): MembershipEvent => ({
  type: "join",
  worker,
  where: `host of ${worker}`,
  attempt: 1,
});
const joined = [join("a"), join("b")];
const running = [...joined, ready("a"), ready("b")];
/** "c" has come, and waits for a snapshot. */
const awaited = [...running, join("c"), ready("c")];
const alone = [...running, lost("b")];
const ended = [...running, finished("a"), finished("b")];
const failure = (message: string): MembershipCommand => ({ type: "fail", message });
const tell = (sentence: string): MembershipCommand => ({ type: "tell", sentence });
const wait = (sentence: string): MembershipCommand => ({ type: "wait", sentence });
const start = (generation: number, ...members: string[]): MembershipCommand => ({
  type: "start",
  generation,
  members,
});
const accept = (worker: string): MembershipCommand => ({ type: "accept", worker });
const askStop: MembershipCommand = { type: "askStop" };
const interrupt: MembershipCommand = { type: "interrupt" };
const done: MembershipCommand = {
  type: "finish",
  report: { reason: "done", step: 12, parametersSha256: "abc" },
};
const refused = (worker: string, reason: string): MembershipCommand => ({
  type: "refuse",
  worker,
  reason,
});

interface Transition {
  readonly name: string;
  readonly given?: Given;
  readonly before: readonly Timed[];
  readonly event: Timed;
  readonly phase: Phase;
  readonly commands: readonly MembershipCommand[];
  readonly active?: readonly string[];
  readonly restarts?: number;
}

const gathering: readonly Transition[] = [
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
    name: "devices may differ in name",
    before: [...joined, ready("b", { device: "GPU 0" })],
    event: ready("a", { device: "GPU 1" }),
    phase: "running",
    commands: [start(1, "a", "b")],
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
    name: "a worker that never joined says it is ready",
    before: [...joined, ready("a")],
    event: ready("c"),
    phase: "gathering",
    commands: [],
  },
  {
    name: "a worker is lost before the start",
    before: [...joined, ready("a")],
    event: lost("a"),
    phase: "gathering",
    commands: [tell('Lost worker "a": it was killed')],
    restarts: 0,
  },
  {
    name: "a worker leaves before the start",
    before: [...joined, ready("a")],
    event: leave("a"),
    phase: "gathering",
    commands: [tell('Lost worker "a": it left')],
  },
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
    commands: [failure('Worker "a" failed: no space left')],
  },
  {
    name: "a stop is asked for before the start",
    before: joined,
    event: stop,
    phase: "ended",
    commands: [interrupt],
  },
  {
    name: "a snapshot cannot come from nowhere",
    before: [...joined, ready("a")],
    event: snapshot,
    phase: "gathering",
    commands: [],
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
  {
    name: "workers are not alike",
    before: [...joined, ready("a")],
    event: ready("b", { engine: "wasm" }),
    phase: "ended",
    commands: [
      failure(
        'Cannot start: worker "b" has engine wasm, worker "a" has tensorflow; equal weights on every worker need them equal',
      ),
    ],
  },
];

const whileRunning: readonly Transition[] = [
  {
    name: "an active worker is lost: the rest go on",
    before: running,
    event: lost("a"),
    phase: "running",
    commands: [tell('Lost worker "a": it was killed; going on with 1'), start(2, "b")],
    active: ["b"],
    restarts: 1,
  },
  {
    name: "two are lost one after the other, each is a restart",
    given: { workers: 3 },
    before: [...joined, join("c"), ready("a"), ready("b"), ready("c"), lost("c")],
    event: lost("a"),
    phase: "running",
    commands: [tell('Lost worker "a": it was killed; going on with 1'), start(3, "b")],
    restarts: 2,
  },
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
    name: "one that waits takes the place of one that is lost, at once",
    before: awaited,
    event: lost("a"),
    phase: "running",
    commands: [tell('Lost worker "a": it was killed; going on with 2'), start(2, "b", "c")],
    active: ["b", "c"],
    restarts: 1,
  },
  {
    name: "one that waits is lost: nothing happens",
    before: awaited,
    event: lost("c"),
    phase: "running",
    commands: [],
    active: ["a", "b"],
    restarts: 0,
  },
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
    name: "who leaves does not begin anew when another is lost",
    given: { workers: 3 },
    before: [...joined, join("c"), ready("a"), ready("b"), ready("c"), leave("a")],
    event: lost("b"),
    phase: "running",
    commands: [tell('Lost worker "b": it was killed; going on with 1'), start(2, "c")],
    active: ["c"],
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
        'worker "c" has precision bfloat16, worker "a" has float32; equal weights on every worker need them equal',
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
        'worker "c" has engine version TensorFlow 2.20.0, the run began with TensorFlow 2.21.0; equal weights on every worker need them equal',
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
    name: "one that waits fails: its own affair",
    before: awaited,
    event: failed("c", "cannot read frames.npy"),
    phase: "running",
    commands: [tell('Worker "c" failed: cannot read frames.npy')],
    active: ["a", "b"],
    restarts: 0,
  },
  {
    name: "an active one fails: it would fail anywhere",
    before: running,
    event: failed("b", "cannot read frames.npy"),
    phase: "ended",
    commands: [failure('Worker "b" failed: cannot read frames.npy')],
  },
  {
    name: "all go back for a step that is not finite",
    before: running,
    event: rollback,
    phase: "running",
    commands: [tell("Step 7 was not applied"), start(2, "a", "b")],
    restarts: 0,
  },
  {
    name: "who leaves does not go back, and too few are left",
    before: [...alone, leave("a")],
    event: rollback,
    phase: "gathering",
    commands: [wait("Step 7 was not applied; waiting up to 30 s for 1 more worker")],
  },
  {
    name: "a worker that never joined beats, finishes, leaves and fails",
    before: [...running, beat("c"), finished("c"), leave("c")],
    event: failed("c", "no disk"),
    phase: "running",
    commands: [],
    active: ["a", "b"],
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
    name: "one has finished and the other is lost: it goes back",
    before: [...running, finished("b"), lost("a")],
    event: tick,
    phase: "running",
    commands: [],
    active: ["b"],
    restarts: 1,
  },
  {
    name: "and has to finish again",
    before: [...running, finished("b"), lost("a")],
    event: finished("b"),
    phase: "ended",
    commands: [done],
    restarts: 1,
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
  {
    name: "a worker is lost on the way to the stop: the rest are asked again",
    before: [...running, stop],
    event: lost("b"),
    phase: "running",
    commands: [tell('Lost worker "b": it was killed; going on with 1'), start(2, "a"), askStop],
    restarts: 1,
  },
  {
    name: "nobody is taken in on the way to the stop",
    before: [...awaited, stop],
    event: snapshot,
    phase: "running",
    commands: [],
    active: ["a", "b"],
  },
  {
    name: "too few are left on the way to the stop",
    given: { limits: { workersMin: 2 } },
    before: [...running, stop],
    event: lost("b"),
    phase: "ended",
    commands: [interrupt],
  },
  {
    name: "the limit for starting does not hold for what runs",
    given: { limits: { silenceMsMax: 1e6 } },
    before: running,
    event: [100_000, tick],
    phase: "running",
    commands: [],
  },
  ...[
    beat("a"),
    ready("a"),
    finished("a", "other"),
    failed("a", "late"),
    lost("a"),
    leave("a"),
    snapshot,
    rollback,
    stop,
    tick,
  ].map((event) => ({
    name: `what comes when it is over changes nothing: ${event.type}`,
    before: ended,
    event,
    phase: "ended" as const,
    commands: [],
  })),
  {
    name: "somebody joins when it is over",
    before: ended,
    event: join("c"),
    phase: "ended",
    commands: [refused("c", "the run has ended")],
  },
];

const few: Given = { limits: { workersMin: 2 } };

const waiting: readonly Transition[] = [
  {
    name: "too few are left: they wait",
    given: few,
    before: running,
    event: lost("b"),
    phase: "gathering",
    commands: [wait('Lost worker "b": it was killed; waiting up to 30 s for 1 more worker')],
    active: [],
    restarts: 1,
  },
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
    name: "one that is lost while waiting is no restart",
    given: few,
    before: alone,
    event: lost("a"),
    phase: "gathering",
    commands: [],
    restarts: 1,
  },
  {
    name: "what is finished counts for nothing while it waits",
    given: few,
    before: alone,
    event: finished("a"),
    phase: "gathering",
    commands: [],
  },
  {
    name: "a snapshot that comes late takes nobody in",
    given: few,
    before: alone,
    event: snapshot,
    phase: "gathering",
    commands: [],
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
    commands: [tell('Worker "a" failed: no disk')],
  },
];

const afterAll: readonly Transition[] = [
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
];

const tookOver: readonly Transition[] = [
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
];

for (
  const [when, transitions] of Object.entries({
    gathering,
    "while running": whileRunning,
    "while waiting for more": waiting,
    "when nobody starts workers any more": afterAll,
    "after taking over": tookOver,
  })
) {
  for (
    const { name, given = {}, before, event, phase, commands, active, restarts } of transitions
  ) {
    Deno.test(`changeMembership ${when}: ${name}`, () => {
      const { state, commands: found } = play(given, [...before, event]);
      assert.deepEqual(found, commands);
      assert.equal(state.phase, phase);
      if (active) assert.deepEqual(state.active, active);
      if (restarts !== undefined) assert.equal(state.restarts, restarts);
    });
  }
}

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
  let { state } = play({ limits: { silenceMsMax: 1e6 } }, [...running, join("c")]);
  for (let nowMs = 250; nowMs <= 60_000; nowMs += 250) {
    ({ state } = changeMembership(state, tick, nowMs));
  }
  const twin = changeMembership(state, join("c", "elsewhere"), 60_000);
  assert.equal(twin.commands[0].type, "refuse");
  ({ state } = changeMembership(state, tick, 60_001));
  assert.deepEqual(changeMembership(state, join("c", "elsewhere"), 60_002).commands, [accept("c")]);
});

Deno.test("changeMembership compares all that equal weights need", () => {
  const differences: [Partial<ReadyReport>, string][] = [
    [{ engine: "wasm" }, "engine wasm, worker"],
    [{ engineVersion: "TensorFlow 2.20.0" }, "engine version TensorFlow 2.20.0, worker"],
    [{ precision: "bfloat16" }, "precision bfloat16, worker"],
    [{ parameterCount: 101 }, "parameter count 101, worker"],
    [{ modelSource: "cafe" }, "source of the model's module cafe, worker"],
    [{ fingerprint: "beef" }, "model and data fingerprint beef, worker"],
  ];
  for (const [difference, words] of differences) {
    const { state, commands } = play({}, [...joined, ready("a"), ready("b", difference)]);
    assert.equal(state.phase, "ended");
    const [command] = commands;
    assert.ok(command.type === "fail");
    assert.ok(command.message.startsWith(`Cannot start: worker "b" has ${words} "a" has `));
    assert.ok(command.message.endsWith("; equal weights on every worker need them equal"));
  }
  // Every pair is compared, also where the first one to be ready changes its mind.
  const three = [join("a"), join("b"), join("c"), ready("a"), ready("b")];
  const changed = play({ workers: 3 }, [...three, ready("a", { engine: "wasm" })]);
  assert.equal(changed.commands[0].type, "fail");
});

Deno.test("changeMembership: a run of one worker needs nobody else", () => {
  const one = { workers: 1 };
  assert.deepEqual(play(one, [join("a"), ready("a")]).commands, [start(1, "a")]);
  assert.deepEqual(play(one, [join("a"), ready("a"), finished("a")]).commands, [done]);
});

Deno.test("changeMembership keeps its promises through any sequence of events", () => {
  const reached = new Map<string, number>();
  for (let seed = 0; seed < 1000; seed++) {
    const draw = random("membership test", seed);
    const workersMax = 1 + draw.integer(4);
    const workers = 1 + draw.integer(workersMax);
    const workersMin = 1 + draw.integer(workers);
    const names = Array.from({ length: workersMax + 2 }, (_, index) => `w${index}`);
    let generation = draw.integer(3);
    let state = initialMembership(
      workers,
      { ...limits, workersMin, workersMax },
      { generation, members: draw.integer(4), restarts: 3 },
      0,
    );
    let nowMs = 0;
    let restarts = 3;
    let isOver = false;
    const finishedWith = new Map<string, string>();
    for (let index = 0; index < 80; index++) {
      nowMs += draw.integer(draw.uniform() < 0.02 ? 30_000 : 400);
      const name = names[draw.integer(names.length)];
      const event = randomEvent(draw.uniform(), name, draw.uniform() < 0.02);
      const before = state;
      // Whoever changes it throws.
      freeze(before);
      const change = changeMembership(before, event, nowMs);
      state = change.state;
      const where = `seed ${seed}, event ${index}: ${JSON.stringify(event)}`;
      const types = change.commands.map(({ type }) => type);
      for (const type of types) reached.set(type, (reached.get(type) ?? 0) + 1);
      assert.equal(new Set(types).size, types.length, `${where}: ${types} twice`);
      if (event.type === "join") {
        assert.equal(types.filter((type) => /^(accept|refuse)$/.test(type)).length, 1, where);
      }
      if (isOver) assert.deepEqual(types.filter((type) => type !== "refuse"), [], where);
      isOver ||= types.some((type) => /^(finish|interrupt|fail)$/.test(type));
      assert.equal(state.phase === "ended", isOver, where);

      if (event.type === "finished" && before.active.includes(name)) {
        finishedWith.set(name, event.report.parametersSha256);
      }
      const opened = change.commands.find((command) => command.type === "start");
      if (opened) {
        finishedWith.clear();
        assert.equal(opened.generation, ++generation, where);
        assert.deepEqual(opened.members, state.active, where);
        assert.ok(opened.members.length >= workersMin, `${where}: too few`);
        assert.ok(opened.members.length <= workersMax, `${where}: too many`);
        assert.equal(new Set(opened.members).size, opened.members.length, where);
        assert.equal(types.includes("askStop"), state.stopRequested, where);
      }
      assert.equal(state.generation, generation, where);
      if (state.phase === "running") assert.ok(state.active.length >= workersMin, where);
      if (state.phase === "gathering") assert.deepEqual(state.active, [], where);
      if (!opened && state.phase === "running") assert.deepEqual(state.active, before.active);
      for (const id of state.phase === "running" ? state.active : []) {
        const member = state.members.find((each) => each.id === id);
        assert.ok(member?.ready, `${where}: ${id} is active and not ready`);
        assert.ok(!opened || !member.leaving, `${where}: ${id} begins and is leaving`);
      }
      if (types.includes("finish")) {
        const ends = before.active.map((id) => finishedWith.get(id));
        assert.deepEqual(new Set(ends), new Set([ends[0]]), `${where}: other weights`);
        assert.notEqual(ends[0], undefined, `${where}: somebody has not finished`);
      }
      // A restart is a loss of an active member; who leaves, comes or goes back is none.
      const isLoss = before.phase === "running" &&
        /^(lost|join|tick|stalled|accuse)$/.test(event.type) &&
        before.active.some((id) => state.members.every((each) => each.id !== id || !each.ready));
      restarts += isLoss ? 1 : 0;
      assert.equal(state.restarts, restarts, `${where}: restarts`);
    }
  }
  // The sequences did lead everywhere.
  for (
    const type of [
      "accept",
      "refuse",
      "start",
      "wait",
      "tell",
      "askStop",
      "finish",
      "fail",
      "interrupt",
    ]
  ) {
    assert.ok((reached.get(type) ?? 0) > 50, `${type}: ${reached.get(type)}`);
  }
});

function freeze(value: unknown): void {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return;
  Object.freeze(value);
  for (const part of Object.values(value)) freeze(part);
}

function randomEvent(kind: number, worker: string, isOdd: boolean): MembershipEvent {
  if (kind < 0.2) return join(worker, isOdd ? "elsewhere" : undefined);
  if (kind < 0.45) return ready(worker, isOdd ? { precision: "bfloat16" } : {});
  if (kind < 0.6) return beat(worker);
  if (kind < 0.64) return lost(worker);
  if (kind < 0.67) return leave(worker);
  if (kind < 0.75) return snapshot;
  if (kind < 0.76) return rollback;
  if (kind < 0.93) return finished(worker, isOdd ? "other" : "abc");
  if (kind < 0.933) return failed(worker, "no space left");
  if (kind < 0.94) return stop;
  if (kind < 0.942) return { type: "abandoned" };
  if (kind < 0.95) return accuse(worker, isOdd ? "w0" : "w1");
  if (kind < 0.96) return stalled(worker, isOdd ? "w0" : "w1");
  return tick;
}

const accuse = (worker: string, accused: string): MembershipEvent => ({
  type: "accuse",
  worker,
  accused,
});

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

const stalled = (worker: string, ...missing: string[]): MembershipEvent => ({
  type: "stalled",
  worker,
  missing,
  idle: [],
});

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
