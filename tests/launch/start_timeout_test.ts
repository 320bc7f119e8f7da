import assert from "node:assert/strict";
import { startTimeoutMs } from "../../launch/coordinate.ts";
import { defaultRun } from "../../launch/run_flags.ts";

Deno.test("startTimeoutMs() is the flag's, else --wait-timeout, and five minutes at least", () => {
  const { membership } = defaultRun;
  const table: [Partial<typeof membership>, number][] = [
    [{ waitTimeoutMs: 3_600_000 }, 3_600_000],
    [{ waitTimeoutMs: 1_000 }, 300_000],
    [{ waitTimeoutMs: 3_600_000, startTimeoutMs: 10_000 }, 10_000],
  ];
  for (const [given, expected] of table) {
    assert.equal(startTimeoutMs({ ...membership, ...given }), expected);
  }
});
