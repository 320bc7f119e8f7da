/** How a run ends: with all its members at the same step and weights, by a failure, or on request. */
import { fail, type MembershipChange, same } from "./commands.ts";
import type { MembershipState } from "./state.ts";

export function finished(state: MembershipState): MembershipChange {
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

/** The failure of a worker that the run does not rest on costs no more than the worker. */
export function failed(state: MembershipState, worker: string, message: string): MembershipChange {
  const where = state.members.find(({ id }) => id === worker)?.where;
  // What it could not read or load, it lacks on its own host.
  const from = where === undefined ? "" : ` (${where})`;
  const sentence = `Worker "${worker}"${from} failed: ${message}`;
  if (!state.begun || state.active.includes(worker)) return fail(state, sentence);
  return {
    state: { ...state, members: state.members.filter(({ id }) => id !== worker) },
    commands: [{ type: "tell", sentence }],
  };
}

export function stop(state: MembershipState): MembershipChange {
  if (state.stopRequested) return same(state);
  const stopped = { ...state, stopRequested: true };
  if (state.phase === "running") return { state: stopped, commands: [{ type: "askStop" }] };
  return { state: { ...stopped, phase: "ended" }, commands: [{ type: "interrupt" }] };
}
