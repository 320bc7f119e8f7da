import assert from "node:assert/strict";
import { countStep, emptyTally, meanLoss, nextEpoch } from "../../worker/tally.ts";

Deno.test("the mean loss of an epoch weights each step by the frames that counted", () => {
  assert.ok(Number.isNaN(meanLoss(emptyTally)));
  let tally = countStep(emptyTally, { loss: 0.5, frames: 100, fault: "" });
  assert.equal(meanLoss(tally), 0.5);
  tally = countStep(tally, { loss: 2, frames: 50, fault: "" });
  assert.equal(meanLoss(tally), 1);
  // Of a step that was not applied nothing counts.
  tally = countStep(tally, { loss: NaN, frames: 100, fault: "its loss is NaN" });
  assert.equal(meanLoss(tally), 1);
  assert.ok(Number.isNaN(meanLoss(nextEpoch(tally))));
});

Deno.test("faults in a row are counted over epochs, and a step that was applied ends the row", () => {
  const fault = { loss: 1, frames: 10, fault: "its gradient is not finite" };
  let tally = nextEpoch(countStep(countStep(emptyTally, fault), fault));
  assert.equal(tally.faultsInARow, 2);
  tally = countStep(tally, fault);
  assert.equal(tally.faultsInARow, 3);
  assert.equal(countStep(tally, { ...fault, fault: "" }).faultsInARow, 0);
});
