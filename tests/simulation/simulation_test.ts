import assert from "node:assert/strict";
import { faultKinds } from "./scenario.ts";
import {
  differenceOf,
  simulate,
  type SimulationOptions,
  type SimulationResult,
} from "./simulation.ts";

/** Seeds that have found defects; what they found is mended. */
const regressionSeeds = [
  // A control message was written over by the gradients that came after it.
  9,
  // A read that was refused as stale was taken for a malformed answer, and ended the run.
  50,
  // A connection that was lost before its first subscription ended the coordinator, or the worker.
  11,
  130,
  // A worker that was started while the broker was away gave up at once.
  199,
  // A worker that was given up before it was ready was refused for good.
  195,
  224,
  // A join that came late from a lost connection left the worker a newcomer for ever.
  25,
  // On a slow network questions and answers held up the gradients that were asked for.
  123457122,
  900000701,
  900000989,
  // Garbage on the subject of leaving was taken, by the simulation, for a wish to leave.
  900000979,
  // A NaN was sent with the bits that the processor gave it, compiled code another one than not compiled.
  521652283,
  // A line of the journal from before the first generation was refused by the next coordinator.
  3987391326,
  3987391464,
  3987391480,
  3987391599,
  3987391662,
  3987873532,
  3987874175,
  // The last claim of a coordinator that had died came late, and the next one took it for alive.
  3990138146,
];

/** A simulation cannot run within a promise's reaction, as a test does. */
function simulated(
  seed: number,
  options: SimulationOptions = {},
): Promise<SimulationResult> {
  return new Promise((resolve, reject) =>
    setTimeout(() => {
      try {
        resolve(simulate(seed, options));
      } catch (error) {
        reject(error);
      }
    }, 0)
  );
}

function assertWell({ seed, violation }: SimulationResult): void {
  assert.equal(violation, undefined, `replay it with: deno task simulate --seed ${seed}`);
}

Deno.test("simulate() keeps every promise under the faults of forty seeds", async () => {
  const happened = new Set<string>();
  for (let seed = 1001; seed <= 1040; seed++) {
    const result = await simulated(seed);
    assertWell(result);
    for (const [what, count] of Object.entries(result.counts)) if (count > 0) happened.add(what);
  }
  // Without these it would have shown nothing.
  for (
    const what of [
      ...["generations", "restored", "applied", "checkpoints", "cut"],
      ...["stopped and resumed", "coordinator lost the broker"],
      ...faultKinds,
      ...["held", "stale", "duplicated", "overtaken", "stuck disk operation"],
    ]
  ) {
    assert.ok(happened.has(what), `never happened: ${what}`);
  }
});

Deno.test("simulate() keeps every promise under the seeds that once found a defect", async () => {
  for (const seed of regressionSeeds) {
    const first = await simulated(seed);
    const second = await simulated(seed, { timeOfDayJumps: true });
    const difference = differenceOf(first.trace, second.trace);
    assertWell({ ...first, violation: first.violation ?? difference });
  }
});

Deno.test("simulate() gives the same trace for the same seed, and another for another", async () => {
  const traces = new Set<string>();
  for (const seed of [1, 2, 3]) {
    const { trace } = await simulated(seed);
    assert.equal((await simulated(seed)).trace, trace);
    traces.add(trace);
  }
  assert.equal(traces.size, 3);
});
