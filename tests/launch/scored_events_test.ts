import assert from "node:assert/strict";
import type { Dataset } from "../../datasets/dataset.ts";
import { marshallPalmer } from "../../datasets/radar_scale.ts";
import { evaluationInWords } from "../../launch/evaluation_tables.ts";
import { scoredEvents } from "../../launch/scored_events.ts";
import { createForecastScores } from "../../worker/forecast_scores.ts";

const plain: Dataset = {
  name: "npy",
  frameShape: [2, 2, 1],
  description: "Four pixels",
  unit: "1",
  catalogue: () => [],
  read: () => Promise.resolve(new Float32Array()),
  close() {},
};
const sevir: Dataset = { ...plain, name: "sevir", eventScale: 255 };
const published = [16, 74, 133, 160, 181, 219];

Deno.test("scoredEvents() are the dataset's usual ones, else those of the flags", () => {
  const rain = { ...plain, name: "radar", relation: marshallPalmer };
  assert.deepEqual(scoredEvents({}, plain), { thresholds: [], scales: [] });
  assert.deepEqual(scoredEvents({}, rain), { thresholds: [0.5, 2, 5], scales: [1, 5] });
  assert.deepEqual(scoredEvents({}, sevir), { thresholds: published, scales: [] });
  const given = { thresholds: [74], scales: [3] };
  for (const dataset of [plain, rain, sevir]) assert.deepEqual(scoredEvents(given, dataset), given);
});

Deno.test("evaluationInWords() tells thresholds in the dataset's unit, and their mean CSI last", () => {
  const words = (thresholds: readonly number[]) => {
    const options = { dataset: sevir, thresholds, scales: [] };
    const scores = createForecastScores(options, 2, { persistence: false, extrapolation: false });
    // At 16 one hit and one false alarm, at 74 a hit, above nothing.
    const truth = Float32Array.of(100, 0, 0, 0, 100, 0, 0, 0).map((vil) => vil / 255);
    const forecast = Float32Array.of(100, 20, 0, 0, 100, 20, 0, 0).map((vil) => vil / 255);
    scores.add(new Float32Array(4), forecast, truth, 2);
    return evaluationInWords("mse", { loss: 1 }, scores.result());
  };
  const text = words(published);
  assert.match(text, /^16 +model +0\.5000? +1\S* +0\.5/m);
  assert.match(text, /^74 +model +1/m);
  assert.match(text, /^219 +model +– /m);
  assert.match(text, /^mean +model +0\.75\d*$/m);
  assert.match(text, /^CSI-M, lead +model\n.*\n +1 +0\.75\d*\n +2 +0\.75/m);
  // Of one threshold there is no mean.
  assert.doesNotMatch(words([16]), /CSI-M|^mean/m);
});
