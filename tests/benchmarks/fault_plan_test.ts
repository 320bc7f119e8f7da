import assert from "node:assert/strict";
import { planFaults } from "../../benchmarks/fault_plan.ts";

Deno.test("planFaults gives the same faults for a seed, and every kind within one deck", () => {
  const faults = planFaults(25, 1, 80);
  assert.deepEqual(planFaults(25, 1, 80), faults);
  assert.notDeepEqual(planFaults(25, 2, 80), faults);
  assert.equal(new Set(faults.map(({ kind }) => kind)).size, 10);
  assert.deepEqual(faults.map(({ step }) => step), faults.map((_, index) => 80 * (index + 1)));
  for (const { victim, durationMs, directions } of faults) {
    assert.ok(victim >= 0 && victim < 1);
    assert.ok(durationMs >= 3_000 && durationMs < 5_000);
    assert.ok(directions.length > 0);
  }
});

Deno.test("planFaults deals a part of a deck, and more than one", () => {
  assert.deepEqual(planFaults(3, 1, 80), planFaults(25, 1, 80).slice(0, 3));
  const two = planFaults(50, 1, 80);
  assert.deepEqual(two.slice(0, 25), planFaults(25, 1, 80));
  const count = (kind: string) => two.filter((fault) => fault.kind === kind).length;
  assert.equal(count("kill worker"), 14);
  assert.equal(count("kill coordinator"), 4);
});
