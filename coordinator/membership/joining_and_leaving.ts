/**
 * Who comes and who goes on purpose, and how a snapshot takes in the one and lets go the other. A
 * worker joins by its name, and takes part once it is ready and found to be like the others.
 */
import { nameIsTaken } from "../../net/messages.ts";
import { fail, type MembershipChange, refuse, same } from "./commands.ts";
import type { MembershipEvent } from "./events.ts";
import { patienceMs } from "./failure_detector.ts";
import { candidates, lose, regroup } from "./generations.ts";
import { isBack, startIfEnough } from "./rendezvous.ts";
import { type Member, type MembershipState, type ReadyReport, updateMember } from "./state.ts";

export function join(
  state: MembershipState,
  { worker, where, attempt = 0 }: Extract<MembershipEvent, { type: "join" }>,
  nowMs: number,
): MembershipChange {
  const twin = state.members.find((member) => member.id === worker);
  if (twin && twin.where !== where && !isSilent(state, twin, nowMs)) {
    return refuse(state, worker, nameIsTaken(worker, twin.where));
  }
  // The worker has joined again since.
  if (twin && twin.where === where && attempt < twin.attempt) return same(state);
  // The same process again, which had lost its connection, and with it its part of the generation; or
  // the next one of that name.
  const reason = twin?.where === where
    ? "lost its connection and came back"
    : `it is silent, and ${where} has come under its name`;
  const before = twin ? lose(state, [{ worker, reason }], nowMs) : same(state);
  const member: Member = {
    id: worker,
    where,
    attempt,
    lastSeenMs: nowMs,
    lastHeardMs: nowMs,
    ready: null,
    finished: null,
    leaving: false,
  };
  return {
    state: { ...before.state, members: [...before.state.members, member] },
    commands: [...before.commands, { type: "accept", worker }],
  };
}

/**
 * However long a process may be busy: of two of one name that are alive, a busy one may lose it, and
 * says so, which is better than that nobody takes the place of one that has died.
 */
const namesakeSilenceMsMax = 5_000;

/** Whether whoever holds a name gives no sign of life, so that another process may have it. */
function isSilent(state: MembershipState, { lastSeenMs, where }: Member, nowMs: number): boolean {
  return nowMs - lastSeenMs > Math.min(namesakeSilenceMsMax, patienceMs(state, where));
}

export function ready(
  before: MembershipState,
  worker: string,
  report: ReadyReport,
  nowMs: number,
): MembershipChange {
  // Once is enough; what it runs on cannot change without a new process.
  if (before.active.includes(worker)) {
    return same(updateMember(before, worker, { lastSeenMs: nowMs }));
  }
  const first = before.members.find((member) => member.ready && member.id !== worker);
  const agreed = before.agreed ?? first?.ready ?? report;
  for (const field of agreedFields) {
    const [found, wanted] = [report[field], agreed[field]];
    if (found === wanted) continue;
    const others = first ? `${named(before, first.id)} has` : "the run began with";
    const message = `${named(before, worker)} has ${fieldNames[field]} ${found ?? "none"}, ` +
      `${others} ${wanted ?? "none"}; equal weights on every worker need them equal`;
    // A newcomer that does not fit must not end a run that is well.
    if (before.begun) {
      return {
        state: { ...before, members: before.members.filter((member) => member.id !== worker) },
        commands: [{ type: "refuse", worker, reason: message }],
      };
    }
    return fail(before, `Cannot start: ${message}`);
  }
  const state = {
    ...updateMember(before, worker, { ready: report, lastSeenMs: nowMs, lastHeardMs: nowMs }),
    cameBackMs: before.cameBackMs ?? (isBack(before, worker) ? nowMs : null),
  };
  return state.phase === "gathering" ? startIfEnough(state) : same(state);
}

/** With host and process, where another copy of the data or another library may lie. */
function named({ members }: MembershipState, worker: string): string {
  const where = members.find(({ id }) => id === worker)?.where;
  return `worker "${worker}"${where === undefined ? "" : ` (${where})`}`;
}

const fieldNames = {
  engine: "engine",
  engineVersion: "engine version",
  precision: "precision",
  modelSource: "source of the model's module",
  parameterCount: "parameter count",
  // Before the fingerprint, which other data change too.
  data: "data of",
  fingerprint: "model and data fingerprint",
} as const;
const agreedFields = Object.keys(fieldNames) as (keyof typeof fieldNames)[];

export function leave(state: MembershipState, worker: string, nowMs: number): MembershipChange {
  const leaving = updateMember(state, worker, { leaving: true });
  if (state.active.includes(worker)) return same(leaving);
  return lose(leaving, [{ worker, reason: "it left" }], nowMs);
}

/** Opens a generation with those who wait and without those who leave, if there are any. */
export function takeIn(state: MembershipState, nowMs: number): MembershipChange {
  // A run that is to stop ends with those who are there.
  if (state.phase !== "running" || state.stopRequested) return same(state);
  const wanted = candidates(state);
  const changes = wanted.length !== state.active.length ||
    wanted.some((worker) => !state.active.includes(worker));
  if (!changes) return same(state);
  const leavers = state.members.filter((member) => member.leaving).map(({ id }) => id);
  const rest = { ...state, members: state.members.filter((member) => !member.leaving) };
  const joined = wanted.filter((worker) => !state.active.includes(worker));
  const sentence = [
    ...joined.map((worker) => `Worker "${worker}" joined`),
    ...leavers.map((worker) => `Worker "${worker}" left`),
  ].join("; ");
  return regroup(rest, sentence, nowMs);
}
