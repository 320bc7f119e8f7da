import assert from "node:assert/strict";
import { tallyFromMetrics, tallyToMetrics } from "../../coordinator/tally_metrics.ts";

Deno.test("a tally is among a checkpoint's metrics as it was, to the last bit", () => {
  const tally = { lossSum: 0.1 + 0.2, frames: 3, faultsInARow: 2 };
  const metrics = JSON.parse(JSON.stringify({ validationLoss: 0.5, ...tallyToMetrics(tally) }));
  assert.deepEqual(tallyFromMetrics(metrics), tally);
  assert.deepEqual(tallyToMetrics(undefined), {});
  assert.equal(tallyFromMetrics({ validationLoss: 0.5 }), undefined);
});
