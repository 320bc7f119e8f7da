import assert from "node:assert/strict";
import type { WindowTask } from "../../datasets/plan.ts";
import { createAnomalyScores } from "../../worker/anomaly_scores.ts";

const task = (sequence: number): WindowTask => ({
  ...{ sequence, offset: 0, frames: 5, reset: true, validPredictions: 5 },
});

Deno.test("createAnomalyScores ranks all frames, and shows sequences with events first", () => {
  const catalogue = ["a", "b", "c"].map((id) => ({ id, frames: 5 }));
  const scores = createAnomalyScores(catalogue);
  assert.equal(scores.result().rocAuc, null);
  const errors = [[1, 2, 3], [4, 9, 5], [3, 2, 8]];
  const events = [[0, 0, 0], [0, 1, 0], [1, 0, 1]];
  // In the order in which lanes play them: of several sequences, and not by frame.
  for (const sequence of [2, 0, 1]) {
    for (const frame of [2, 0, 1]) {
      scores.add(task(sequence), {
        frame,
        error: errors[sequence][frame],
        isEvent: events[sequence][frame] === 1,
        persistenceError: 1,
      });
    }
  }
  // The events' errors 9, 3 and 8 among 1, 2, 3, 4, 5 and 2: of 18 pairs 6 + 3.5 + 6 are in order.
  const { frames, events: count, rocAuc, persistenceRocAuc } = scores.result();
  assert.deepEqual([frames, count, rocAuc, persistenceRocAuc], [9, 3, 15.5 / 18, 0.5]);
  const shown = scores.timelines(2);
  assert.deepEqual(shown.map(({ id }) => id), ["b", "c"]);
  assert.deepEqual(shown[0].frames.map(({ frame, error }) => [frame, error]), [
    [0, 4],
    [1, 9],
    [2, 5],
  ]);
  assert.deepEqual(scores.timelines(9).map(({ id }) => id), ["b", "c", "a"]);
});
