/** A membership taken through a sequence of events, and tests that are tables of such sequences. */
import assert from "node:assert/strict";
import type { MembershipCommand } from "../../../coordinator/membership/commands.ts";
import type { MembershipEvent } from "../../../coordinator/membership/events.ts";
import { changeMembership } from "../../../coordinator/membership/membership.ts";
import {
  initialMembership,
  type MembershipLimits,
  type MembershipState,
  type Phase,
} from "../../../coordinator/membership/state.ts";
import { tick } from "./sample_events.ts";

export const limits: MembershipLimits = {
  startTimeoutMs: 60_000,
  silenceMsMax: 5_000,
  waitTimeoutMs: 30_000,
  workersMin: 1,
  workersMax: 4,
};

/** Later, a time when something happens, after ticks four times a second until then. */
export type Timed = MembershipEvent | readonly [nowMs: number, event: MembershipEvent];

export interface Given {
  readonly workers?: number;
  readonly limits?: Partial<MembershipLimits>;
  /** The newest generation of an earlier coordinator. */
  readonly generation?: number;
  /** How many took part in it. */
  readonly earlierMembers?: number;
}

/** One of two is too few to go on. */
export const few: Given = { limits: { workersMin: 2 } };

interface Played {
  readonly state: MembershipState;
  /** What the last event asked for. */
  readonly commands: readonly MembershipCommand[];
}

/** The state after `events`. */
export function play(
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

/** A test for each of `transitions`. */
export function testTransitions(when: string, transitions: readonly Transition[]): void {
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
