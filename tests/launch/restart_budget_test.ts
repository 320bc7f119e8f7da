import assert from "node:assert/strict";
import { planRestart } from "../../launch/restart_budget.ts";

const limits = { restartsMax: 4, withinMs: 100_000, delayMs: 100, delayMsMax: 500 };

/** Delays of restarts at these times; undefined where there is none any more. */
function delays(times: readonly number[]): (number | undefined)[] {
  let before: readonly number[] = [];
  return times.map((nowMs) => {
    const plan = planRestart(before, nowMs, limits);
    before = plan?.timesMs ?? before;
    return plan?.delayMs;
  });
}

Deno.test("planRestart() waits for longer where one end follows the other, and then gives up", () => {
  assert.deepEqual(delays([0, 1_000, 2_000, 4_000, 4_100]), [100, 200, 400, 500, undefined]);
  // One that runs for two seconds from its start was well.
  assert.deepEqual(delays([0, 2_100, 4_100, 30_000]), [100, 100, 200, 100]);
});

Deno.test("planRestart() forgets what is long ago: a run of weeks may see more ends than that", () => {
  const times = Array.from({ length: 1000 }, (_, index) => index * 25_100);
  assert.deepEqual(new Set(delays(times)), new Set([100]));
  assert.deepEqual(delays([0, 10_000, 20_000, 30_000, 100_099, 100_100]), [
    ...[100, 100, 100, 100],
    ...[undefined, 100],
  ]);
});
