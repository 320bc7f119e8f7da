/** Sums that do not move though nobody computes any more, and who is given up for it. */
import { type MembershipChange, same } from "./commands.ts";
import type { MembershipEvent } from "./events.ts";
import { lose } from "./generations.ts";
import type { MembershipState } from "./state.ts";

/**
 * Members that are stalled say so every second. What is older no longer holds; and it must have been said
 * twice, because what waited in a broker that stood still comes all at once.
 */
const stallAgeMsMax = 2_500;
const stallMsMin = 500;

/**
 * Where every member has done its part and waits, in a sum or for all others, nobody is slow: the way
 * between some of them is cut, while all of them are heard here. The one of whom most miss something
 * joins anew, over new connections; of several the one that joined first, so that it is another's turn
 * if that was no help.
 */
export function stalled(
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
