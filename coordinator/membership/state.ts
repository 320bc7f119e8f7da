/**
 * What is known of a run and of those who take part in it: the state that every event changes, and
 * the one it begins with.
 */

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
  /** Number, size and SHA-256 of the files that the dataset is read from. */
  readonly data?: string;
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

export function updateMember(
  state: MembershipState,
  worker: string,
  change: Partial<Member>,
): MembershipState {
  const members = state.members.map((member) =>
    member.id === worker ? { ...member, ...change } : member
  );
  return { ...state, members };
}
