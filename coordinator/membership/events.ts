/** What can happen to a run: all that its coordinator hears, and the time that passes. */
import type { FinishReport, ReadyReport } from "./state.ts";

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
