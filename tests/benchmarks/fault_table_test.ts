import assert from "node:assert/strict";
import { readRows, summarizeTrials, tableRows } from "../../benchmarks/fault_table/fault_table.ts";
import type { Trial } from "../../benchmarks/fault_table/trial.ts";
import { UsageError } from "../../launch/flags.ts";

Deno.test("readRows takes rows of the table and no other", () => {
  assert.deepEqual(readRows(undefined), tableRows);
  assert.deepEqual(readRows("4,1"), [4, 1]);
  for (const wrong of ["21", "1,x", ""]) assert.throws(() => readRows(wrong), UsageError);
});

Deno.test("summarizeTrials counts trials and survivals of each fault, and leaves out what was not measured", () => {
  const trial = (fault: string, resumedMs: number | null, problem = ""): Trial => ({
    row: 1,
    fault,
    victim: "",
    detectedMs: null,
    resumedMs,
    problem,
  });
  const trials = [
    trial("a", 10),
    trial("b", null),
    trial("a", 30),
    trial("a", 20, "another SHA-256"),
  ];
  const [a, b] = summarizeTrials(trials);
  assert.deepEqual([a.fault, a.trials, a.survivals], ["a", 3, 2]);
  assert.deepEqual([a.resumedP50Ms, a.resumedP95Ms, a.detectedP50Ms], [20, 30, null]);
  assert.deepEqual([b.fault, b.trials, b.survivals, b.resumedP50Ms], ["b", 1, 1, null]);
});
