/**
 * Work on the event loop that takes long lets what waits there have its turn, so that this worker is
 * heard of and hears of the network in between.
 */
import { type Clock, delay } from "../net/clock.ts";

/** A turn takes some milliseconds. */
const turnIntervalMs = 100;

/** To be awaited again and again during such work; gives a turn now and then. */
export function turnEventLoop(clock: Clock): () => Promise<void> {
  let lastMs = clock.nowMs();
  return async () => {
    if (clock.nowMs() - lastMs < turnIntervalMs) return;
    await delay(clock, 0);
    lastMs = clock.nowMs();
  };
}
