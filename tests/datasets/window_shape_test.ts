import assert from "node:assert/strict";
import {
  atStride,
  validPredictions,
  windowCount,
  type WindowShape,
} from "../../datasets/window_shape.ts";

/** Windows counted by walking along the sequence, a frame at a time. */
function walk(frames: number, window: WindowShape): number[] {
  const context = window.frames - window.predictions;
  const valid: number[] = [];
  for (let start = 0;; start += window.advance) {
    let predicted = 0;
    for (let frame = start + context; frame < start + window.frames; frame++) {
      if (frame < frames) predicted++;
    }
    if (predicted === 0) return valid;
    valid.push(predicted);
  }
}

Deno.test("windowCount and validPredictions agree with a walk along the sequence", () => {
  for (const predictions of [1, 2, 5, 10]) {
    for (const context of [1, 3, 10]) {
      for (const advance of [predictions, predictions + context]) {
        const window = { frames: context + predictions, advance, predictions, carriesState: true };
        for (let frames = 0; frames <= 3 * window.frames + 2; frames++) {
          const valid = walk(frames, window);
          const what = `${frames} frames, ${JSON.stringify(window)}`;
          assert.equal(windowCount(frames, window), valid.length, what);
          const found = valid.map((_, index) => validPredictions(frames, window, index));
          assert.deepEqual(found, valid, what);
          assert.equal(validPredictions(frames, window, valid.length), 0, what);
        }
      }
    }
  }
});

Deno.test("a stateful model predicts every frame of a sequence but the first, once", () => {
  const window = { frames: 11, advance: 10, predictions: 10, carriesState: true };
  for (let frames = 1; frames < 50; frames++) {
    let predicted = 0;
    for (let index = 0; index < windowCount(frames, window); index++) {
      predicted += validPredictions(frames, window, index);
    }
    assert.equal(predicted, frames - 1);
  }
});

Deno.test("windows that overlap are whole, one for each place that they fit into", () => {
  const window = { frames: 8, advance: 8, predictions: 3, carriesState: false };
  for (const stride of [1, 2]) {
    const overlapping = atStride(window, stride);
    for (let frames = 8; frames < 30; frames++) {
      const starts = Array.from({ length: frames }, (_, i) => i * stride)
        .filter((start) => start + 8 <= frames);
      assert.equal(windowCount(frames, overlapping), starts.length);
      for (const index of starts.keys()) {
        assert.equal(validPredictions(frames, overlapping, index), 3);
      }
    }
    // Too short for a whole one, long enough for something to predict.
    assert.deepEqual([5, 6, 7].map((frames) => windowCount(frames, overlapping)), [0, 1, 1]);
    assert.equal(validPredictions(7, overlapping, 0), 2);
  }
  assert.equal(atStride(window, null), window);
});

Deno.test("atStride() refuses to part windows between which state is carried", () => {
  const window = { frames: 11, advance: 10, predictions: 10, carriesState: true };
  assert.equal(atStride(window, 10), window);
  assert.throws(() => atStride(window, 5), /--stride 5 .* follow each other by 10 frames/);
});
