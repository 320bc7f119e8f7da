/**
 * Who takes part in a run, and what that means for it: a pure function of (state, event, now). The
 * coordinator feeds it what it hears and does what it answers; no clock, network or disk in here.
 *
 * A run gathers its workers, then runs in generations: a generation is a fixed set of active members
 * in the order of their ranks. When an active member is lost, the rest go on in a new generation from
 * the last snapshot; those who come later are taken in at the next snapshot, so that a joiner costs
 * no work. When too few are left, the run waits for others, up to a limit.
 */
import { nameIsTaken } from "../net/messages.ts";

export interface MembershipLimits {
  /** How long the run waits for its first workers to join and to be ready. */
  readonly startTimeoutMs: number;
  /** A ready worker that is silent for this long counts as dead. */
  readonly silenceMsMax: number;
  /** How long a run that has lost workers waits for enough of them. */
  readonly waitTimeoutMs: number;
  /** Fewer active workers than this do not go on. */
  readonly workersMin: number;
  /** More have nothing to own; they stand by. */
  readonly workersMax: number;
}

/** What a worker says when it is ready; all but the device must agree across workers. */
export interface ReadyReport {
  readonly engine: string;
  readonly engineVersion: string;
  readonly device: string;
  readonly precision: string;
  /** Parameters of the model, and SHA-256 of its first weights and of the dataset's catalogue. */
  readonly parameterCount: number;
  readonly fingerprint: string;
  /** SHA-256 of the source of a model that is not built in. */
  readonly modelSource?: string;
}

/** How a worker ended: all planned steps done, or stopped on request after a checkpoint. */
export interface FinishReport {
  readonly reason: "done" | "stopped";
  readonly step: number;
  readonly parametersSha256: string;
}

export interface Member {
  readonly id: string;
  /** Host and process: tells a worker that comes back from another one of the same name. */
  readonly where: string;
  /** Counts the connections of that process: an earlier one's join may come late. */
  readonly attempt: number;
  readonly lastSeenMs: number;
  /** When what it heard last was said: it may speak and not hear. */
  readonly lastHeardMs: number;
  readonly ready: ReadyReport | null;
  readonly finished: FinishReport | null;
  /** Asked to leave; it ends with the generation. */
  readonly leaving: boolean;
}

export interface Stall {
  readonly worker: string;
  /** Of whom nothing comes. */
  readonly missing: readonly string[];
  /** When it was said, and since when it has been said again and again. */
  readonly atMs: number;
  readonly sinceMs: number;
}

/** A process that was given up for its silence, and may only have been busy. */
export interface Silence {
  readonly where: string;
  /** How often since the last snapshot that it took part in. */
  readonly times: number;
  /** How often what it may be silent for was doubled, for as long as it lives. */
  readonly doublings: number;
}

/** Two of whom one is not sound, and nothing tells which. */
export interface Dispute {
  readonly accuser: string;
  readonly accused: string;
}

/** What the journal tells of the coordinators before. */
export interface EarlierLife {
  /** The newest generation that this run has ever had; 0 for a new run. */
  readonly generation: number;
  /** How many took part in it. */
  readonly members: number;
  readonly restarts: number;
}

/** `gathering`: waiting for enough workers, at first or after losses. */
export type Phase = "gathering" | "running" | "ended";

export interface MembershipState {
  readonly phase: Phase;
  /** Workers that the run starts with. */
  readonly workers: number;
  readonly limits: MembershipLimits;
  /** When the gathering began. */
  readonly gatheringSinceMs: number;
  /** Number of the newest generation. */
  readonly generation: number;
  /** The generation's members in the order of their ranks; empty while gathering. */
  readonly active: readonly string[];
  /** Everybody who has joined and not been lost, in the order of joining. */
  readonly members: readonly Member[];
  /** Generations that were opened because a member was lost, under earlier coordinators too. */
  readonly restarts: number;
  /** Whether the run has begun, in this life of the coordinator. */
  readonly begun: boolean;
  /** How it stood in an earlier one; generation 0 where there was none. */
  readonly earlier: EarlierLife;
  /** When the first worker of that one was ready again; null if none is. */
  readonly cameBackMs: number | null;
  /** What all members are alike in, from the first start on. */
  readonly agreed: ReadyReport | null;
  /** What active members say of a sum that does not move, the newest of each. */
  readonly stalls: readonly Stall[];
  /** The newest last. */
  readonly disputes: readonly Dispute[];
  /** One for each process, the newest last. */
  readonly silences: readonly Silence[];
  /** When silence was looked for last. */
  readonly tickedMs: number;
  readonly stopRequested: boolean;
  /** Without members nobody will come. */
  readonly abandoned: boolean;
}

