import assert from "node:assert/strict";
import { areaUnderRoc } from "../../metrics/roc.ts";
import fixture from "../fixtures/metrics/roc.json" with { type: "json" };

Deno.test("areaUnderRoc() is scikit-learn's roc_auc_score, with ties and few events too", () => {
  assert.ok(fixture.cases.length > 3);
  for (const { name, scores, events, rocAuc } of fixture.cases) {
    const found = areaUnderRoc(scores, events)!;
    assert.ok(Math.abs(found - rocAuc) < 1e-12, `${name}: ${found}, scikit-learn has ${rocAuc}`);
  }
});

Deno.test("areaUnderRoc() has no answer where there is only one kind", () => {
  assert.equal(areaUnderRoc([1, 2], [0, 0]), null);
  assert.equal(areaUnderRoc([1, 2], [true, true]), null);
  assert.equal(areaUnderRoc([], []), null);
  assert.throws(() => areaUnderRoc([1, 2], [1]), /^RangeError: Cannot rank 2 scores of 1 events$/);
  assert.throws(() => areaUnderRoc([1, NaN], [0, 1]), /number 1 of 2 is NaN/);
});
