/** A small checkpoint whose numbers depend on its step, and a check that one was read back whole. */
import assert from "node:assert/strict";
import type { Checkpoint } from "../../coordinator/checkpoint.ts";
import type { NamedArray } from "../../coordinator/safetensors.ts";

export function sampleCheckpoint(step: number, validationLoss?: number): Checkpoint {
  return {
    step,
    epoch: 1,
    planStep: step % 10,
    configuration: { model: { name: "convlstm", filters: [3, 2] }, seed: 7, epochs: 2 },
    metrics: validationLoss === undefined ? {} : { validationLoss },
    createdAt: "2026-01-02T03:04:05.000Z",
    classes: ["calm", "storm"],
    parameters: [
      array("layer0/kernel", [3, 2, 1], step),
      array("layer0/bias", [2], -step),
    ],
    optimizer: [array("adam/m", [8], step / 10)],
    states: [array("layer0/hidden", [2, 2, 1], step / 100)],
  };
}

/** Asserts that `actual` is the sample of its step, to the last bit. */
export function assertSample(actual: Checkpoint): void {
  const expected = sampleCheckpoint(actual.step, actual.metrics.validationLoss);
  for (const [name, value] of Object.entries(expected)) {
    assert.deepEqual(actual[name as keyof Checkpoint], value, `${name} of step ${actual.step}`);
  }
}

function array(name: string, shape: number[], seed: number): NamedArray {
  const count = shape.reduce((product, size) => product * size, 1);
  return { name, shape, values: Float32Array.from({ length: count }, (_, i) => seed + i * 0.1) };
}
