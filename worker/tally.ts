/**
 * What a run counts on its way, beside its weights: enough for the epoch's mean loss, and how many
 * steps in a row were not finite. Every worker counts the same, and snapshots keep it, so that neither
 * a loss of workers nor a resume shows in it.
 */
import type { Tally } from "../net/messages.ts";

export const emptyTally: Tally = { lossSum: 0, frames: 0, faultsInARow: 0 };

/**
 * @param step its mean loss over the `frames` predictions that counted, in parts where values were
 * missing, and what of it was not finite; empty where all was
 */
export function countStep(
  tally: Tally,
  { loss, frames, fault }: {
    readonly loss: number;
    readonly frames: number;
    readonly fault: string;
  },
): Tally {
  if (fault !== "") return { ...tally, faultsInARow: tally.faultsInARow + 1 };
  return {
    lossSum: tally.lossSum + loss * frames,
    frames: tally.frames + frames,
    faultsInARow: 0,
  };
}

/** Of the epoch so far, each step weighted by its frames; NaN where no step counted. */
export function meanLoss({ lossSum, frames }: Tally): number {
  return lossSum / frames;
}

/** What of it goes on into the next epoch. */
export function nextEpoch({ faultsInARow }: Tally): Tally {
  return { ...emptyTally, faultsInARow };
}