export type MembershipEvent =
  | {
    readonly type: "join";
    readonly worker: string;
    readonly where: string;
    /** Counts the connections of that process. */
    readonly attempt?: number;
  }
  | { readonly type: "ready"; readonly worker: string; readonly report: ReadyReport }
  /** With the time of what the worker heard last. */
  | { readonly type: "heartbeat"; readonly worker: string; readonly heardMs: number }
  /** Somebody knows that the worker is gone, e.g. who started its process. */
  | { readonly type: "lost"; readonly worker: string; readonly reason: string }
  | { readonly type: "leave"; readonly worker: string }
  /** A snapshot is complete: who waits can be taken in without losing a step. */
  | { readonly type: "snapshot" }
  /** It has done its part of a step, and nothing comes of these others. */
  | {
    readonly type: "stalled";
    readonly worker: string;
    readonly missing: readonly string[];
    /** Those who wait for all members, but not within a sum. */
    readonly idle: readonly string[];
  }
  /** Too much has come to it of the other one that no sound worker sends. */
  | { readonly type: "accuse"; readonly worker: string; readonly accused: string }
  /** A step was not finite: the same members begin again at the last snapshot. */
  | { readonly type: "rollback"; readonly sentence: string }
  | { readonly type: "finished"; readonly worker: string; readonly report: FinishReport }
  | { readonly type: "failed"; readonly worker: string; readonly message: string }
  | { readonly type: "stop" }
  /** Who started the workers has none left, and starts no other. */
  | { readonly type: "abandoned" }
  | { readonly type: "tick" };

export type MembershipCommand =
  /** Answer a join. */
  | { readonly type: "accept"; readonly worker: string }
  | { readonly type: "refuse"; readonly worker: string; readonly reason: string }
  /** It is to be heard no more. */
  | { readonly type: "exclude"; readonly worker: string; readonly reason: string }
  /** Open a generation: its members begin at the last snapshot, all others stand by. */
  | { readonly type: "start"; readonly generation: number; readonly members: readonly string[] }
  /** Too few are left: those who are wait. */
  | { readonly type: "wait"; readonly sentence: string }
  /** Something for a person to read. */
  | { readonly type: "tell"; readonly sentence: string }
  /** Ask the members to end at the same step, with a checkpoint. */
  | { readonly type: "askStop" }
  /** The run is over: at a common step, or where it stands because nobody is there to go on. */
  | { readonly type: "finish"; readonly report: FinishReport }
  | { readonly type: "interrupt" }
  | { readonly type: "fail"; readonly message: string };

export interface MembershipChange {
  readonly state: MembershipState;
  readonly commands: readonly MembershipCommand[];
}

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
 * Members that are stalled say so every second. What is older no longer holds; and it must have been said
 * twice, because what waited in a broker that stood still comes all at once.
 */
const stallAgeMsMax = 2_500;
const stallMsMin = 500;
/**
 * More than any process is busy at a stretch, also where the engine computes on the event loop; the
 * broker cuts nobody off before that (`launch/nats_server.ts`).
 */
export const patienceMsMax = 600_000;
const silencesMax = 256;
/** Each has cost a worker its place; of more than that, the first are forgotten. */
const disputesMax = 1024;

export function initialMembership(
  workers: number,
  limits: MembershipLimits,
  earlier: EarlierLife,
  nowMs: number,
): MembershipState {
  return {
    phase: "gathering",
    workers,
    limits,
    gatheringSinceMs: nowMs,
    generation: earlier.generation,
    active: [],
    members: [],
    restarts: earlier.restarts,
    begun: false,
    earlier,
    cameBackMs: null,
    agreed: null,
    stalls: [],
    disputes: [],
    silences: [],
    tickedMs: nowMs,
    stopRequested: false,
    abandoned: false,
  };
}

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
      return finished(update(state, event.worker, { finished: event.report, lastSeenMs: nowMs }));
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

