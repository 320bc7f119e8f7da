/** Malformed gradients: one member accuses another, and one of the two is excluded. */
import { type MembershipChange, same } from "./commands.ts";
import { lose } from "./generations.ts";
import type { MembershipState } from "./state.ts";

/** Each has cost a worker its place; of more than that, the first are forgotten. */
const disputesMax = 1024;

/**
 * A member that sends malformed chunks can choose who gets them, and one that lies can accuse whom it
 * likes; of the two the coordinator sees the same. So it goes by who has been in dispute with more
 * others, and where that is equal the accused is excluded, which most often is the one. That way as many
 * sound workers are lost as there are others, at most, whether those lie or send: in its second
 * dispute such a one has more than a sound one. Votes would not do: one that sends to few is accused by
 * few, and those would be taken for liars one after the other.
 */
export function accuse(
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
