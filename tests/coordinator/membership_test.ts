import assert from "node:assert/strict";
import {
  changeMembership,
  initialMembership,
  type MembershipCommand,
  type MembershipEvent,
  type MembershipState,
  type Phase,
  type ReadyReport,
} from "../../coordinator/membership.ts";
import { random } from "../../net/random.ts";

const limits = { startTimeoutMs: 60_000, silenceMsMax: 5_000 };

const report: ReadyReport = {
  engine: "tensorflow",
  engineVersion: "TensorFlow 2.21.0",
  device: "CPU",
  precision: "float32",
  threads: 1,
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
const beat = (worker: string): MembershipEvent => ({ type: "heartbeat", worker });
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
const stop: MembershipEvent = { type: "stop" };
const tick: MembershipEvent = { type: "tick" };

type Timed = MembershipEvent | readonly [nowMs: number, event: MembershipEvent];

/** The state after `events`, and what the last of them asked for. */
function play(
  workers: number,
  events: readonly Timed[],
): { state: MembershipState; commands: readonly MembershipCommand[] } {
  let state = initialMembership(workers, limits, 0);
  let commands: readonly MembershipCommand[] = [];
  let nowMs = 0;
  for (const timed of events) {
    const event = "type" in timed ? timed : timed[1];
    if (!("type" in timed)) nowMs = timed[0];
    ({ state, commands } = changeMembership(state, event, nowMs));
  }
  return { state, commands };
}

const joining = [join("a")];
const preparing = [join("a"), join("b")];
const running = [...preparing, ready("a"), ready("b")];
const ended = [...running, finished("a"), finished("b")];
const failure = (message: string): MembershipCommand => ({ type: "fail", message });
const done: MembershipCommand = {
  type: "finish",
  report: { reason: "done", step: 12, parametersSha256: "abc" },
};
const refused = (worker: string, reason: string): MembershipCommand => ({
  type: "refuse",
  worker,
  reason,
});

/** Runs of two workers: what went before, what happens, and what that leads to. */
const transitions: readonly {
  readonly name: string;
  readonly before: readonly Timed[];
  readonly event: Timed;
  readonly phase: Phase;
  readonly commands: readonly MembershipCommand[];
}[] = [
  {
    name: "the first of two joins",
    before: [],
    event: join("a"),
    phase: "joining",
    commands: [{ type: "accept", worker: "a" }],
  },
  {
    name: "the last one joins",
    before: joining,
    event: join("b"),
    phase: "preparing",
    commands: [{ type: "accept", worker: "b" }],
  },
  {
    name: "a twin joins",
    before: joining,
    event: join("a", "elsewhere"),
    phase: "joining",
    commands: [
      refused("a", 'a worker named "a" has already joined from host of a; give another --name'),
    ],
  },
  {
    name: "a twin joins a running run",
    before: running,
    event: join("a"),
    phase: "running",
    commands: [
      refused("a", 'a worker named "a" has already joined from host of a; give another --name'),
    ],
  },
  {
    name: "one too many joins",
    before: preparing,
    event: join("c"),
    phase: "preparing",
    commands: [refused("c", "the run already has its 2 workers")],
  },
  {
    name: "somebody joins a running run",
    before: running,
    event: join("c"),
    phase: "running",
    commands: [refused("c", "the run already has its 2 workers")],
  },
  {
    name: "somebody joins when it is over",
    before: ended,
    event: join("c"),
    phase: "ended",
    commands: [refused("c", "the run has ended")],
  },
  {
    name: "a worker is ready before the others have joined",
    before: joining,
    event: ready("a"),
    phase: "joining",
    commands: [],
  },
  {
    name: "the last one joins after the first was ready, and waits to be ready itself",
    before: [join("a"), ready("a")],
    event: join("b"),
    phase: "preparing",
    commands: [{ type: "accept", worker: "b" }],
  },
  {
    name: "the first of two is ready",
    before: preparing,
    event: ready("b"),
    phase: "preparing",
    commands: [],
  },
  {
    name: "the last one is ready; ranks are in the order of joining",
    before: [...preparing, ready("b")],
    event: ready("a"),
    phase: "running",
    commands: [{ type: "start", members: ["a", "b"] }],
  },
  {
    name: "devices may differ in name",
    before: [...preparing, ready("b", { device: "GPU 0" })],
    event: ready("a", { device: "GPU 1" }),
    phase: "running",
    commands: [{ type: "start", members: ["a", "b"] }],
  },
  {
    name: "a worker is ready again",
    before: running,
    event: ready("a"),
    phase: "running",
    commands: [],
  },
  {
    name: "a worker that never joined says it is ready",
    before: [...preparing, ready("a")],
    event: ready("c"),
    phase: "preparing",
    commands: [],
  },
  {
    name: "a worker that never joined beats, finishes and fails",
    before: [...running, beat("c"), finished("c")],
    event: failed("c", "no disk"),
    phase: "running",
    commands: [],
  },
  {
    name: "a worker says it has finished what has not begun",
    before: [...preparing, ready("a"), finished("a")],
    event: finished("b"),
    phase: "preparing",
    commands: [],
  },
  {
    name: "the only one that joined says it has finished",
    before: joining,
    event: finished("a"),
    phase: "joining",
    commands: [],
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
    name: "workers end with other weights",
    before: [...running, finished("b", "abd")],
    event: finished("a", "abc"),
    phase: "ended",
    commands: [
      failure(
        'Workers disagree after step 12: parameters of "a" have SHA-256 abc, those of "b" abd; ' +
          "check that all run on the same kind of device",
      ),
    ],
  },
  ...[joining, preparing, running, [...running, stop], [...running, finished("b")]].map(
    (before, index) => ({
      name: `a worker fails, ${index}`,
      before,
      event: failed("a", "no space left"),
      phase: "ended" as const,
      commands: [failure('Worker "a" failed: no space left')],
    }),
  ),
  {
    name: "a stop is asked for while it runs",
    before: running,
    event: stop,
    phase: "running",
    commands: [{ type: "askStop" }],
  },
  {
    name: "a stop is asked for twice",
    before: [...running, stop],
    event: stop,
    phase: "running",
    commands: [],
  },
  ...[[], joining, preparing].map((before, index) => ({
    name: `a stop is asked for before the start, ${index}`,
    before,
    event: stop,
    phase: "ended" as const,
    commands: [failure("Interrupted before the first step")],
  })),
  {
    name: "time passes while workers join, up to the limit",
    before: joining,
    event: [60_000, tick],
    phase: "joining",
    commands: [],
  },
  {
    name: "workers do not join in time",
    before: joining,
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
    before: preparing,
    event: [60_001, tick],
    phase: "ended",
    commands: [failure('Cannot start: worker "a", "b" was not ready within 60 s')],
  },
  {
    name: "one worker is not ready in time",
    before: [...preparing, ready("a")],
    event: [60_001, tick],
    phase: "ended",
    commands: [failure('Cannot start: worker "b" was not ready within 60 s')],
  },
  {
    name: "the limit for starting does not hold for what runs",
    before: [...running, [100_000, beat("a")], beat("b")],
    event: [100_001, tick],
    phase: "running",
    commands: [],
  },
  {
    name: "a worker is silent, up to the limit",
    before: [...running, [9_000, beat("a")]],
    event: [5_000, tick],
    phase: "running",
    commands: [],
  },
  {
    name: "a worker falls silent",
    before: [...running, [4_000, beat("a")]],
    event: [5_001, tick],
    phase: "ended",
    commands: [failure('Lost worker "b" (host of b): not heard of for 5.0 s')],
  },
  {
    name: "a worker that has finished may be silent",
    before: [...running, finished("b"), [9_000, beat("a")]],
    event: [9_001, tick],
    phase: "running",
    commands: [],
  },
  ...[beat("a"), ready("a"), finished("a", "other"), failed("a", "late"), stop, tick].map(
    (event) => ({
      name: `what comes when it is over changes nothing: ${event.type}`,
      before: ended,
      event,
      phase: "ended" as const,
      commands: [],
    }),
  ),
];

for (const { name, before, event, phase, commands } of transitions) {
  Deno.test(`changeMembership: ${name}`, () => {
    const result = play(2, [...before, event]);
    assert.deepEqual(result.commands, commands);
    assert.equal(result.state.phase, phase);
  });
}

Deno.test("changeMembership ends the run when workers are not alike, and says in what", () => {
  const differences: [Partial<ReadyReport>, string][] = [
    [{ engine: "wasm" }, "engine wasm, worker"],
    [{ engineVersion: "TensorFlow 2.20.0" }, "engine version TensorFlow 2.20.0, worker"],
    [{ precision: "bfloat16" }, "precision bfloat16, worker"],
    [{ threads: 2 }, "threads 2, worker"],
    [{ parameterCount: 101 }, "parameter count 101, worker"],
    [{ fingerprint: "beef" }, "model and data fingerprint beef, worker"],
  ];
  for (const [difference, words] of differences) {
    const { state, commands } = play(2, [...preparing, ready("a"), ready("b", difference)]);
    assert.equal(state.phase, "ended");
    const [command] = commands;
    assert.ok(command.type === "fail");
    assert.ok(command.message.startsWith(`Cannot start: worker "b" has ${words} "a" has `));
    assert.ok(command.message.endsWith("; equal weights on every worker need them equal"));
  }
  // Every pair is compared, also where the first one to be ready changes its mind.
  const three = [join("a"), join("b"), join("c"), ready("a"), ready("b")];
  const changed = play(3, [...three, ready("a", { threads: 2 })]);
  assert.equal(changed.commands[0].type, "fail");
});

Deno.test("changeMembership: a run of one worker needs nobody else", () => {
  const { commands } = play(1, [join("a"), ready("a")]);
  assert.deepEqual(commands, [{ type: "start", members: ["a"] }]);
  assert.deepEqual(play(1, [join("a"), ready("a"), finished("a")]).commands, [done]);
});

Deno.test("changeMembership keeps its promises through any sequence of events", () => {
  const reached = new Map<string, number>();
  for (let seed = 0; seed < 3000; seed++) {
    const draw = random("membership test", seed);
    const workers = 1 + draw.integer(4);
    const names = Array.from({ length: workers + 1 }, (_, index) => `w${index}`);
    let state = initialMembership(workers, limits, 0);
    let nowMs = 0;
    const seen: MembershipCommand["type"][] = [];
    const members = new Set<string>();
    const readyNames = new Set<string>();
    const finishedNames = new Set<string>();
    for (let index = 0; index < 60; index++) {
      nowMs += draw.integer(draw.uniform() < 0.02 ? 30_000 : 400);
      const name = names[draw.integer(names.length)];
      const event = randomEvent(draw.uniform(), name, draw.uniform() < 0.01);
      const before = structuredClone(state);
      const change = changeMembership(state, event, nowMs);
      assert.deepEqual(state, before, `seed ${seed}: the old state has changed`);
      const where = `seed ${seed}, event ${index}: ${JSON.stringify(event)}`;
      if (event.type === "join") {
        const [answer, ...others] = change.commands;
        assert.ok(answer?.type === "accept" || answer?.type === "refuse", `${where}: no answer`);
        assert.equal(answer.worker, name, where);
        assert.equal(others.length, 0, where);
        if (answer.type === "accept") members.add(name);
      }
      if (event.type === "ready" && members.has(name)) readyNames.add(name);
      if (event.type === "finished" && before.phase === "running") finishedNames.add(name);
      for (const command of change.commands) {
        reached.set(command.type, (reached.get(command.type) ?? 0) + 1);
        if (command.type === "accept" || command.type === "refuse") continue;
        assert.ok(!seen.includes(command.type), `${where}: ${command.type} twice`);
        assert.ok(!seen.includes("finish") && !seen.includes("fail"), `${where}: after the end`);
        seen.push(command.type);
        if (command.type === "start") {
          assert.equal(command.members.length, workers, where);
          assert.ok(command.members.every((member) => readyNames.has(member)), where);
        }
        if (command.type === "askStop") assert.ok(seen.includes("start"), where);
        if (command.type === "finish") {
          assert.ok(seen.includes("start"), where);
          assert.ok([...members].every((member) => finishedNames.has(member)), where);
        }
      }
      assert.ok(change.state.members.length <= workers, where);
      assert.equal(members.size, change.state.members.length, where);
      const order: Phase[] = ["joining", "preparing", "running", "ended"];
      assert.ok(order.indexOf(change.state.phase) >= order.indexOf(before.phase), where);
      state = change.state;
    }
  }
  // The sequences did lead everywhere.
  for (const type of ["accept", "refuse", "start", "askStop", "finish", "fail"]) {
    assert.ok((reached.get(type) ?? 0) > 50, `${type}: ${reached.get(type)}`);
  }
});

function randomEvent(kind: number, worker: string, isOdd: boolean): MembershipEvent {
  if (kind < 0.3) return join(worker);
  if (kind < 0.6) return ready(worker, isOdd ? { threads: 2 } : {});
  if (kind < 0.75) return beat(worker);
  if (kind < 0.93) return finished(worker, isOdd ? "other" : "abc");
  if (kind < 0.935) return failed(worker, "no space left");
  if (kind < 0.945) return stop;
  return tick;
}
