/**
 * The random numbers that a model takes in training, drawn outside of it: each lane has a stream of
 * its own for each step, so it gets the same ones whichever worker computes it, and again when the
 * step is done again.
 */
import type { NoiseSpec } from "../models/model.ts";
import { random } from "../net/random.ts";
import { sizeOf } from "./window_batch.ts";

/**
 * @param step counted from 1 over the whole run
 * @returns in the order of `specs`, each [lanes, ...shape]
 */
export function drawNoise(
  specs: readonly NoiseSpec[],
  seed: number,
  step: number,
  lanes: { readonly first: number; readonly count: number },
): Float32Array[] {
  return specs.map((spec) => {
    const { name, shape, distribution } = spec;
    const size = sizeOf(shape);
    const chance = spec.distribution === "coin" ? spec.chance(step) : 0;
    const values = new Float32Array(lanes.count * size);
    for (let row = 0; row < lanes.count; row++) {
      const stream = random(seed, "noise", name, step, lanes.first + row);
      const draw = {
        normal: stream.normal,
        uniform: stream.uniform,
        coin: () => stream.uniform() < chance ? 1 : 0,
      }[distribution];
      for (let i = row * size; i < (row + 1) * size; i++) values[i] = draw();
    }
    return values;
  });
}
