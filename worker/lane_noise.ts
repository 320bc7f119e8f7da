/**
 * The random numbers that a model takes, drawn outside of it: each lane has a stream of its own for
 * each step, so it gets the same ones whichever worker computes it, and again when the step is done
 * again.
 */
import type { NoiseSpec } from "../models/model.ts";
import { type Random, random } from "../net/random.ts";
import { sizeOf } from "./window_batch.ts";

export interface LaneSpan {
  readonly first: number;
  readonly count: number;
}

/**
 * For training.
 * @param step counted from 1 over the whole run
 * @returns in the order of `specs`, each [lanes, ...shape]
 */
export function drawNoise(
  specs: readonly NoiseSpec[],
  seed: number,
  step: number,
  lanes: LaneSpan,
): Float32Array[] {
  return specs.map((spec) => {
    const chance = spec.distribution === "coin" ? spec.chance(step) : 0;
    const streamOf = (lane: number) => random(seed, "noise", spec.name, step, lane);
    return draw(spec, lanes, chance, streamOf);
  });
}

/**
 * For one of several answers to the same windows, the same one however many are asked for. Coins, of
 * training alone, are 0.
 * @param step of the split's plan
 * @returns in the order of `specs`, each [lanes, ...shape]
 */
export function drawSampleNoise(
  specs: readonly NoiseSpec[],
  seed: number,
  { step, sample }: { readonly step: number; readonly sample: number },
  lanes: LaneSpan,
): Float32Array[] {
  return specs.map((spec) =>
    draw(spec, lanes, 0, (lane) => random(seed, "sample", sample, spec.name, step, lane))
  );
}

function draw(
  { shape, distribution }: NoiseSpec,
  lanes: LaneSpan,
  chance: number,
  streamOf: (lane: number) => Random,
): Float32Array {
  const size = sizeOf(shape);
  const values = new Float32Array(lanes.count * size);
  for (let row = 0; row < lanes.count; row++) {
    const stream = streamOf(lanes.first + row);
    const next = {
      normal: stream.normal,
      uniform: stream.uniform,
      coin: () => stream.uniform() < chance ? 1 : 0,
    }[distribution];
    for (let i = row * size; i < (row + 1) * size; i++) values[i] = next();
  }
  return values;
}
