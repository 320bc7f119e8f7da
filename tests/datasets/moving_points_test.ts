import assert from "node:assert/strict";
import { movingPoints, movingPointsClasses } from "../../datasets/moving_points.ts";

const options = {
  frameSize: [50, 130],
  sequenceFrames: 20,
  sequenceFramesMin: 20,
  sequences: 40,
  validationSequences: 0,
  testSequences: 4,
  endless: false,
} as const;
const whole = { split: "train", epoch: 0, offset: 0, frames: 20 } as const;

/** Centre of the ink of each frame, (row, column). */
function centres(frames: Float32Array): [number, number][] {
  return Array.from({ length: frames.length / 6500 }, (_, frame) => {
    let [ink, y, x] = [0, 0, 0];
    frames.subarray(frame * 6500, (frame + 1) * 6500).forEach((value, pixel) => {
      ink += value;
      y += value * Math.floor(pixel / 130);
      x += value * (pixel % 130);
    });
    return [y / ink, x / ink];
  });
}

Deno.test("movingPoints() moves a point to the right on the course of its class", async () => {
  const dataset = movingPoints(options, 3);
  for (let sequence = 0; sequence < 40; sequence++) {
    const frames = await dataset.read({ ...whole, sequence });
    const answers = await dataset.readTargets!({ ...whole, sequence });
    const label = movingPointsClasses[answers.indexOf(1)];
    assert.equal(answers.reduce((sum, value) => sum + value, 0), 20);
    const places = centres(frames);
    const rows = places.map(([row]) => row);
    assert.ok(places.every(([, column], i) => i === 0 || column > places[i - 1][1]));
    // Rows grow downwards: who ascends loses rows.
    const steps = rows.slice(1).map((row, i) => row - rows[i]);
    // A third of a row is what drawing on whole pixels may add.
    const signs = new Set(steps.map((step) => (Math.abs(step) < 0.33 ? 0 : Math.sign(step))));
    const expected = { constant: [0], ascending: [-1], descending: [1] };
    if (label === "sine") assert.ok(signs.has(1) && signs.has(-1), `${rows}`);
    else assert.deepEqual([...signs], expected[label], label);
  }
});

Deno.test("movingPoints() has as many sequences of each class", async () => {
  const dataset = movingPoints(options, 3);
  const counts = [0, 0, 0, 0];
  for (let sequence = 0; sequence < 40; sequence++) {
    counts[(await dataset.readTargets!({ ...whole, sequence, frames: 1 })).indexOf(1)]++;
  }
  assert.deepEqual(counts, [10, 10, 10, 10]);
});

Deno.test("movingPoints() reads any run of frames, and refuses frames too small for its courses", async () => {
  const dataset = movingPoints(options, 3);
  const frames = await dataset.read({ ...whole, sequence: 5 });
  assert.deepEqual(
    await dataset.read({ ...whole, sequence: 5, offset: 18, frames: 2 }),
    frames.subarray(18 * 6500),
  );
  assert.throws(() => movingPoints({ ...options, frameSize: [10, 130] }, 1), /found 10x130/);
});

Deno.test("movingPoints() with courses that are alike differs by noise of a pixel", async () => {
  const dataset = movingPoints({ ...options, courses: "alike" }, 3);
  // Of the same class: every fourth.
  for (let label = 0; label < 4; label++) {
    const all = await Promise.all(
      [0, 1, 2, 3, 4].map((turn) => dataset.read({ ...whole, sequence: label + 4 * turn })),
    );
    const differences = all.slice(1).flatMap((frames) => {
      const first = centres(all[0]);
      return centres(frames).map(([row], frame) => row - first[frame][0]);
    });
    assert.ok(differences.every((difference) => Math.abs(difference) < 6), `${differences}`);
    const variance = differences.reduce((sum, each) => sum + each ** 2, 0) / differences.length;
    // Of a difference of two that have 1 each.
    assert.ok(variance > 1 && variance < 3, `${movingPointsClasses[label]}: ${variance}`);
    const columns = centres(all[0]).map(([, column]) => column);
    assert.equal(columns[19] > columns[0] + 100, movingPointsClasses[label] !== "constant");
    assert.deepEqual(
      await dataset.read({ ...whole, sequence: label, offset: 7, frames: 4 }),
      all[0].subarray(7 * 6500, 11 * 6500),
    );
  }
});
