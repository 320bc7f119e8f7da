import assert from "node:assert/strict";
import { buildSchedule, type Schedule } from "../../models/schedules.ts";
import keras from "../fixtures/optimizers/keras.json" with { type: "json" };
import torch from "../fixtures/optimizers/torch.json" with { type: "json" };
import { assertClose } from "./close_to.ts";

const { peak } = torch.inputs;

Deno.test("buildSchedule of one-cycle is PyTorch's OneCycleLR, and stays at its end", () => {
  for (const [total, expected] of Object.entries(torch["one-cycle"])) {
    const options = { schedule: "one-cycle", learningRate: peak, warmupSteps: 0 } as const;
    const schedule = buildSchedule(options, Number(total));
    assertClose(course(schedule, Number(total)), expected, total, { relative: 1e-12, floor: 0 });
    assert.equal(schedule(Number(total) + 5), schedule(Number(total)));
  }
});

Deno.test("buildSchedule of cosine is Keras' CosineDecay with warm-up, and stays at its end", () => {
  for (const [key, expected] of Object.entries(keras.cosine)) {
    const [total, warmupSteps] = key.split(", ").map(Number);
    const schedule = buildSchedule({ schedule: "cosine", learningRate: peak, warmupSteps }, total);
    // Keras computes the schedule in float32, where 1 + cos(x) loses digits near its end.
    assertClose(course(schedule, total), expected, key, { relative: 1e-6, floor: peak * 2e-7 });
    assert.equal(schedule(total + 5), schedule(total));
    assertClose([schedule(total)], [peak * 0.01], key, { relative: 1e-12 });
  }
});

Deno.test("buildSchedule rises to a constant rate, and copes with a warm-up beyond the run", () => {
  const constant = { schedule: "constant", learningRate: 0.5 } as const;
  assert.deepEqual(course(buildSchedule({ ...constant, warmupSteps: 0 }, 3), 3), [0.5, 0.5, 0.5]);
  assert.deepEqual(course(buildSchedule({ ...constant, warmupSteps: 2 }, 3), 3), [0.25, 0.5, 0.5]);
  const late = buildSchedule({ schedule: "cosine", learningRate: 0.5, warmupSteps: 4 }, 2);
  assert.deepEqual(course(late, 4), [0.125, 0.25, 0.375, 0.5]);
});

function course(schedule: Schedule, steps: number): number[] {
  return Array.from({ length: steps }, (_, index) => schedule(index + 1));
}
