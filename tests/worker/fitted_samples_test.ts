import assert from "node:assert/strict";
import { checkUpload } from "../../coordinator/upload_check.ts";
import { picturedSequences } from "../../coordinator/pictured_sequences.ts";
import { fitSamples, pictureSideMax } from "../../worker/fitted_samples.ts";

function sampleOf(frames: number, values: number, fill = 0.5) {
  return {
    label: "test/0",
    frames,
    firstPredicted: 1,
    truth: new Float32Array(frames * values).fill(fill),
    predictions: new Float32Array((frames - 1) * values).fill(fill),
  };
}

Deno.test("fitSamples() leaves samples alone that a picture has room for", () => {
  const sample = sampleOf(3, pictureSideMax * 4);
  const { count, height, width, reduce } = fitSamples([sample, sample], [pictureSideMax, 4], 1);
  assert.deepEqual([count, height, width], [2, pictureSideMax, 4]);
  assert.equal(reduce(sample), sample);
  assert.equal(fitSamples([], [4, 4], 1).count, 0);
});

Deno.test("fitSamples() makes squares of pixels one, the mean of what was observed in them", () => {
  const [height, width] = [3, 2 * pictureSideMax + 1];
  const pixels = height * width;
  // Values that tell frame, row and column; the edges have squares that are cut off.
  const at = (frame: number, row: number, column: number) => frame + row / 4 + (column % 7) / 64;
  const truth = Float32Array.from({ length: 2 * pixels }, (_, i) => {
    const [frame, pixel] = [Math.floor(i / pixels), i % pixels];
    return at(frame, Math.floor(pixel / width), pixel % width);
  });
  truth[1] = NaN;
  for (const row of [0, 1, 2]) for (const column of [3, 4, 5]) truth[row * width + column] = NaN;
  const sample = { ...sampleOf(2, pixels), truth };
  const fitted = fitSamples([sample], [height, width], 1);
  // Three by three, so that the longer side is below the most.
  assert.deepEqual([fitted.count, fitted.height, fitted.width], [1, 1, Math.ceil(width / 3)]);
  const small = fitted.reduce(sample);
  const meanOf = (frame: number, column: number) => {
    const values: number[] = [];
    for (let row = 0; row < height; row++) {
      for (let x = 3 * column; x < Math.min(width, 3 * column + 3); x++) {
        const value = truth[frame * pixels + row * width + x];
        if (!Number.isNaN(value)) values.push(value);
      }
    }
    return Math.fround(values.reduce((sum, value) => sum + value, 0) / values.length);
  };
  assert.deepEqual(
    [...small.truth],
    [0, 1].flatMap((frame) =>
      Array.from({ length: fitted.width }, (_, column) => meanOf(frame, column))
    ),
  );
  assert.ok(Number.isNaN(small.truth[1]) && !Number.isNaN(small.truth[0]));
  assert.deepEqual(new Set(small.predictions), new Set([0.5]));
  assert.equal(small.predictions.length, fitted.width);
});

Deno.test("fitSamples() keeps the numbers of classes, and colours apart", () => {
  const side = 2 * pictureSideMax;
  const classes = Float32Array.from({ length: 2 * side }, (_, i) => i % 3);
  const answer = {
    channels: 1,
    classes: ["a", "b", "c"],
    seen: new Float32Array(2 * side).fill(1),
  };
  const sample = { ...sampleOf(1, 2 * side), firstPredicted: 0, truth: classes, answer };
  const { reduce } = fitSamples([{ ...sample, predictions: classes }], [2, side], 3);
  const small = reduce({ ...sample, predictions: classes });
  assert.deepEqual(
    small.predictions,
    Float32Array.from({ length: side / 2 }, (_, i) => (2 * i) % 3),
  );
  assert.deepEqual(small.answer!.seen, new Float32Array(side / 2).fill(1));
  const colour = Float32Array.from({ length: side * 3 }, (_, i) => i % 3);
  const coloured = { ...sampleOf(1, side * 3), firstPredicted: 0, truth: colour };
  const fitted = fitSamples([coloured], [1, side], 3).reduce({ ...coloured, predictions: colour });
  assert.deepEqual(fitted.truth, Float32Array.from({ length: side / 2 * 3 }, (_, i) => i % 3));
});

Deno.test("what fitSamples() leaves is what the coordinator takes, whatever the frames", () => {
  const bounds = { specs: undefined, lanes: 1, shards: 1, members: ["a"] };
  for (
    const [frames, height, width, channels] of [
      ...[[20, 1024, 1024, 1], [20, 4096, 4096, 3], [20, 4096, 1, 1], [400, 600, 512, 3]],
      ...[[20_000, 64, 64, 1], [2, 512, 512, 3]],
    ]
  ) {
    // Samples have their length alone: their values would fill the memory.
    const sample = { ...sampleOf(0, 0), frames };
    const fitted = fitSamples([sample, sample, sample, sample], [height, width], channels);
    const label = [frames, height, width, channels].join(" x ");
    assert.ok(fitted.count > 0, label);
    const totalBytes = 4 * frames * fitted.height * fitted.width * channels;
    checkUpload({ vector: "sample/0/truth", totalBytes }, "a", bounds);
    const samples = Array.from({ length: fitted.count }, () => ({
      ...{ label, frames, firstPredicted: 1 },
    }));
    const { height: rows, width: columns } = fitted;
    const request = {
      generation: 1,
      step: 1,
      isLast: true,
      height: rows,
      width: columns,
      channels,
    };
    assert.doesNotThrow(
      () => picturedSequences({ ...request, samples }, () => sample.truth),
      label,
    );
  }
  assert.equal(fitSamples([{ ...sampleOf(0, 0), frames: 2 ** 24 }], [64, 64], 1).count, 0);
});
