/**
 * The phase of gathering: when a run that waits for its workers starts or goes on with those who are
 * there, and when it gives up.
 */
import { fail, type MembershipChange, same } from "./commands.ts";
import { candidates, start } from "./generations.ts";
import type { MembershipState } from "./state.ts";

/**
 * A coordinator that took over waits this long for all workers that the run was started with. Then
 * those who are there go on, if they are enough: the others may be gone as it was.
 */
const takeOverGraceMs = 10_000;
/**
 * Once a worker has come back, the others that lived through it come at the same moment, since all ask
 * several times a second. Who is later is a new process, or gone; it joins at the next snapshot.
 */
const comeBackGraceMs = 1_000;

/** Of a run that gathers: starts it where enough are ready, or all that an earlier life had. */
export function startIfEnough(state: MembershipState): MembershipChange {
  const wanted = state.begun ? state.limits.workersMin : state.workers;
  return candidates(state).length >= wanted || areAllBack(state) ? start(state) : same(state);
}

/** A process that had joined before: an earlier coordinator's, where this one has seen no other. */
export function isBack({ begun, members }: MembershipState, worker: string): boolean {
  return !begun && members.some(({ id, attempt }) => id === worker && attempt > 0);
}

/** As many as took part last, and enough. */
function areAllBack(state: MembershipState): boolean {
  const { earlier, limits: { workersMin } } = state;
  if (state.begun || earlier.members === 0) return false;
  const back = candidates(state).filter((worker) => isBack(state, worker)).length;
  return back >= Math.max(earlier.members, workersMin);
}

/** Everybody was asked to leave: that is to stop, and not to wait for somebody. */
export function endIfAbandoned(state: MembershipState, nowMs: number): MembershipChange {
  if (state.phase !== "gathering" || state.members.length > 0) return same(state);
  // Those who came from elsewhere live on, and find a coordinator that took over.
  const isNew = !state.begun && state.earlier.generation > 0;
  if (isNew && nowMs - state.gatheringSinceMs <= takeOverGraceMs) return same(state);
  return { state: { ...state, phase: "ended" }, commands: [{ type: "interrupt" }] };
}

/** Of a run that gathers: time has passed, and its patience may be over. */
export function goOnOrGiveUp(state: MembershipState, nowMs: number): MembershipChange {
  const { limits, members, workers } = state;
  if (state.abandoned && members.length === 0) return endIfAbandoned(state, nowMs);
  const waitedMs = nowMs - state.gatheringSinceMs;
  if (state.begun || state.earlier.generation > 0) {
    const left = candidates(state).length;
    const isPatient = state.cameBackMs === null || nowMs - state.cameBackMs <= comeBackGraceMs;
    if ((waitedMs > takeOverGraceMs || !isPatient) && left >= limits.workersMin) {
      const change = start(state);
      const sentence = `Going on with ${left} of ${workers} workers`;
      return { ...change, commands: [{ type: "tell", sentence }, ...change.commands] };
    }
    if (waitedMs <= limits.waitTimeoutMs) return same(state);
    return fail(
      state,
      `Gave up: ${left} of at least ${limits.workersMin} workers were there for ` +
        `${limits.waitTimeoutMs / 1000} s; start more workers and resume, or lower --min-workers`,
    );
  }
  if (waitedMs <= limits.startTimeoutMs) return same(state);
  const seconds = limits.startTimeoutMs / 1000;
  const late = members.filter((member) => !member.ready).map((member) => `"${member.id}"`);
  return fail(
    state,
    members.length < workers
      ? `Cannot start: ${members.length} of ${workers} workers joined within ${seconds} s; start ` +
        "the others, or lower --workers"
      : `Cannot start: worker ${late.join(", ")} was not ready within ${seconds} s`,
  );
}
