import assert from "node:assert/strict";
import type { SequenceEntry } from "../../datasets/dataset.ts";
import { planEpoch } from "../../datasets/plan.ts";
import type { WindowShape } from "../../datasets/window_shape.ts";
import { buildSchedule, COSINE_FLOOR_SHARE } from "../../models/schedules.ts";
import { random } from "../../net/random.ts";
import { trainingSteps } from "../../worker/training_span.ts";

const window: WindowShape = { frames: 6, advance: 5, predictions: 5, carriesState: true };
const base = { lanes: 4, seed: 3, shuffle: true };

/** Sequences of other lengths each epoch, as an endless dataset has them. */
function endless(seed: number) {
  return {
    catalogue(_split: string, epoch: number): SequenceEntry[] {
      const stream = random(seed, "lengths", epoch);
      return Array.from({ length: 9 }, (_, index) => ({
        id: `${epoch}/${index}`,
        frames: 2 + Math.floor(stream.uniform() * 60),
      }));
    },
  };
}

function planned(dataset: ReturnType<typeof endless>, epochs: number): number {
  let total = 0;
  for (let epoch = 0; epoch < epochs; epoch++) {
    total +=
      planEpoch({ ...base, sequences: dataset.catalogue("train", epoch), window, epoch }).steps;
  }
  return total;
}

Deno.test("trainingSteps adds the steps of epochs that differ", () => {
  for (let seed = 1; seed <= 20; seed++) {
    const dataset = endless(seed);
    assert.equal(
      trainingSteps({ ...base, epochs: 7, steps: null }, dataset, window),
      planned(dataset, 7),
      `seed ${seed}`,
    );
  }
});

Deno.test("trainingSteps ends with whichever of epochs and steps comes first", () => {
  const dataset = endless(5);
  const all = planned(dataset, 7);
  const span = (epochs: number | null, steps: number | null) =>
    trainingSteps({ ...base, epochs, steps }, dataset, window);
  assert.equal(span(7, all - 1), all - 1);
  assert.equal(span(7, all), all);
  assert.equal(span(7, all + 1), all);
  assert.equal(span(null, 12), 12);
});

Deno.test("trainingSteps plans a fixed dataset once, for a million epochs too", () => {
  const sequences = endless(9).catalogue("train", 0);
  let asked = 0;
  const dataset = {
    catalogue() {
      asked++;
      return sequences;
    },
  };
  const one = planEpoch({ ...base, sequences, window, epoch: 0 }).steps;
  const span = trainingSteps({ ...base, epochs: 1_000_000, steps: null }, dataset, window);
  assert.equal(span, 1_000_000 * one);
  assert.equal(asked, 2);
});

Deno.test("a schedule over --epochs and --steps ends at the run's last step", () => {
  const dataset = endless(11);
  const rule = { schedule: "cosine", learningRate: 0.5, warmupSteps: 0 } as const;
  for (const [epochs, steps] of [[10, 20], [2, 1000]]) {
    const last = trainingSteps({ ...base, epochs, steps }, dataset, window);
    const rate = buildSchedule(rule, last);
    assert.equal(rate(last), 0.5 * COSINE_FLOOR_SHARE);
    assert.ok(rate(last - 1) > rate(last));
  }
});
