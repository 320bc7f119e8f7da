/**
 * Who sends what is no message is heard no more after some of it: a sound worker never does, and what
 * is only refused, one by one, would still cost the run its time.
 */
export interface Strikes {
  /** What was refused until now counts; true for the one that was too many. */
  add(sender: string, nowMs: number): boolean;
  /** Why the sender is heard no more; undefined for one that is. */
  whyOut(sender: string): string | undefined;
  /** Whatever the sender did, it is heard no more. */
  exclude(sender: string, why: string): void;
}

export interface StrikeLimits {
  /** So many within the time are one too many. */
  readonly strikesMax: number;
  readonly withinMs: number;
  /** Whoever shares a login that may speak under many names: beyond this many, the first is forgotten. */
  readonly sendersMax: number;
}

/** A flipped bit or two in a day are no attack, and one malformed message is a defect to read about. */
export const strikeLimits: StrikeLimits = { strikesMax: 16, withinMs: 60_000, sendersMax: 4096 };

export function createStrikes(
  { strikesMax, withinMs, sendersMax }: StrikeLimits = strikeLimits,
): Strikes {
  /** When each strike was, the newest last; those who are out have none any more. */
  const times = new Map<string, readonly number[]>();
  const out = new Map<string, string>();
  const exclude = (sender: string, why: string) => {
    times.delete(sender);
    out.set(sender, why);
    forgetFirst(out, sendersMax);
  };
  return {
    whyOut: (sender) => out.get(sender),
    exclude,
    add(sender, nowMs) {
      if (out.has(sender)) return false;
      const recent = [...times.get(sender) ?? [], nowMs].filter((each) => nowMs - each < withinMs);
      times.delete(sender);
      if (recent.length >= strikesMax) {
        exclude(sender, "it sent too many malformed messages");
        return true;
      }
      times.set(sender, recent);
      forgetFirst(times, sendersMax);
      return false;
    },
  };
}

function forgetFirst(senders: Map<string, unknown>, sizeMax: number): void {
  if (senders.size <= sizeMax) return;
  const [first] = senders.keys();
  senders.delete(first);
}
