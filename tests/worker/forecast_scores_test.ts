import assert from "node:assert/strict";
import { radarExtrapolation } from "../../baselines/radar_extrapolation.ts";
import type { RainDataset } from "../../datasets/rain_dataset.ts";
import { syntheticRain } from "../../datasets/synthetic_rain.ts";
import { createEvaluationScores } from "../../metrics/evaluation_scores.ts";
import { rankedProbabilityScore, rankedProbabilitySums } from "../../metrics/ranked_probability.ts";
import { createForecastScores } from "../../worker/forecast_scores.ts";

const [context, leads, side] = [3, 2, 32];
const size = side * side;

async function rain(): Promise<{ dataset: RainDataset; frames: Float32Array }> {
  const counts = { sequences: 1, validationSequences: 1, testSequences: 1, endless: false };
  const lengths = { sequenceFrames: 8, sequenceFramesMin: 8 };
  const dataset = syntheticRain({ frameSize: side, ...counts, ...lengths }, 3);
  const request = { split: "test", epoch: 0, sequence: 0, offset: 0, frames: 8 } as const;
  return { dataset, frames: await dataset.read(request) };
}

Deno.test("model, last frame and extrapolation are scored on the same frames", async () => {
  const { dataset, frames } = await rain();
  const options = { dataset, thresholds: [0.1, 1], scales: [3] };
  const scores = createForecastScores(options, leads, { persistence: true, extrapolation: true });
  const span = (from: number, count: number) => frames.subarray(from * size, (from + count) * size);
  const forecast = span(1, leads);
  scores.add(span(0, context), forecast, span(context, leads), leads);
  // The second forecast ends after one frame, whose padding would be nonsense.
  scores.add(span(3, context), forecast, span(6, 1), 1);
  const result = scores.result();
  const expected = (forecasts: readonly (readonly [at: number, values: Float32Array])[]) => {
    const events = { thresholds: [0.1, 1], scales: [3], relation: dataset.relation };
    const own = createEvaluationScores({ frameShape: dataset.frameShape, leads, events });
    for (const [at, values] of forecasts) {
      for (let lead = 0; lead < values.length / size; lead++) {
        own.add(lead, values.subarray(lead * size, (lead + 1) * size), span(at + lead, 1));
      }
    }
    return own.result();
  };
  assert.deepEqual(result.frames, expected([[3, forecast], [6, forecast.subarray(0, size)]]));
  const repeated = new Float32Array(leads * size);
  for (let lead = 0; lead < leads; lead++) repeated.set(span(2, 1), lead * size);
  assert.deepEqual(result.persistence, expected([[3, repeated], [6, span(5, 1)]]));
  const moved = (from: number, count: number) =>
    radarExtrapolation(span(from, context), dataset.frameShape, count, "edge");
  assert.deepEqual(result.extrapolation, expected([[3, moved(0, leads)], [6, moved(3, 1)]]));
  assert.notDeepEqual(result.extrapolation, result.persistence);
  assert.ok(result.frames.pooled.rain!.rainfallMse! > 0);
  assert.equal(result.frames.pooled.events[0].fss[0].scale, 3);
});

Deno.test("several answers are scored beside the single ones of other forecasts", async () => {
  const { dataset: { relation: _, ...dataset }, frames } = await rain();
  const scores = createForecastScores({ dataset, thresholds: [], scales: [] }, leads, {
    ...{ persistence: true, extrapolation: false },
  });
  const span = (from: number, count: number) => frames.subarray(from * size, (from + count) * size);
  const [forecast, truth, samples] = [span(1, leads), span(3, leads), [span(2, leads), span(5, 2)]];
  scores.add(span(0, context), forecast, truth, leads, samples);
  const { frames: model, persistence } = scores.result();
  for (const lead of [0, 1]) {
    const part = (values: Float32Array) => values.subarray(lead * size, (lead + 1) * size);
    const expected = rankedProbabilitySums(samples.map(part), part(truth));
    assert.equal(model.leads[lead].crps, rankedProbabilityScore(expected));
    const { crps, mae } = persistence!.leads[lead];
    assert.ok(Math.abs(crps! - mae! / size) < 1e-6);
  }
});

Deno.test("frames that are no rain have no extrapolation and no rain rates", async () => {
  const { dataset, frames } = await rain();
  const { relation: _, ...plain } = dataset;
  const options = { dataset: plain, thresholds: [0.5], scales: [] };
  const scores = createForecastScores(options, 1, { persistence: false, extrapolation: false });
  scores.add(frames.subarray(0, 0), frames.subarray(0, size), frames.subarray(0, size), 1);
  const { frames: exact, persistence, extrapolation } = scores.result();
  assert.equal(persistence, undefined);
  assert.equal(extrapolation, undefined);
  assert.equal(exact.pooled.rain, null);
  assert.equal(exact.pooled.mse, 0);
});
