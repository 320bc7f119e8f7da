import assert from "node:assert/strict";
import { marshallPalmer, valueOfRainRate } from "../../datasets/radar_scale.ts";
import { sevirThresholds } from "../../metrics/contingency.ts";
import { classScores, countClasses } from "../../metrics/confusion.ts";
import {
  createEvaluationScores,
  type EvaluationScoresOptions,
} from "../../metrics/evaluation_scores.ts";
import { frameScores, videoScores } from "../../metrics/video_scores.ts";
import { random } from "../../net/random.ts";

const options: EvaluationScoresOptions = {
  frameShape: [12, 9, 1],
  leads: 2,
  events: { thresholds: [0.5, 5], scales: [1, 3], relation: marshallPalmer },
};
const pixels = 12 * 9;

function frame(name: string, index: number): Float32Array {
  const draw = random("evaluation scores", name, index);
  return Float32Array.from({ length: pixels }, () => Math.max(0, draw.uniform() * 1.2 - 0.3));
}

const frames = Array.from({ length: 6 }, (_, index) => ({
  lead: index % 2,
  prediction: frame("prediction", index),
  truth: frame("truth", index),
  samples: [0, 1, 2].map((sample) => frame(`sample ${sample}`, index)),
}));

function scoresOf(shown: typeof frames) {
  const scores = createEvaluationScores(options);
  for (const { lead, prediction, truth, samples } of shown) {
    scores.add(lead, prediction, truth, samples);
  }
  return scores;
}

Deno.test("createEvaluationScores() scores parts as it scores the whole", () => {
  const whole = scoresOf(frames).result();
  const part = scoresOf(frames.slice(0, 3));
  // Across a message and back.
  part.merge(JSON.parse(JSON.stringify(scoresOf(frames.slice(3)).sums())));
  const merged = part.result();
  assert.deepEqual(merged.leads[0].events[0].counts, whole.leads[0].events[0].counts);
  const flat = (value: unknown): (number | null)[] =>
    typeof value === "object" && value !== null
      ? Object.values(value).flatMap(flat)
      : [value as number | null];
  const [one, two] = [flat(merged), flat(whole)];
  assert.equal(one.length, two.length);
  one.forEach((value, i) => {
    // Sums of real numbers in another order differ in their last bits.
    assert.ok(value === two[i] || Math.abs(value! - two[i]!) < 1e-9, `${value} and ${two[i]}`);
  });
  assert.equal(whole.pooled.frames, 6);
  assert.deepEqual(whole.leads.map((lead) => lead.frames), [3, 3]);
});

Deno.test("createEvaluationScores() gives the published scores of frames, and pools events over leads", () => {
  const { leads, pooled, crossEntropyPerSequence } = scoresOf(frames).result();
  const ofLead = frames.filter(({ lead }) => lead === 1);
  const expected = videoScores(
    ofLead.map(({ prediction, truth }) =>
      frameScores({ prediction, truth, frameShape: options.frameShape })
    ),
  );
  for (const score of ["mse", "mae", "psnr", "ssim", "ssimRange2"] as const) {
    assert.ok(Math.abs(leads[1][score]! - expected[score]) < 1e-9, score);
  }
  const hits = leads.map((lead) => lead.events[0].counts.hits);
  assert.ok(hits[0] > 0 && hits[1] > 0);
  assert.equal(pooled.events[0].counts.hits, hits[0] + hits[1]);
  const { counts, csi, fss } = pooled.events[0];
  assert.equal(csi, counts.hits / (counts.hits + counts.misses + counts.falseAlarms));
  assert.deepEqual(fss.map(({ scale }) => scale), [1, 3]);
  assert.ok(fss[1].score! > fss[0].score!, "a larger neighbourhood forgives more");
  assert.ok(pooled.crps! > 0);
  const sum = leads[0].crossEntropy! + leads[1].crossEntropy!;
  assert.equal(crossEntropyPerSequence, sum);
});

