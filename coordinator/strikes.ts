/**
 * Who sends what is no message is heard no more after some of it: a sound worker never does, and what
 * is only refused, one by one, would still cost the run its time.
 */
export interface Strikes {
  /** What was refused until now counts; true for the one that was too many. */
  add(sender: string, nowMs: number): boolean;
  /** Whether the sender has had its strikes. */
  isOut(sender: string): boolean;
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
  const out = new Set<string>();
  return {
    isOut: (sender) => out.has(sender),
    add(sender, nowMs) {
      if (out.has(sender)) return false;
      const recent = [...times.get(sender) ?? [], nowMs].filter((each) => nowMs - each < withinMs);
      times.delete(sender);
      if (recent.length >= strikesMax) {
        out.add(sender);
        forgetFirst(out, sendersMax);
        return true;
      }
      times.set(sender, recent);
      forgetFirst(times, sendersMax);
      return false;
    },
  };
}

function forgetFirst(senders: Map<string, unknown> | Set<string>, sizeMax: number): void {
  if (senders.size <= sizeMax) return;
  const [first] = senders.keys();
  senders.delete(first);
}
