/**
 * Who takes part in a run, and what that means for it: a pure function of (state, event, now). The
 * coordinator feeds it what it hears and does what it answers; no clock, network or disk in here.
 *
 * A run gathers its workers, then runs in generations: a generation is a fixed set of active members
 * in the order of their ranks. When an active member is lost, the rest go on in a new generation from
 * the last snapshot; those who come later are taken in at the next snapshot, so that a joiner costs
 * no work. When too few are left, the run waits for others, up to a limit.
 */
import { type MembershipChange, refuse, same } from "./commands.ts";
import { accuse } from "./disputes.ts";
import { failed, finished, stop } from "./ending.ts";
import type { MembershipEvent } from "./events.ts";
import {
  excuseStandstill,
  hear,
  loseDeaf,
  loseSilent,
  silencesAfterSnapshot,
} from "./failure_detector.ts";
import { lose, rollBack } from "./generations.ts";
import { join, leave, ready, takeIn } from "./joining_and_leaving.ts";
import { endIfAbandoned, goOnOrGiveUp } from "./rendezvous.ts";
import { stalled } from "./stalls.ts";
import { type MembershipState, updateMember } from "./state.ts";

export function changeMembership(
  state: MembershipState,
  event: MembershipEvent,
  nowMs: number,
): MembershipChange {
  if (state.phase === "ended") {
    return event.type === "join" ? refuse(state, event.worker, "the run has ended") : same(state);
  }
  if ("worker" in event && event.type !== "join") {
    if (!state.members.some((member) => member.id === event.worker)) return same(state);
  }
  switch (event.type) {
    case "join":
      return join(state, event, nowMs);
    case "ready":
      return ready(state, event.worker, event.report, nowMs);
    case "heartbeat":
      return same(hear(state, event.worker, event.heardMs, nowMs));
    case "lost":
      return lose(state, [{ worker: event.worker, reason: event.reason }], nowMs);
    case "leave":
      return leave(state, event.worker, nowMs);
    case "snapshot":
      return takeIn({ ...state, silences: silencesAfterSnapshot(state) }, nowMs);
    case "stalled":
      return stalled(state, event, nowMs);
    case "accuse":
      return accuse(state, event.worker, event.accused, nowMs);
    case "rollback":
      return rollBack(state, event.sentence, nowMs);
    case "finished":
      if (!state.active.includes(event.worker)) return same(state);
      return finished(
        updateMember(state, event.worker, { finished: event.report, lastSeenMs: nowMs }),
      );
    case "failed":
      return failed(state, event.worker, event.message);
    case "stop":
      return stop(state);
    case "abandoned":
      return endIfAbandoned({ ...state, abandoned: true }, nowMs);
    case "tick":
      return tick(state, nowMs);
  }
}

function tick(before: MembershipState, nowMs: number): MembershipChange {
  const state = excuseStandstill(before, nowMs);
  const change = loseSilent(state, nowMs) ?? loseDeaf(state, nowMs);
  if (change) return change;
  return state.phase === "gathering" ? goOnOrGiveUp(state, nowMs) : same(state);
}
