import assert from "node:assert/strict";
import { meanLosses } from "../../coordinator/validation_losses.ts";

Deno.test("meanLosses() adds in the order of the shards, whoever computed which", () => {
  // In another order the small one is lost, or the large ones leave something over.
  const [a, b, c] = [1e16, -1e16, 1].map((lossSum, shard) => ({ shard, lossSum, weightSum: 2 }));
  for (const workers of [[[a, b, c]], [[a, c], [b]], [[c], [b], [a]]]) {
    assert.deepEqual(meanLosses(workers), { validationLoss: 1 / 6 });
  }
});

Deno.test("meanLosses() gives what all shards have, and nothing where one worker was stopped", () => {
  const shard = { shard: 0, lossSum: 1, persistenceSum: 4, correctSum: 2, weightSum: 4 };
  const other = { shard: 1, lossSum: 3, persistenceSum: 4, weightSum: 4 };
  assert.deepEqual(meanLosses([[shard], [other]]), { validationLoss: 0.5, persistenceLoss: 1 });
  assert.equal(meanLosses([[shard], []]), undefined);
});
