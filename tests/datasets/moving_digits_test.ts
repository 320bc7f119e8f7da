import assert from "node:assert/strict";
import {
  classifyPixels,
  drawDigits,
  moveDigit,
  segmentClasses,
} from "../../datasets/moving_digits.ts";
import { openNpy } from "../../datasets/npy.ts";
import { openDigits } from "../../datasets/mnist_digits.ts";
import walks from "../fixtures/datasets/walks.json" with { type: "json" };
import { shared } from "./shared_data.ts";

Deno.test("moveDigit() gives the places of the published rules computed with NumPy", () => {
  assert.equal(walks.length, 28);
  for (const { canvas, places, ...course } of walks) {
    assert.deepEqual([...moveDigit(course, 40, canvas)], places.flat());
  }
});

Deno.test("moveDigit() moves before its first place and stops at the edge", () => {
  // To the right from 0.85: 0.95, then the edge at 1, then back by 0.1 of 36 pixels each frame.
  const places = moveDigit({ x: 0.85, y: 0.5, angle: 0 }, 4, 64);
  assert.deepEqual([...places], [18, 34, 18, 36, 18, 32, 18, 28]);
});

Deno.test("drawDigits() combines overlapping digits by maximum and starts at the offset", () => {
  const faint = new Uint8Array(28 * 28).fill(10);
  const strong = new Uint8Array(28 * 28);
  strong[0] = 200;
  const frames = drawDigits(
    [
      { pixels: faint, places: Int32Array.of(9, 9, 0, 1) },
      { pixels: strong, places: Int32Array.of(9, 9, 0, 2) },
    ],
    { offset: 1, frames: 1 },
    32,
  );
  assert.equal(frames.length, 32 * 32);
  assert.deepEqual([...frames.subarray(0, 4)], [0, 10, 200, 10]);
  assert.equal(frames.filter((pixel) => pixel === 10).length, 28 * 28 - 1);
});

Deno.test("drawDigits() reproduces the shared sequences bit for bit", shared.test, async () => {
  const digits = await openDigits(null);
  const file = await openNpy(shared.path("mnist-moving/mnist_seq_32.npy"));
  const rows = Deno.readTextFileSync(shared.path("mnist-moving/trajectories.csv")).trim().split(
    "\n",
  )
    .slice(1);
  assert.equal(rows.length, 32);
  for (const row of rows) {
    const cells = row.split(",");
    const placed = [1, 22].map((column) => ({
      pixels: digits.digit("test", Number(cells[column])),
      places: Int32Array.from(
        cells.slice(column + 1, column + 21).flatMap((cell) => cell.split(":").map(Number)),
      ),
    }));
    const drawn = drawDigits(placed, { offset: 0, frames: 20 }, 64);
    for (let frame = 0; frame < 20; frame++) {
      const start = (frame * 32 + Number(cells[0])) * 4096;
      assert.deepEqual(
        drawn.subarray(frame * 4096, (frame + 1) * 4096),
        await file.read(start, 4096),
      );
    }
  }
  file.close();
});

Deno.test("classifyPixels() names the digit with the most ink at each pixel", () => {
  const [strong, weak, faint] = [200, 100, 10].map((ink) => new Uint8Array(784).fill(ink));
  const at = (top: number, left: number) => Int32Array.from([top, left]);
  const answers = classifyPixels(
    [
      { pixels: weak, label: 3, places: at(0, 0) },
      { pixels: strong, label: 7, places: at(4, 4) },
      { pixels: faint, label: 9, places: at(0, 36) },
    ],
    { offset: 0, frames: 1 },
    64,
  );
  assert.equal(answers.length, 64 * 64 * 11);
  assert.equal(answers.reduce((sum, value) => sum + value, 0), 64 * 64, "one class a pixel");
  const classAt = (row: number, column: number) =>
    segmentClasses[
      answers.subarray((row * 64 + column) * 11, (row * 64 + column + 1) * 11).indexOf(1)
    ];
  assert.deepEqual(
    [classAt(0, 0), classAt(10, 10), classAt(31, 31), classAt(0, 40), classAt(50, 50)],
    ["3", "7", "7", "background", "background"],
  );
});
