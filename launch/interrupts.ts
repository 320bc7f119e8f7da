/**
 * Ctrl-C: the first asks for a checkpoint and an orderly end, the second ends at once. A terminal
 * sends it to every process of its group, and `deno task` passes on what it gets too, so that one
 * press may arrive twice: what comes within a moment of the first counts as the same press.
 */
import { type Clock, systemClock } from "../net/clock.ts";

const samePressMs = 500;
const signals = ["SIGINT", "SIGTERM"] as const;

export interface InterruptHandlers {
  readonly onFirst: (signal: typeof signals[number]) => void;
  readonly onSecond: () => void;
}

/** Listens until the returned function is called. */
export function onInterrupt(
  { onFirst, onSecond }: InterruptHandlers,
  clock: Clock = systemClock,
): () => void {
  let firstMs: number | undefined;
  const listeners = signals.map((signal) => {
    const listener = () => {
      if (firstMs === undefined) {
        firstMs = clock.nowMs();
        onFirst(signal);
      } else if (clock.nowMs() - firstMs >= samePressMs) {
        onSecond();
      }
    };
    Deno.addSignalListener(signal, listener);
    return () => Deno.removeSignalListener(signal, listener);
  });
  return () => {
    for (const remove of listeners) remove();
  };
}
