import assert from "node:assert/strict";
import type { NoiseSpec } from "../../models/model.ts";
import { drawNoise, drawSampleNoise } from "../../worker/lane_noise.ts";

const specs: readonly NoiseSpec[] = [
  { name: "sampling", shape: [3, 200], distribution: "normal" },
  { name: "dropout", shape: [500], distribution: "uniform" },
];

Deno.test("drawNoise gives a lane the same numbers however lanes are grouped", () => {
  const all = drawNoise(specs, 7, 12, { first: 0, count: 6 });
  for (const count of [1, 2, 3]) {
    for (let first = 0; first < 6; first += count) {
      const part = drawNoise(specs, 7, 12, { first, count });
      part.forEach((values, index) => {
        const size = all[index].length / 6;
        assert.deepEqual(values, all[index].subarray(first * size, (first + count) * size));
      });
    }
  }
});

Deno.test("drawNoise draws anew for another seed, name, step and lane", () => {
  const lane = { first: 3, count: 1 };
  const [before] = drawNoise(specs, 7, 12, lane);
  const renamed = [{ ...specs[0], name: "other" }];
  for (
    const [other] of [
      drawNoise(specs, 8, 12, lane),
      drawNoise(specs, 7, 13, lane),
      drawNoise(specs, 7, 12, { first: 4, count: 1 }),
      drawNoise(renamed, 7, 12, lane),
    ]
  ) {
    assert.ok(before.every((value, i) => value !== other[i]));
  }
});

Deno.test("drawSampleNoise draws anew for another sample, and no coins", () => {
  const lane = { first: 3, count: 2 };
  const coin: NoiseSpec = { name: "fed", shape: [50], distribution: "coin", chance: () => 1 };
  const drawn = (step: number, sample: number, lanes = lane) =>
    drawSampleNoise([...specs, coin], 7, { step, sample }, lanes);
  const [before, , coins] = drawn(0, 1);
  assert.deepEqual(drawn(0, 1)[0], before);
  assert.deepEqual(drawn(0, 1, { first: 4, count: 1 })[0], before.subarray(before.length / 2));
  assert.ok(coins.every((value) => value === 0));
  for (const [other] of [drawn(0, 0), drawn(1, 1), drawNoise(specs, 7, 1, lane)]) {
    assert.ok(before.every((value, i) => value !== other[i]));
  }
});

Deno.test("drawNoise draws from the distributions that it is asked for", () => {
  const [normal, uniform] = drawNoise(specs, 7, 1, { first: 0, count: 40 });
  const mean = (values: Float32Array) => values.reduce((sum, x) => sum + x, 0) / values.length;
  const variance = (values: Float32Array) => mean(values.map((x) => (x - mean(values)) ** 2));
  // Four standard errors of 24,000 and of 20,000 values.
  assert.ok(Math.abs(mean(normal)) < 0.026 && Math.abs(variance(normal) - 1) < 0.037);
  assert.ok(Math.abs(mean(uniform) - 0.5) < 0.0082);
  assert.ok(uniform.every((x) => x >= 0 && x < 1) && Math.abs(variance(uniform) - 1 / 12) < 0.003);
});

Deno.test("drawNoise tosses a coin with the chance of the step", () => {
  const coin: NoiseSpec = {
    name: "truth",
    shape: [500],
    distribution: "coin",
    chance: (step) => Math.max(0, 1 - step / 10),
  };
  const share = (step: number) => {
    const [values] = drawNoise([coin], 7, step, { first: 0, count: 40 });
    assert.ok(values.every((value) => value === 0 || value === 1));
    return values.reduce((sum, value) => sum + value, 0) / values.length;
  };
  assert.deepEqual([share(0), share(10), share(11)], [1, 0, 0]);
  // Four standard errors of 20,000 tosses.
  assert.ok(Math.abs(share(3) - 0.7) < 0.013 && Math.abs(share(8) - 0.2) < 0.012);
});
