/**
 * Who takes part in a run, and what that means for it: a pure function of (state, event, now). The
 * coordinator feeds it what it hears and does what it answers; no clock, network or disk in here.
 *
 * A run goes from joining (waiting for its workers) over preparing (each opens its engine and data)
 * to running; it ends when every worker has finished, or as soon as one fails or falls silent.
 */
export interface MembershipLimits {
  /** How long the run waits for its workers to join and to be ready. */
  readonly startTimeoutMs: number;
  /** A running worker that is silent for this long counts as dead. */
  readonly silenceMsMax: number;
}

/** What a worker says when it is ready; all but the names must agree across workers. */
export interface ReadyReport {
  readonly engine: string;
  readonly engineVersion: string;
  readonly device: string;
  readonly precision: string;
  readonly threads: number;
  /** Parameters of the model, and SHA-256 of its first weights and of the dataset's catalogue. */
  readonly parameterCount: number;
  readonly fingerprint: string;
}

/** How a worker ended: all planned steps done, or stopped on request after a checkpoint. */
export interface FinishReport {
  readonly reason: "done" | "stopped";
  readonly step: number;
  readonly parametersSha256: string;
}

export interface Member {
  readonly id: string;
  /** Host and process, for messages. */
  readonly where: string;
  readonly lastSeenMs: number;
  readonly ready: ReadyReport | null;
  readonly finished: FinishReport | null;
}

export type Phase = "joining" | "preparing" | "running" | "ended";

export interface MembershipState {
  readonly phase: Phase;
  readonly workers: number;
  readonly limits: MembershipLimits;
  readonly startedMs: number;
  /** In the order of joining, which is the order of ranks. */
  readonly members: readonly Member[];
  readonly stopRequested: boolean;
}

export type MembershipEvent =
  | { readonly type: "join"; readonly worker: string; readonly where: string }
  | { readonly type: "ready"; readonly worker: string; readonly report: ReadyReport }
  | { readonly type: "heartbeat"; readonly worker: string }
  | { readonly type: "finished"; readonly worker: string; readonly report: FinishReport }
  | { readonly type: "failed"; readonly worker: string; readonly message: string }
  | { readonly type: "stop" }
  | { readonly type: "tick" };

export type MembershipCommand =
  /** Answer a join. */
  | { readonly type: "accept"; readonly worker: string }
  | { readonly type: "refuse"; readonly worker: string; readonly reason: string }
  /** Tell every member to begin. */
  | { readonly type: "start"; readonly members: readonly string[] }
  /** Ask the members to end at the same step, with a checkpoint. */
  | { readonly type: "askStop" }
  /** The run is over. */
  | { readonly type: "finish"; readonly report: FinishReport }
  | { readonly type: "fail"; readonly message: string };

export interface MembershipChange {
  readonly state: MembershipState;
  readonly commands: readonly MembershipCommand[];
}

export function initialMembership(
  workers: number,
  limits: MembershipLimits,
  nowMs: number,
): MembershipState {
  return {
    phase: "joining",
    workers,
    limits,
    startedMs: nowMs,
    members: [],
    stopRequested: false,
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
      return join(state, event.worker, event.where, nowMs);
    case "ready":
      return ready(update(state, event.worker, { ready: event.report, lastSeenMs: nowMs }), event);
    case "heartbeat":
      return same(update(state, event.worker, { lastSeenMs: nowMs }));
    case "finished":
      // Before the start there is nothing to have finished.
      if (state.phase !== "running") return same(state);
      return finished(
        update(state, event.worker, { finished: event.report, lastSeenMs: nowMs }),
      );
    case "failed":
      return fail(state, `Worker "${event.worker}" failed: ${event.message}`);
    case "stop":
      return stop(state);
    case "tick":
      return tick(state, nowMs);
  }
}

function join(
  state: MembershipState,
  worker: string,
  where: string,
  nowMs: number,
): MembershipChange {
  const twin = state.members.find((member) => member.id === worker);
  if (twin) {
    return refuse(
      state,
      worker,
      `a worker named "${worker}" has already joined from ${twin.where}; give another --name`,
    );
  }
  if (state.phase !== "joining") {
    return refuse(state, worker, `the run already has its ${state.workers} workers`);
  }
  const member: Member = { id: worker, where, lastSeenMs: nowMs, ready: null, finished: null };
  const members = [...state.members, member];
  const phase = members.length === state.workers ? "preparing" : "joining";
  return { state: { ...state, members, phase }, commands: [{ type: "accept", worker }] };
}

function ready(
  state: MembershipState,
  { worker, report }: { worker: string; report: ReadyReport },
): MembershipChange {
  for (const other of state.members) {
    const differing = agreedFields.find((field) =>
      other.ready && other.ready[field] !== report[field]
    );
    if (differing === undefined) continue;
    return fail(
      state,
      `Cannot start: worker "${worker}" has ${fieldNames[differing]} ${
        report[differing]
      }, worker ` +
        `"${other.id}" has ${
          other.ready![differing]
        }; equal weights on every worker need them equal`,
    );
  }
  if (state.phase !== "preparing" || state.members.some((member) => !member.ready)) {
    return same(state);
  }
  const members = state.members.map((member) => member.id);
  return { state: { ...state, phase: "running" }, commands: [{ type: "start", members }] };
}

const fieldNames = {
  engine: "engine",
  engineVersion: "engine version",
  precision: "precision",
  threads: "threads",
  parameterCount: "parameter count",
  fingerprint: "model and data fingerprint",
} as const;
const agreedFields = Object.keys(fieldNames) as (keyof typeof fieldNames)[];

function finished(state: MembershipState): MembershipChange {
  if (state.members.some((member) => !member.finished)) return same(state);
  const [first, ...others] = state.members;
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
  return fail(stopped, "Interrupted before the first step");
}

function tick(state: MembershipState, nowMs: number): MembershipChange {
  const { limits, members, workers, phase } = state;
  if (phase === "running") {
    const silent = members.find((member) =>
      !member.finished && nowMs - member.lastSeenMs > limits.silenceMsMax
    );
    if (!silent) return same(state);
    const seconds = ((nowMs - silent.lastSeenMs) / 1000).toFixed(1);
    return fail(
      state,
      `Lost worker "${silent.id}" (${silent.where}): not heard of for ${seconds} s`,
    );
  }
  if (nowMs - state.startedMs <= limits.startTimeoutMs) return same(state);
  const seconds = limits.startTimeoutMs / 1000;
  const late = members.filter((member) => !member.ready).map((member) => `"${member.id}"`);
  return fail(
    state,
    phase === "joining"
      ? `Cannot start: ${members.length} of ${workers} workers joined within ${seconds} s; start ` +
        "the others, or lower --workers"
      : `Cannot start: worker ${late.join(", ")} was not ready within ${seconds} s`,
  );
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
