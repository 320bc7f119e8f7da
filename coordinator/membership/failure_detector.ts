/**
 * Who is taken for dead, by signs of life: who is silent, or speaks and does not hear, for longer
 * than its process may be busy.
 */
import type { MembershipChange } from "./commands.ts";
import { lose } from "./generations.ts";
import { type Member, type MembershipState, type Silence, updateMember } from "./state.ts";

/**
 * Where more time than this lies between two ticks, it was the coordinator that stood still: what
 * its workers said meanwhile has come and not been heard, so that time counts as nobody's silence.
 */
const tickGapMsMax = 500;
/**
 * What a worker has heard is known from its next sign of life, and the coordinator itself speaks four
 * times a second: it may be as much older than the worker's silence.
 */
const deafnessGraceMs = 750;
/**
 * More than any process is busy at a stretch, also where the engine computes on the event loop; the
 * broker cuts nobody off before that (`launch/nats_server.ts`).
 */
export const patienceMsMax = 600_000;
const silencesMax = 256;

export function hear(
  state: MembershipState,
  worker: string,
  heardMs: number,
  nowMs: number,
): MembershipState {
  const { lastHeardMs } = state.members.find(({ id }) => id === worker)!;
  return updateMember(state, worker, {
    lastSeenMs: nowMs,
    lastHeardMs: Math.max(lastHeardMs, Math.min(nowMs, heardMs)),
  });
}

/** Moves all signs of life on by the time for which the coordinator itself stood still. */
export function excuseStandstill(before: MembershipState, nowMs: number): MembershipState {
  const stoodStillMs = Math.max(0, nowMs - before.tickedMs - tickGapMsMax);
  return {
    ...before,
    tickedMs: nowMs,
    members: stoodStillMs === 0 ? before.members : before.members.map((member) => ({
      ...member,
      lastSeenMs: Math.min(nowMs, member.lastSeenMs + stoodStillMs),
      lastHeardMs: Math.min(nowMs, member.lastHeardMs + stoodStillMs),
    })),
  };
}

/** Gives up who is silent; undefined where nobody is. */
export function loseSilent(state: MembershipState, nowMs: number): MembershipChange | undefined {
  // Who opens its data gives no sign of life yet; a run that has not begun waits for it anyway.
  const silent = state.members.filter((member) =>
    member.ready
      ? nowMs - member.lastSeenMs > patienceMs(state, member.where)
      : state.begun && nowMs - member.lastSeenMs > state.limits.startTimeoutMs
  );
  if (silent.length === 0) return undefined;
  return lose(...giveUpSilent(state, silent, nowMs), nowMs);
}

/** Gives up who speaks and does not hear; undefined where nobody is like that. */
export function loseDeaf(state: MembershipState, nowMs: number): MembershipChange | undefined {
  const deaf = findDeaf(state, nowMs);
  if (deaf.length === 0) return undefined;
  const losses = deaf.map(({ id, where, lastHeardMs }) => ({
    worker: id,
    reason: `${where} has heard nothing for ${((nowMs - lastHeardMs) / 1000).toFixed(1)} s`,
  }));
  return lose(state, losses, nowMs);
}

/** Who took part in it comes on with what it has: its next silence is one by itself. */
export function silencesAfterSnapshot({ silences, members, active }: MembershipState): Silence[] {
  const took = new Set(members.filter(({ id }) => active.includes(id)).map(({ where }) => where));
  return silences.map((each) => took.has(each.where) ? { ...each, times: 0 } : each)
    .filter(({ times, doublings }) => times > 0 || doublings > 0);
}

/**
 * How long this process may be silent. One that comes back each time was only busy, and given up at the
 * same point of every generation it would never come to a snapshot: from the second time on it may be
 * silent for twice as long as the time before, and keeps that, because it will be as busy again.
 */
export function patienceMs({ silences, limits }: MembershipState, where: string): number {
  const doublings = silences.find((each) => each.where === where)?.doublings ?? 0;
  const ms = limits.silenceMsMax * 2 ** doublings;
  return Math.max(limits.silenceMsMax, Math.min(ms, patienceMsMax));
}

function withSilence(silences: readonly Silence[], where: string): Silence[] {
  const { times, doublings } = silences.find((each) => each.where === where) ??
    { times: 0, doublings: 0 };
  const silence = { where, times: times + 1, doublings: doublings + (times > 0 ? 1 : 0) };
  return [...silences.filter((each) => each.where !== where), silence].slice(-silencesMax);
}

function giveUpSilent(
  before: MembershipState,
  silent: readonly Member[],
  nowMs: number,
): [MembershipState, { worker: string; reason: string }[]] {
  const silences = silent.reduce(
    (silences: readonly Silence[], { where }) => withSilence(silences, where),
    before.silences,
  );
  const state = { ...before, silences };
  const losses = silent.map(({ id, where, lastSeenMs }) => {
    const words = `${where} was not heard of for ${((nowMs - lastSeenMs) / 1000).toFixed(1)} s`;
    const next = patienceMs(state, where);
    const isAgain = before.silences.some((each) => each.where === where && each.times > 0);
    const more = `, again since its last snapshot, so ${next / 1000} s are allowed from now on`;
    return { worker: id, reason: isAgain ? `${words}${more}` : words };
  });
  return [state, losses];
}

/**
 * Those who give signs of life and hear none. Where nobody hears, it is the coordinator's own way to the
 * broker that is cut, which it finds out by itself.
 */
function findDeaf(state: MembershipState, nowMs: number): readonly Member[] {
  const listening = state.members.filter(({ ready }) => ready);
  const deaf = listening.filter(({ lastHeardMs, where }) =>
    nowMs - lastHeardMs > patienceMs(state, where) + deafnessGraceMs
  );
  return deaf.length < listening.length ? deaf : [];
}
