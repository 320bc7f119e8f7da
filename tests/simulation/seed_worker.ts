/**
 * A thread that simulates the seeds it is sent, each twice unless told once: the same seed must be the
 * same run, also where the time of day jumps in the second one.
 */
import { differenceOf, simulate, type SimulationResult } from "./simulation.ts";

export interface SeedRequest {
  readonly seed: number;
  readonly once: boolean;
}

export interface SeedReport extends SimulationResult {
  readonly milliseconds: number;
  /** It was not over after the limit of real time, and was given up. */
  readonly hangs?: true;
}

const scope = self as unknown as {
  onmessage: (event: MessageEvent<SeedRequest>) => void;
  postMessage(report: SeedReport): void;
};

let unhandled: unknown;
self.addEventListener("unhandledrejection", (event) => {
  event.preventDefault();
  unhandled = event.reason;
});

// A message is handed over by a promise's reaction, in which others would not run.
scope.onmessage = ({ data }) => void setTimeout(() => work(data), 0);

function work({ seed, once }: SeedRequest): void {
  const started = performance.now();
  const [first, second] = [tried(seed, false), once ? undefined : tried(seed, true)];
  // Rejections that nobody handled are told when the event loop turns.
  setTimeout(() => {
    let violation = first.violation ?? second?.violation;
    if (second) violation ??= differenceOf(first.trace, second.trace);
    if (unhandled !== undefined) {
      violation ??= `nobody handled ${unhandled instanceof Error ? unhandled.stack : unhandled}`;
    }
    unhandled = undefined;
    const counts = { ...first.counts, ...second?.counts };
    scope.postMessage({ ...first, counts, violation, milliseconds: performance.now() - started });
  }, 0);
}

function tried(seed: number, timeOfDayJumps: boolean): SimulationResult {
  try {
    return simulate(seed, { timeOfDayJumps });
  } catch (error) {
    const violation = `it throws ${error instanceof Error ? error.stack : error}`;
    return { seed, violation, trace: "", virtualMs: 0, events: 0, counts: {} };
  }
}
