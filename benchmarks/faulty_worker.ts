/**
 * A worker that breaks where it is told to: `deno task worker` with something in between. The first
 * argument is a `WorkerFault` in JSON; further orders come on standard input, a line each.
 */
import { systemClock } from "../net/clock.ts";
import { connectNats } from "../net/nats_transport.ts";
import { runCommand } from "../launch/exit_codes.ts";
import { workerCommand } from "../launch/worker.ts";
import { openRun } from "../worker/open_run.ts";
import { FaultPoints, watchOpenedRun, watchTransport } from "./fault_points.ts";

export interface WorkerFault {
  /** Dies there; may also be ordered later. */
  readonly point?: string;
  readonly restMs: number;
  /** Longest piece of a gradient in one message: small ones make many of a small gradient. */
  readonly chunkBytesMax: number;
}

/** An order on standard input. */
export interface WorkerOrder {
  readonly point?: string;
  /** Blocks the event loop for so long, as a call would that does not come back. */
  readonly blockMs?: number;
}

if (import.meta.main) {
  const [text, ...args] = Deno.args;
  const { point, restMs, chunkBytesMax } = JSON.parse(text) as WorkerFault;
  const faults = new FaultPoints(systemClock);
  if (point !== undefined) faults.arm(point);
  await runCommand(() =>
    workerCommand(args, {
      connect: async (options) => watchTransport(await connectNats(options), faults),
      open: async (configuration, clock) =>
        watchOpenedRun(await openRun(configuration, clock), faults, { restMs, clock }),
      sums: { chunkBytesMax },
      onLine(line) {
        const order = JSON.parse(line) as WorkerOrder;
        if (order.point !== undefined) faults.arm(order.point);
        if (order.blockMs !== undefined) block(order.blockMs);
      },
    })
  );
}

function block(ms: number): void {
  const end = systemClock.nowMs() + ms;
  while (systemClock.nowMs() < end);
}
