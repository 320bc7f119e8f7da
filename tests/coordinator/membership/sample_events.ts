/** Events, sequences of them that tests begin with, and commands to compare with. */
import type { MembershipCommand } from "../../../coordinator/membership/commands.ts";
import type { MembershipEvent } from "../../../coordinator/membership/events.ts";
import type { ReadyReport } from "../../../coordinator/membership/state.ts";

const report: ReadyReport = {
  engine: "tensorflow",
  engineVersion: "TensorFlow 2.21.0",
  device: "CPU",
  precision: "float32",
  parameterCount: 100,
  fingerprint: "f00d",
};

export const join = (worker: string, where = `host of ${worker}`): MembershipEvent => ({
  type: "join",
  worker,
  where,
});
export const ready = (worker: string, change: Partial<ReadyReport> = {}): MembershipEvent => ({
  type: "ready",
  worker,
  report: { ...report, ...change },
});
export const beat = (worker: string, heardMs = Infinity): MembershipEvent => ({
  type: "heartbeat",
  worker,
  heardMs,
});
export const lost = (worker: string): MembershipEvent => ({
  type: "lost",
  worker,
  reason: "it was killed",
});
export const leave = (worker: string): MembershipEvent => ({ type: "leave", worker });
export const finished = (worker: string, sha = "abc"): MembershipEvent => ({
  type: "finished",
  worker,
  report: { reason: "done", step: 12, parametersSha256: sha },
});
export const failed = (worker: string, message: string): MembershipEvent => ({
  type: "failed",
  worker,
  message,
});
export const snapshot: MembershipEvent = { type: "snapshot" };
export const rollback: MembershipEvent = { type: "rollback", sentence: "Step 7 was not applied" };
export const stop: MembershipEvent = { type: "stop" };
export const abandoned: MembershipEvent = { type: "abandoned" };
export const tick: MembershipEvent = { type: "tick" };
export const accuse = (worker: string, accused: string): MembershipEvent => ({
  type: "accuse",
  worker,
  accused,
});
export const stalled = (worker: string, ...missing: string[]): MembershipEvent => ({
  type: "stalled",
  worker,
  missing,
  idle: [],
});

/** The same process as under an earlier coordinator. */
export const joinAgain = (worker: string): MembershipEvent => ({
  type: "join",
  worker,
  where: `host of ${worker}`,
  attempt: 1,
});

export const joined = [join("a"), join("b")];
export const running = [...joined, ready("a"), ready("b")];
/** "c" has come, and waits for a snapshot. */
export const awaited = [...running, join("c"), ready("c")];
export const alone = [...running, lost("b")];
export const ended = [...running, finished("a"), finished("b")];

export const failure = (message: string): MembershipCommand => ({ type: "fail", message });
export const tell = (sentence: string): MembershipCommand => ({ type: "tell", sentence });
export const wait = (sentence: string): MembershipCommand => ({ type: "wait", sentence });
export const start = (generation: number, ...members: string[]): MembershipCommand => ({
  type: "start",
  generation,
  members,
});
export const accept = (worker: string): MembershipCommand => ({ type: "accept", worker });
export const askStop: MembershipCommand = { type: "askStop" };
export const interrupt: MembershipCommand = { type: "interrupt" };
export const done: MembershipCommand = {
  type: "finish",
  report: { reason: "done", step: 12, parametersSha256: "abc" },
};
export const refused = (worker: string, reason: string): MembershipCommand => ({
  type: "refuse",
  worker,
  reason,
});