function join(
  state: MembershipState,
  { worker, where, attempt = 0 }: Extract<MembershipEvent, { type: "join" }>,
  nowMs: number,
): MembershipChange {
  const twin = state.members.find((member) => member.id === worker);
  if (twin && twin.where !== where) {
    return refuse(state, worker, nameIsTaken(worker, twin.where));
  }
  // The worker has joined again since.
  if (twin && attempt < twin.attempt) return same(state);
  // The same process again: it had lost its connection, and with it its part of the generation.
  const before = twin
    ? lose(state, [{ worker, reason: "lost its connection and came back" }], nowMs)
    : same(state);
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

function ready(
  before: MembershipState,
  worker: string,
  report: ReadyReport,
  nowMs: number,
): MembershipChange {
  // Once is enough; what it runs on cannot change without a new process.
  if (before.active.includes(worker)) return same(update(before, worker, { lastSeenMs: nowMs }));
  const first = before.members.find((member) => member.ready && member.id !== worker);
  const agreed = before.agreed ?? first?.ready ?? report;
  for (const field of agreedFields) {
    const [found, wanted] = [report[field], agreed[field]];
    if (found === wanted) continue;
    const others = first ? `worker "${first.id}" has` : "the run began with";
    const message = `worker "${worker}" has ${fieldNames[field]} ${found}, ${others} ` +
      `${wanted}; equal weights on every worker need them equal`;
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
    ...update(before, worker, { ready: report, lastSeenMs: nowMs, lastHeardMs: nowMs }),
    cameBackMs: before.cameBackMs ?? (isBack(before, worker) ? nowMs : null),
  };
  if (state.phase !== "gathering") return same(state);
  const wanted = state.begun ? state.limits.workersMin : state.workers;
  return candidates(state).length >= wanted || areAllBack(state) ? start(state) : same(state);
}

/** A process that had joined before: an earlier coordinator's, where this one has seen no other. */
function isBack({ begun, members }: MembershipState, worker: string): boolean {
  return !begun && members.some(({ id, attempt }) => id === worker && attempt > 0);
}

/** As many as took part last, and enough. */
function areAllBack(state: MembershipState): boolean {
  const { earlier, limits: { workersMin } } = state;
  if (state.begun || earlier.members === 0) return false;
  const back = candidates(state).filter((worker) => isBack(state, worker)).length;
  return back >= Math.max(earlier.members, workersMin);
}

const fieldNames = {
  engine: "engine",
  engineVersion: "engine version",
  precision: "precision",
  modelSource: "source of the model's module",
  parameterCount: "parameter count",
  fingerprint: "model and data fingerprint",
} as const;
const agreedFields = Object.keys(fieldNames) as (keyof typeof fieldNames)[];

/** Those who can be active, in the order of joining. */
function candidates(state: MembershipState): string[] {
  return state.members.filter((member) => member.ready && !member.leaving)
    .map((member) => member.id).slice(0, state.limits.workersMax);
}

function start(state: MembershipState): MembershipChange {
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

function lose(
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
function regroup(state: MembershipState, sentence: string, nowMs: number): MembershipChange {
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

/**
 * Where every member has done its part and waits, in a sum or for all others, nobody is slow: the way between some of them is cut,
 * while all of them are heard here. The one of whom most miss something joins anew, over new
 * connections; of several the one that joined first, so that it is another's turn if that was no help.
 */
function stalled(
  before: MembershipState,
  { worker, missing, idle }: Extract<MembershipEvent, { type: "stalled" }>,
  nowMs: number,
): MembershipChange {
  const earlier = before.stalls.find((stall) => stall.worker === worker);
  const isAgain = earlier !== undefined && nowMs - earlier.atMs <= stallAgeMsMax;
  const stall = { worker, missing, atMs: nowMs, sinceMs: isAgain ? earlier.sinceMs : nowMs };
  const stalls = [...before.stalls.filter((each) => each.worker !== worker), stall];
  const state = { ...before, stalls };
  const isDone = (member: string) =>
    idle.includes(member) || state.members.some(({ id, finished }) => id === member && finished);
  const isStuck = state.active.every((member) =>
    isDone(member) ||
    stalls.some(({ worker, atMs, sinceMs }) =>
      worker === member && nowMs - atMs <= stallAgeMsMax && atMs - sinceMs >= stallMsMin
    )
  );
  if (!isStuck) return same(state);
  // In the order of their ranks, whoever's word came first.
  const missedBy = (member: string) =>
    state.active.filter((waiting) =>
      stalls.some(({ worker, missing }) => worker === waiting && missing.includes(member))
    ).map((waiting) => `"${waiting}"`);
  const [blamed] = state.active.toSorted((a, b) => missedBy(b).length - missedBy(a).length);
  const by = missedBy(blamed);
  if (by.length === 0) return same(state);
  const reason = `${by.join(", ")} ${by.length === 1 ? "waits" : "wait"} for its gradients in vain`;
  return lose(state, [{ worker: blamed, reason }], nowMs);
}

/**
 * A member that sends malformed chunks can choose who gets them, and one that lies can accuse whom it
 * likes; of the two the coordinator sees the same. So it goes by who has been in dispute with more
 * others, and where that is equal the accused is excluded, which most often is the one. That way as many
 * sound workers are lost as there are others, at most, whether those lie or send: in its second
 * dispute such a one has more than a sound one. Votes would not do: one that sends to few is accused by
 * few, and those would be taken for liars one after the other.
 */
function accuse(
  before: MembershipState,
  accuser: string,
  accused: string,
  nowMs: number,
): MembershipChange {
  const { active } = before;
  if (accuser === accused || !active.includes(accuser) || !active.includes(accused)) {
    return same(before);
  }
  const disputes = [...before.disputes, { accuser, accused }].slice(-disputesMax);
  const others = (worker: string) =>
    new Set(
      disputes.filter((each) => each.accuser === worker || each.accused === worker)
        .map((each) => each.accuser === worker ? each.accused : each.accuser),
    ).size;
  const more = others(accuser) - others(accused);
  const [worker, reason] = more > 0
    ? [accuser, `it says that "${accused}" sent malformed gradients, its second such dispute`]
    : [accused, `"${accuser}" got too many malformed gradients from it`];
  // Where one of them is known for it, it says nothing of the other.
  const kept = more === 0 ? disputes : before.disputes;
  const { state, commands } = lose({ ...before, disputes: kept }, [{ worker, reason }], nowMs);
  return { state, commands: [{ type: "exclude", worker, reason }, ...commands] };
}

function rollBack(state: MembershipState, sentence: string, nowMs: number): MembershipChange {
  if (state.phase !== "running") return same(state);
  // Who leaves does not go back with the others, who may then be too few.
  if (candidates(state).length < state.limits.workersMin) return regroup(state, sentence, nowMs);
  const change = start(state);
  return { ...change, commands: [{ type: "tell", sentence }, ...change.commands] };
}

function leave(state: MembershipState, worker: string, nowMs: number): MembershipChange {
  const leaving = update(state, worker, { leaving: true });
  if (state.active.includes(worker)) return same(leaving);
  return lose(leaving, [{ worker, reason: "it left" }], nowMs);
}

/** Opens a generation with those who wait and without those who leave, if there are any. */
function takeIn(state: MembershipState, nowMs: number): MembershipChange {
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

function finished(state: MembershipState): MembershipChange {
  const members = state.active.map((id) => state.members.find((member) => member.id === id)!);
  if (members.some((member) => !member.finished)) return same(state);
  const [first, ...others] = members;
  const report = first.finished!;
  for (const other of others) {
    if (other.finished!.parametersSha256 !== report.parametersSha256) {
      return fail(
        state,
        `Workers disagree after step ${report.step}: parameters of "${first.id}" have SHA-256 ` +
          `${report.parametersSha256}, those of "${other.id}" ${
            other.finished!.parametersSha256
          }; ` +
          "check that all run on the same kind of device",
      );
    }
  }
  return { state: { ...state, phase: "ended" }, commands: [{ type: "finish", report }] };
}

function stop(state: MembershipState): MembershipChange {
  if (state.stopRequested) return same(state);
  const stopped = { ...state, stopRequested: true };
  if (state.phase === "running") return { state: stopped, commands: [{ type: "askStop" }] };
  return { state: { ...stopped, phase: "ended" }, commands: [{ type: "interrupt" }] };
}

/** Everybody was asked to leave: that is to stop, and not to wait for somebody. */
function endIfAbandoned(state: MembershipState, nowMs: number): MembershipChange {
  if (state.phase !== "gathering" || state.members.length > 0) return same(state);
  // Those who came from elsewhere live on, and find a coordinator that took over.
  const isNew = !state.begun && state.earlier.generation > 0;
  if (isNew && nowMs - state.gatheringSinceMs <= takeOverGraceMs) return same(state);
  return { state: { ...state, phase: "ended" }, commands: [{ type: "interrupt" }] };
}

function tick(before: MembershipState, nowMs: number): MembershipChange {
  const stoodStillMs = Math.max(0, nowMs - before.tickedMs - tickGapMsMax);
  const state = {
    ...before,
    tickedMs: nowMs,
    members: stoodStillMs === 0 ? before.members : before.members.map((member) => ({
      ...member,
      lastSeenMs: Math.min(nowMs, member.lastSeenMs + stoodStillMs),
      lastHeardMs: Math.min(nowMs, member.lastHeardMs + stoodStillMs),
    })),
  };
  const { limits, members, workers } = state;
  // Who opens its data gives no sign of life yet; a run that has not begun waits for it anyway.
  const silent = members.filter((member) =>
    member.ready
      ? nowMs - member.lastSeenMs > patienceMs(state, member.where)
      : state.begun && nowMs - member.lastSeenMs > limits.startTimeoutMs
  );
  if (silent.length > 0) {
    return lose(...giveUpSilent(state, silent, nowMs), nowMs);
  }
  const deaf = findDeaf(state, nowMs);
  if (deaf.length > 0) {
    const losses = deaf.map(({ id, where, lastHeardMs }) => ({
      worker: id,
      reason: `${where} has heard nothing for ${((nowMs - lastHeardMs) / 1000).toFixed(1)} s`,
    }));
    return lose(state, losses, nowMs);
  }
  if (state.phase !== "gathering") return same(state);
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

/**
 * How long this process may be silent. One that comes back each time was only busy, and given up at the
 * same point of every generation it would never come to a snapshot: from the second time on it may be
 * silent for twice as long as the time before, and keeps that, because it will be as busy again.
 */
function patienceMs({ silences, limits }: MembershipState, where: string): number {
  const doublings = silences.find((each) => each.where === where)?.doublings ?? 0;
  const ms = limits.silenceMsMax * 2 ** doublings;
  return Math.max(limits.silenceMsMax, Math.min(ms, patienceMsMax));
}

/** Who took part in it comes on with what it has: its next silence is one by itself. */
function silencesAfterSnapshot({ silences, members, active }: MembershipState): Silence[] {
  const took = new Set(members.filter(({ id }) => active.includes(id)).map(({ where }) => where));
  return silences.map((each) => took.has(each.where) ? { ...each, times: 0 } : each)
    .filter(({ times, doublings }) => times > 0 || doublings > 0);
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

function hear(
  state: MembershipState,
  worker: string,
  heardMs: number,
  nowMs: number,
): MembershipState {
  const { lastHeardMs } = state.members.find(({ id }) => id === worker)!;
  return update(state, worker, {
    lastSeenMs: nowMs,
    lastHeardMs: Math.max(lastHeardMs, Math.min(nowMs, heardMs)),
  });
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

/** The failure of a worker that the run does not rest on costs no more than the worker. */
function failed(state: MembershipState, worker: string, message: string): MembershipChange {
  const sentence = `Worker "${worker}" failed: ${message}`;
  if (!state.begun || state.active.includes(worker)) return fail(state, sentence);
  return {
    state: { ...state, members: state.members.filter(({ id }) => id !== worker) },
    commands: [{ type: "tell", sentence }],
  };
}

function update(state: MembershipState, worker: string, change: Partial<Member>): MembershipState {
  const members = state.members.map((member) =>
    member.id === worker ? { ...member, ...change } : member
  );
  return { ...state, members };
}

function same(state: MembershipState): MembershipChange {
  return { state, commands: [] };
}

function refuse(state: MembershipState, worker: string, reason: string): MembershipChange {
  return { state, commands: [{ type: "refuse", worker, reason }] };
}

function fail(state: MembershipState, message: string): MembershipChange {
  return { state: { ...state, phase: "ended" }, commands: [{ type: "fail", message }] };
}
