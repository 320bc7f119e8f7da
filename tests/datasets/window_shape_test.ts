import assert from "node:assert/strict";
import { validPredictions, windowCount, type WindowShape } from "../../datasets/window_shape.ts";

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
