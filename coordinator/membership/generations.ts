/**
 * Who makes up the next generation, and its start: after a loss, or to begin again at the last
 * snapshot.
 */
import { type MembershipChange, type MembershipCommand, same } from "./commands.ts";
import type { MembershipState } from "./state.ts";

/** Those who can be active, in the order of joining. */
export function candidates(state: MembershipState): string[] {
  return state.members.filter((member) => member.ready && !member.leaving)
    .map((member) => member.id).slice(0, state.limits.workersMax);
}

export function start(state: MembershipState): MembershipChange {
  const members = candidates(state);
  const generation = state.generation + 1;
  const commands: MembershipCommand[] = [{ type: "start", generation, members }];
  if (state.stopRequested) commands.push({ type: "askStop" });
  return {
    state: {
      ...state,
      phase: "running",
      begun: true,
      agreed: state.agreed ?? state.members.find(({ id }) => id === members[0])!.ready,
      generation,
      active: members,
      stalls: [],
      // Who had finished goes back to the snapshot with the others.
      members: state.members.map((member) => ({ ...member, finished: null })),
    },
    commands,
  };
}

export function lose(
  before: MembershipState,
  losses: readonly { worker: string; reason: string }[],
  nowMs: number,
): MembershipChange {
  const gone = new Set(losses.map(({ worker }) => worker));
  const state = {
    ...before,
    members: before.members.filter((member) => !gone.has(member.id)),
  };
  const sentence = losses.map(({ worker, reason }) => `Lost worker "${worker}": ${reason}`)
    .join("; ");
  if (!before.active.some((worker) => gone.has(worker))) {
    return { state, commands: before.begun ? [] : [{ type: "tell", sentence }] };
  }
  return regroup({ ...state, restarts: state.restarts + 1 }, sentence, nowMs);
}

/** Goes on with those who are there, or waits for more. */
export function regroup(state: MembershipState, sentence: string, nowMs: number): MembershipChange {
  const left = candidates(state).length;
  const { workersMin, waitTimeoutMs } = state.limits;
  if (left >= workersMin) {
    const change = start(state);
    const tell = { type: "tell", sentence: `${sentence}; going on with ${left}` } as const;
    return { state: change.state, commands: [tell, ...change.commands] };
  }
  const wait = `${sentence}; waiting up to ${waitTimeoutMs / 1000} s for ` +
    `${workersMin - left} more ${workersMin - left === 1 ? "worker" : "workers"}`;
  const gathering = { ...state, active: [], gatheringSinceMs: nowMs };
  return state.stopRequested
    ? { state: { ...gathering, phase: "ended" }, commands: [{ type: "interrupt" }] }
    : {
      state: { ...gathering, phase: "gathering" },
      commands: [{ type: "wait", sentence: wait }],
    };
}

export function rollBack(
  state: MembershipState,
  sentence: string,
  nowMs: number,
): MembershipChange {
  if (state.phase !== "running") return same(state);
  // Who leaves does not go back with the others, who may then be too few.
  if (candidates(state).length < state.limits.workersMin) return regroup(state, sentence, nowMs);
  const change = start(state);
  return { ...change, commands: [{ type: "tell", sentence }, ...change.commands] };
}
