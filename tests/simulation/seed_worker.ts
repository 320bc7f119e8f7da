/** A thread that simulates the seeds it is sent, each twice: the same seed must be the same run. */
import { simulate, type SimulationResult } from "./simulation.ts";

export interface SeedReport extends SimulationResult {
  readonly milliseconds: number;
}

const scope = self as unknown as {
  onmessage: (event: MessageEvent<number>) => void;
  postMessage(report: SeedReport): void;
};

let unhandled: unknown;
self.addEventListener("unhandledrejection", (event) => {
  event.preventDefault();
  unhandled = event.reason;
});

// A message is handed over by a promise's reaction, in which others would not run.
scope.onmessage = ({ data: seed }) => void setTimeout(() => work(seed), 0);

function work(seed: number): void {
  const started = performance.now();
  const first = simulate(seed);
  const second = simulate(seed);
  // Rejections that nobody handled are told when the event loop turns.
  setTimeout(() => {
    let { violation } = first;
    if (first.trace !== second.trace) {
      violation ??=
        `the second run of this seed differs: trace ${second.trace}, not ${first.trace}`;
    }
    if (unhandled !== undefined) {
      violation ??= `nobody handled ${unhandled instanceof Error ? unhandled.stack : unhandled}`;
    }
    unhandled = undefined;
    scope.postMessage({ ...first, violation, milliseconds: performance.now() - started });
  }, 0);
}