Deno.test("createEvaluationScores() scores rain in mm/h, an answer beyond the scale as its end", () => {
  const scores = createEvaluationScores(options);
  const value = valueOfRainRate(9, marshallPalmer);
  scores.add(0, new Float32Array(pixels).fill(7), new Float32Array(pixels).fill(value));
  const { rain, events, correlation } = scores.result().leads[0];
  const most = (10 ** 6 / 200) ** (1 / 1.6);
  assert.ok(Math.abs(rain!.rainfallMae! - (most - 9)) < 1e-3);
  // Five times the weight where 5 to 10 mm/h fall.
  const weight = rain!.balancedMae! / (pixels * (7 - Math.fround(value)));
  assert.ok(Math.abs(weight - 5) < 1e-6, String(weight));
  assert.deepEqual(events.map(({ csi }) => csi), [1, 1]);
  assert.ok(Math.abs(correlation! - 1) < 1e-9);
});

Deno.test("createEvaluationScores() counts a stored value at a threshold of its own scale as an event", () => {
  const events = { thresholds: sevirThresholds, scales: [1], valueScale: 255 };
  const scores = createEvaluationScores({ frameShape: [2, 3, 1], leads: 1, events });
  const stored = Float32Array.from(sevirThresholds, (vil) => vil / 255);
  const below = Float32Array.from(sevirThresholds, (vil) => (vil - 1) / 255);
  scores.add(0, below, stored);
  const { events: told, csiMean } = scores.result().pooled;
  assert.deepEqual(told.map(({ threshold }) => threshold), [16, 74, 133, 160, 181, 219]);
  // Each pixel is forecast as one less than it is: only the one just at a threshold is missed there.
  assert.deepEqual(
    told.map(({ counts: { hits, misses, falseAlarms } }) => [hits, misses, falseAlarms]),
    [[5, 1, 0], [4, 1, 0], [3, 1, 0], [2, 1, 0], [1, 1, 0], [0, 1, 0]],
  );
  const mean = told.reduce((sum, { csi }) => sum + csi!, 0) / 6;
  assert.ok(Math.abs(csiMean! - mean) < 1e-12);
});

Deno.test("createEvaluationScores() says null where nothing can be scored", () => {
  const small = createEvaluationScores({ frameShape: [4, 4, 1], leads: 1 });
  assert.equal(small.result().leads[0].mse, null);
  small.add(0, new Float32Array(16), new Float32Array(16));
  const [lead] = small.result().leads;
  assert.deepEqual(
    [lead.mse, lead.psnr, lead.ssim, lead.crps, lead.rain, lead.csiMean],
    [0, null, null, null, null, null],
  );
  assert.throws(() => small.add(1, new Float32Array(16), new Float32Array(16)), /lead time 1/);
  assert.throws(() => small.add(0, new Float32Array(15), new Float32Array(16)), /15 predicted/);
  assert.throws(() => small.merge([]), /0 lead times into 1/);
});

Deno.test("crossEntropyPerSequence is the formula of the paper", () => {
  const scores = createEvaluationScores({ frameShape: [1, 2, 1], leads: 2 });
  for (const lead of [0, 1]) scores.add(lead, Float32Array.of(0.25, 0.5), Float32Array.of(0, 1));
  const expected = 2 * -(Math.log(0.75) + Math.log(0.5));
  assert.ok(Math.abs(scores.result().crossEntropyPerSequence! - expected) < 1e-7);
  const sure = createEvaluationScores({ frameShape: [1, 1, 1], leads: 1 });
  sure.add(0, Float32Array.of(0), Float32Array.of(1));
  assert.ok(Math.abs(sure.result().crossEntropyPerSequence! + Math.log(1e-7)) < 1e-9);
});

Deno.test("classScores() follow from which class was taken for which", () => {
  const oneHot = (index: number) => [0, 1, 2].map((each) => each === index ? 1 : 0);
  const truth = Float32Array.from([0, 0, 1, 1].flatMap(oneHot).concat([0, 0, 0]));
  const probabilities = Float32Array.from(
    [[0.6, 0.3, 0.1], [0.2, 0.7, 0.1], [0.1, 0.8, 0.1], [0.3, 0.4, 0.3], [1, 0, 0]].flat(),
  );
  const table = countClasses(probabilities, truth, 3);
  assert.deepEqual([...table.counts], [1, 1, 0, 0, 2, 0, 0, 0, 0]);
  assert.deepEqual(classScores(table), {
    accuracy: 0.75,
    precision: [1, 2 / 3, null],
    recall: [0.5, 1, null],
    overlap: [0.5, 2 / 3, null],
  });
  assert.throws(() => countClasses(probabilities, truth, 4), /15 .* 4 classes/);
});
