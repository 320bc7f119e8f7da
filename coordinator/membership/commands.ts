/** What the coordinator is to do about an event, beside keeping the new state. */
import type { FinishReport, MembershipState } from "./state.ts";

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

export function same(state: MembershipState): MembershipChange {
  return { state, commands: [] };
}

export function refuse(state: MembershipState, worker: string, reason: string): MembershipChange {
  return { state, commands: [{ type: "refuse", worker, reason }] };
}

export function fail(state: MembershipState, message: string): MembershipChange {
  return { state: { ...state, phase: "ended" }, commands: [{ type: "fail", message }] };
}
