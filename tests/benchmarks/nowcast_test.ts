import assert from "node:assert/strict";
import { observedArea, readArea } from "../../benchmarks/nowcast_area.ts";
import { createNowcastScores } from "../../benchmarks/nowcast_scores.ts";
import { marshallPalmer, valueOfRainRate } from "../../datasets/radar_scale.ts";

const values = (...rates: number[]) =>
  Float32Array.from(
    rates,
    (rate) => Number.isNaN(rate) ? NaN : valueOfRainRate(rate, marshallPalmer),
  );

Deno.test("createNowcastScores() scores the pixels that are observed and that every forecast knows", () => {
  const scores = createNowcastScores({
    names: ["network", "flow"],
    leads: 2,
    thresholds: [0.5, 2],
    relation: marshallPalmer,
  });
  const truth = values(1, 1, 3, 0.2, NaN, 4);
  scores.add(0, truth, [values(1, 0.1, 3, 1, 9, 9), values(3, 0.1, 0.1, 0.2, 9, NaN)]);
  scores.add(0, truth, [values(1, 0.1, 3, 1, 9, 9), values(3, 3, 0.1, 0.2, 9, 1)]);
  const { pixels, forecasts: [network, flow] } = scores.result();
  assert.deepEqual(pixels, [4 + 5, 0]);
  // At 0.5 mm/h: hits 2, a miss and a false alarm in the first; in the second 3, 1 and 1.
  assert.equal(network.leads[0].events[0].csi, 5 / 9);
  assert.equal(network.leads[0].events[1].csi, 3 / 3);
  assert.equal(flow.leads[0].events[0].csi, (1 + 3) / (3 + 4));
  assert.equal(flow.leads[1].events[0].csi, null);
  assert.deepEqual(flow.pooled.events, flow.leads[0].events);
  // Wrong by 0.9 and 0.8 in both, by 5 in the second.
  const expected = (2 * (0.9 ** 2 + 0.8 ** 2) + 5 ** 2) / 9;
  assert.ok(Math.abs(network.pooled.rainfallMse! - expected) < 1e-4);
});

Deno.test("observedArea() holds every observed pixel, and readArea() knows none beside the scan", async () => {
  const [rows, columns] = [20, 40];
  const scan = new Float32Array(rows * columns).fill(NaN);
  scan[3 * columns + 30] = 0.5;
  scan[18 * columns + 33] = 0.25;
  const area = observedArea(scan, rows, columns);
  assert.deepEqual(area, { top: 3, left: 30, height: 16, width: 16 });
  const composites = {
    ...{ rows, columns, intervalMinutes: 5, minutes: [0, 5] },
    scans: () => [0, 2] as const,
    read: (index: number) => Promise.resolve(scan.map((value) => value + index)),
  };
  const frames = await readArea(composites, area, 0, 2);
  assert.equal(frames.length, 2 * 16 * 16);
  const known = [...frames.entries()].filter(([, value]) => !Number.isNaN(value));
  assert.deepEqual(known, [[0, 0.5], [15 * 16 + 3, 0.25], [256, 1.5], [256 + 15 * 16 + 3, 1.25]]);
  assert.throws(() => observedArea(scan.fill(NaN), rows, columns), /observes no pixel/);
});
