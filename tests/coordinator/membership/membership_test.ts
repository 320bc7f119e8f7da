import assert from "node:assert/strict";
import type { MembershipEvent } from "../../../coordinator/membership/events.ts";
import { changeMembership } from "../../../coordinator/membership/membership.ts";
import { initialMembership } from "../../../coordinator/membership/state.ts";
import { random } from "../../../net/random.ts";
import { limits, testTransitions } from "./play_events.ts";
import {
  accuse,
  beat,
  ended,
  failed,
  finished,
  join,
  joined,
  leave,
  lost,
  ready,
  refused,
  rollback,
  running,
  snapshot,
  stalled,
  stop,
  tick,
} from "./sample_events.ts";

testTransitions("gathering", [
  {
    name: "a worker that never joined says it is ready",
    before: [...joined, ready("a")],
    event: ready("c"),
    phase: "gathering",
    commands: [],
  },
]);

testTransitions("while running", [
  {
    name: "a worker that never joined beats, finishes, leaves and fails",
    before: [...running, beat("c"), finished("c"), leave("c")],
    event: failed("c", "no disk"),
    phase: "running",
    commands: [],
    active: ["a", "b"],
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
]);

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
