import assert from "node:assert/strict";
import { meanLosses } from "../../coordinator/validation_losses.ts";
import { meanLosses as meansOfWorker } from "../../worker/mean_losses.ts";

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

Deno.test("meanLosses() divides each sum by what counted of it, and has none of nothing", () => {
  const shard = { shard: 0, lossSum: 1, persistenceSum: 4, weightSum: 4, persistenceWeightSum: 2 };
  const dark = { shard: 1, lossSum: 0, persistenceSum: 0, weightSum: 0, persistenceWeightSum: 0 };
  const expected = { validationLoss: 0.25, persistenceLoss: 2 };
  assert.deepEqual(meanLosses([[shard], [dark]]), expected);
  const { validationLoss, persistenceLoss } = expected;
  assert.deepEqual(meansOfWorker([shard, dark]), { loss: validationLoss, persistenceLoss });
  assert.deepEqual(meanLosses([[dark]]), { validationLoss: NaN });
  assert.deepEqual(meansOfWorker([dark]), { loss: NaN });
});
