import assert from "node:assert/strict";
import { random } from "../../net/random.ts";
import { isRainDataset } from "../../datasets/rain_dataset.ts";
import { openRadar } from "../../datasets/radar.ts";
import { drawRainField, rainFrames, windPath } from "../../datasets/rain_field.ts";
import { rainRateOfValue } from "../../datasets/radar_scale.ts";

const options = {
  path: null,
  frameSize: 64,
  sequenceFrames: 24,
  sequenceFramesMin: 24,
  sequences: 20,
  validationSequences: 2,
  testSequences: 2,
  endless: true,
};
const whole = { split: "train", epoch: 0, sequence: 0, offset: 0, frames: 24 } as const;

Deno.test("rainFrames() gives the same frames alone and within a longer span", () => {
  const field = drawRainField(random(3), 30, 32);
  const all = rainFrames(field, { offset: 0, frames: 30 });
  assert.deepEqual(
    rainFrames(field, { offset: 17, frames: 2 }),
    all.subarray(17 * 1024, 19 * 1024),
  );
});

Deno.test("drawRainField() draws what it has drawn before: a run's data stay what they are", () => {
  const field = drawRainField(random(3), 30, 32);
  // As drawn by the version of 2026-11-29.
  assert.deepEqual(field.swing, {
    dbz: 1.3385870812926441,
    pace: 0.05313738553175457,
    phase: 5.716486067413001,
  });
});

Deno.test("rainFrames() rains on a fifth to a third of the pixels, at rates of real rain", async () => {
  const dataset = await openRadar(options, 5);
  assert.ok(isRainDataset(dataset));
  let wet = 0;
  let total = 0;
  const rates: number[] = [];
  for (let sequence = 0; sequence < 20; sequence++) {
    for (const value of await dataset.read({ ...whole, sequence })) {
      assert.ok(value >= 0 && value <= 1);
      total++;
      if (value === 0) continue;
      wet++;
      rates.push(rainRateOfValue(value, dataset.relation));
    }
  }
  assert.ok(wet / total > 0.18 && wet / total < 0.34, `share of rain ${wet / total}`);
  rates.sort((one, two) => one - two);
  assert.ok(rates[0] >= 0.099, `least rain ${rates[0]} mm/h`);
  const median = rates[Math.floor(rates.length / 2)];
  assert.ok(median > 0.2 && median < 1, `median ${median} mm/h where it rains`);
  const heavy = rates.filter((rate) => rate >= 5).length / total;
  assert.ok(heavy > 0.0005 && heavy < 0.02, `share of heavy rain ${heavy}`);
});

Deno.test("rainFrames() moves with the wind", () => {
  for (const seed of [1, 2, 3, 4]) {
    const field = drawRainField(random(seed, "wind"), 24, 64);
    const frames = rainFrames(field, { offset: 10, frames: 4 });
    const [start, end] = [windPath(field.wind, 10), windPath(field.wind, 13)];
    const found = displacement(frames.subarray(0, 4096), frames.subarray(3 * 4096), 64);
    const error = Math.hypot(found.x - (end.x - start.x), found.y - (end.y - start.y));
    assert.ok(Math.hypot(found.x, found.y) >= 1, `seed ${seed} moves by ${JSON.stringify(found)}`);
    assert.ok(error <= 2.5, `seed ${seed} is off by ${error} pixels`);
  }
});

Deno.test("rainFrames() grows and decays along the motion", () => {
  const field = drawRainField(random(9), 60, 64);
  const frames = rainFrames(field, { offset: 0, frames: 60 });
  const share = (frame: number) =>
    frames.subarray(frame * 4096, (frame + 1) * 4096).filter((value) => value > 0).length / 4096;
  const shares = Array.from({ length: 60 }, (_, frame) => share(frame));
  assert.ok(Math.max(...shares) > 1.3 * Math.min(...shares), `shares ${shares}`);
  // Followed with the wind, later frames resemble the first one ever less.
  const resemblance = [1, 4, 12].map((lead) => {
    const fields = [1, 2, 3, 4, 5, 6].map((seed) => drawRainField(random(seed), 16, 64));
    const correlations = fields.map((field) => {
      const frames = rainFrames(field, { offset: 0, frames: lead + 1 });
      const { x, y } = windPath(field.wind, lead);
      const shift = { x: Math.round(x), y: Math.round(y), size: 64 };
      return overlapCorrelation(frames.subarray(0, 4096), frames.subarray(lead * 4096), shift);
    });
    return correlations.reduce((sum, correlation) => sum + correlation, 0) / correlations.length;
  });
  assert.ok(resemblance[0] > 0.9, `${resemblance}`);
  assert.ok(resemblance[1] < resemblance[0] - 0.05, `${resemblance}`);
  assert.ok(resemblance[2] < resemblance[1] - 0.05, `${resemblance}`);
});

Deno.test("openRadar() without a path is seeded, endless and of any length", async () => {
  const [one, same, other] = await Promise.all([5, 5, 6].map((seed) => openRadar(options, seed)));
  assert.deepEqual(await one.read(whole), await same.read(whole));
  assert.notDeepEqual(await one.read(whole), await other.read(whole));
  assert.notDeepEqual(await one.read(whole), await one.read({ ...whole, epoch: 1 }));
  assert.notDeepEqual(await one.read(whole), await one.read({ ...whole, split: "test" }));
  const fixed = await openRadar({ ...options, endless: false, frameSize: 32 }, 5);
  assert.deepEqual(await fixed.read(whole), await fixed.read({ ...whole, epoch: 1 }));
  assert.deepEqual(fixed.frameShape, [32, 32, 1]);
  const varied = await openRadar({ ...options, sequenceFramesMin: 10, sequences: 200 }, 5);
  const lengths = varied.catalogue("train", 0).map(({ frames }) => frames);
  assert.deepEqual([Math.min(...lengths), Math.max(...lengths)], [10, 24]);
});

/** The shift of at most 12 pixels with which `later` correlates best with `earlier`. */
function displacement(earlier: Float32Array, later: Float32Array, size: number) {
  const reach = 12;
  let best = { x: 0, y: 0, correlation: -1 };
  for (let y = -reach; y <= reach; y++) {
    for (let x = -reach; x <= reach; x++) {
      const correlation = overlapCorrelation(earlier, later, { x, y, size });
      if (correlation > best.correlation) best = { x, y, correlation };
    }
  }
  return best;
}

function overlapCorrelation(
  earlier: Float32Array,
  later: Float32Array,
  { x, y, size }: { x: number; y: number; size: number },
): number {
  let [n, a, b, aa, bb, ab] = [0, 0, 0, 0, 0, 0];
  for (let row = Math.max(0, -y); row < Math.min(size, size - y); row++) {
    for (let column = Math.max(0, -x); column < Math.min(size, size - x); column++) {
      const before = earlier[row * size + column];
      const after = later[(row + y) * size + column + x];
      n++;
      a += before;
      b += after;
      aa += before * before;
      bb += after * after;
      ab += before * after;
    }
  }
  return (n * ab - a * b) / Math.sqrt((n * aa - a * a) * (n * bb - b * b) || 1);
}
