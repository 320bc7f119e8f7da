/**
 * Work on the event loop that takes long lets what waits there have its turn, so that this worker is
 * heard of and hears of the network in between.
 */
import { type Clock, delay } from "../net/clock.ts";

/** A turn takes some milliseconds. */
const turnIntervalMs = 100;

/**
 * To be awaited before each piece of such work; gives a turn now and then. Who awaits it beside others
 * goes on alone: the next one looks at the clock when the piece before it is done.
 */
export function turnEventLoop(clock: Clock): () => Promise<void> {
  let lastMs = clock.nowMs();
  let queue = Promise.resolve();
  return () =>
    queue = queue.then(async () => {
      if (clock.nowMs() - lastMs < turnIntervalMs) return;
      await delay(clock, 0);
      lastMs = clock.nowMs();
    });
}
