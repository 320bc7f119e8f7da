import assert from "node:assert/strict";
import type { WindowTask } from "../../datasets/plan.ts";
import { anomalyScores } from "../../worker/anomaly_scores.ts";
import { createFrameErrors } from "../../worker/frame_errors.ts";

const task = (sequence: number): WindowTask => ({
  ...{ sequence, offset: 0, frames: 5, reset: true, validPredictions: 5 },
});
const catalogue = ["a", "b", "c"].map((id) => ({ id, frames: 5 }));
const errors = [[1, 2, 3], [4, 9, 5], [3, 2, 8]];

/** In the order in which lanes play them: of several sequences, and not by frame. */
function scoredFrames(isEvent?: (sequence: number, frame: number) => boolean) {
  const scored = createFrameErrors(catalogue);
  for (const sequence of [2, 0, 1]) {
    for (const frame of [2, 0, 1]) {
      scored.add(task(sequence), {
        ...{ frame, error: errors[sequence][frame], persistenceError: 1 },
        ...(isEvent ? { isEvent: isEvent(sequence, frame) } : {}),
      });
    }
  }
  return scored;
}

Deno.test("anomalyScores ranks all frames, and sequences with events are shown first", () => {
  assert.equal(anomalyScores([]).rocAuc, null);
  const events = [[0, 0, 0], [0, 1, 0], [1, 0, 1]];
  const scored = scoredFrames((sequence, frame) => events[sequence][frame] === 1);
  // The events' errors 9, 3 and 8 among 1, 2, 3, 4, 5 and 2: of 18 pairs 6 + 3.5 + 6 are in order.
  const { frames, events: count, rocAuc, persistenceRocAuc } = anomalyScores(scored.all());
  assert.deepEqual([frames, count, rocAuc, persistenceRocAuc], [9, 3, 15.5 / 18, 0.5]);
  const shown = scored.timelines(2);
  assert.deepEqual(shown.map(({ id }) => id), ["b", "c"]);
  assert.deepEqual(shown[0].frames.map(({ frame, error }) => [frame, error]), [
    [0, 4],
    [1, 9],
    [2, 5],
  ]);
  assert.deepEqual(scored.timelines(9).map(({ id }) => id), ["b", "c", "a"]);
  assert.deepEqual(scored.listed().sequences[1], {
    ...{ id: "c", frames: [0, 1, 2], errors: [3, 2, 8], persistenceErrors: [1, 1, 1] },
    isEvent: [true, false, true],
  });
});

Deno.test("createFrameErrors lists sequences in the split's order where no events are told of", () => {
  const { sequences, ...counts } = scoredFrames().listed();
  assert.deepEqual(counts, { frames: 9, framesListed: 9, framesListedMax: 10_000 });
  assert.deepEqual(sequences.map(({ id }) => id), ["a", "b", "c"]);
  assert.deepEqual(sequences.map((each) => each.errors), errors);
  assert.ok(sequences.every((each) => !("isEvent" in each)));
});

Deno.test("createFrameErrors lists so many frames and no more, and says how many there are", () => {
  const scored = createFrameErrors(catalogue);
  for (const sequence of [0, 1, 2]) {
    for (let frame = 0; frame < 4000; frame++) {
      scored.add(task(sequence), { frame, error: sequence, persistenceError: 0 });
    }
  }
  const { sequences, ...counts } = scored.listed();
  assert.deepEqual(counts, { frames: 12_000, framesListed: 10_000, framesListedMax: 10_000 });
  assert.deepEqual(sequences.map(({ errors }) => errors.length), [4000, 4000, 2000]);
});
