/** Scores of rain forecasts against pysteps' figures: of a committed case, and of real radar. */
import assert from "node:assert/strict";
import { Decoder } from "../../datasets/decoder.ts";
import type { RadarFrame } from "../../datasets/radar_frame.ts";
import { rainRateOfReflectivity } from "../../datasets/radar_scale.ts";
import {
  type ContingencyCounts,
  contingencyScores,
  countEvents,
  meanCriticalSuccess,
} from "../../metrics/contingency.ts";
import {
  correlationSums,
  pearsonCorrelation,
  uncentredCorrelation,
} from "../../metrics/correlation.ts";
import { fractionsSkill, fractionsSums } from "../../metrics/fractions_skill.ts";
import { rainErrors, rainErrorSums } from "../../metrics/rain_errors.ts";
import { rankedProbabilityScore, rankedProbabilitySums } from "../../metrics/ranked_probability.ts";
import pysteps from "../fixtures/metrics/pysteps.json" with { type: "json" };
import { structuralSimilarity } from "../../metrics/structural_similarity.ts";
import { shared } from "../datasets/shared_data.ts";

type Scores = Readonly<Record<string, number | null>>;

function assertNear(actual: number | null, expected: number | null, what: string): void {
  if (expected === null || actual === null) return assert.equal(actual, expected, what);
  const isNear = Math.abs(actual - expected) <= 1e-6 * Math.max(1, Math.abs(expected));
  assert.ok(isNear, `${what}: ${actual}, pysteps has ${expected}`);
}

/** The fixture's fields, of a linear congruential generator; see its script. */
function field(seed: number): Float64Array {
  let state = seed;
  return Float64Array.from({ length: pysteps.shape[0] * pysteps.shape[1] }, () => {
    state = (Math.imul(1103515245, state) + 12345) & 0x7fffffff;
    const uniform = state / 2 ** 31;
    return uniform < 0.4 ? 0 : 20 * (uniform - 0.4) ** 2 / 0.6;
  });
}

const size = [pysteps.shape[0], pysteps.shape[1]] as const;
const truth = field(1);
const nearTruth = (seed: number) => field(seed).map((value, i) => 0.5 * truth[i] + 0.5 * value);

const names = {
  POD: "pod",
  FAR: "far",
  FA: "fa",
  CSI: "csi",
  BIAS: "bias",
  HSS: "hss",
  HK: "hk",
  GSS: "gss",
  F1: "f1",
  ACC: "accuracy",
} as const;

function assertScores(counts: ContingencyCounts, expected: Scores, what: string): void {
  const scores = contingencyScores(counts);
  for (const [theirs, ours] of Object.entries(names)) {
    // JSON of NaN, or left out.
    const value = Number.isFinite(expected[theirs]) ? expected[theirs] : null;
    assertNear(scores[ours], value, `${ours} ${what}`);
  }
}

Deno.test("contingency tables and their scores equal pysteps' figures", () => {
  for (const [text, counts] of Object.entries(pysteps.counts)) {
    const actual = countEvents(nearTruth(2), truth, Number(text), "above");
    assert.deepEqual(actual, {
      hits: counts.hits,
      misses: counts.misses,
      falseAlarms: counts.false_alarms,
      correctNegatives: counts.correct_negatives,
    });
    const expected = (pysteps.scores as Readonly<Record<string, Scores>>)[text];
    assertScores(actual, expected, `at ${text}`);
  }
});

Deno.test("countEvents() leaves out what one side does not observe, and tells above from at least", () => {
  const prediction = Float32Array.of(1, NaN, 2, 0, 1, 0);
  const observed = Float32Array.of(1, 5, NaN, 1, 0, 0);
  assert.deepEqual(
    countEvents(prediction, observed, 1, "at-least"),
    { hits: 1, misses: 1, falseAlarms: 1, correctNegatives: 1 },
  );
  assert.deepEqual(
    countEvents(prediction, observed, 1, "above"),
    { hits: 0, misses: 0, falseAlarms: 0, correctNegatives: 4 },
  );
  assert.throws(() => countEvents(prediction, observed.subarray(1), 1, "above"), /6 .* for 5/);
});

Deno.test("contingencyScores() says null where a score is 0 / 0", () => {
  const dry = contingencyScores({ hits: 0, misses: 0, falseAlarms: 0, correctNegatives: 9 });
  assert.deepEqual([dry.csi, dry.pod, dry.far, dry.hss, dry.bias, dry.f1], Array(6).fill(null));
  assert.deepEqual([dry.fa, dry.accuracy], [0, 1]);
});

Deno.test("meanCriticalSuccess() is the mean over thresholds that the truth reaches", () => {
  const table = (hits: number, misses: number, falseAlarms = 0) => ({
    hits,
    misses,
    falseAlarms,
    correctNegatives: 5,
  });
  assert.equal(meanCriticalSuccess([table(3, 1), table(1, 3), table(0, 0)]), 0.5);
  assert.equal(meanCriticalSuccess([table(0, 0)]), null);
  // A false alarm alone may not change which thresholds two forecasts are compared at.
  assert.equal(meanCriticalSuccess([table(3, 1), table(0, 0, 4)]), 0.75);
});

Deno.test("the fractions skill score equals pysteps' figures, for even neighbourhoods too", () => {
  const prediction = nearTruth(2);
  for (const [threshold, scales] of Object.entries(pysteps.fss)) {
    for (const [scale, expected] of Object.entries(scales as Scores)) {
      const sums = fractionsSums(prediction, truth, size, Number(threshold), Number(scale));
      assertNear(fractionsSkill(sums), expected, `FSS at ${threshold} over ${scale}`);
    }
  }
});

Deno.test("structuralSimilarity() equals scikit-image's figures", () => {
  const scaled = (values: Float64Array) => Float32Array.from(values, (value) => value / 12);
  const frameShape = [size[0], size[1], 1] as const;
  const pair = { prediction: scaled(nearTruth(2)), truth: scaled(truth), frameShape };
  for (const [range, expected] of Object.entries(pysteps.ssim)) {
    assertNear(structuralSimilarity(pair, Number(range))[0], expected, `SSIM at range ${range}`);
  }
});

Deno.test("correlations and errors equal pysteps' figures", () => {
  const prediction = nearTruth(2);
  const sums = correlationSums(prediction, truth);
  assertNear(pearsonCorrelation(sums), pysteps.continuous.corr_p, "Pearson's correlation");
  assertNear(uncentredCorrelation(sums), pysteps.uncentred_correlation, "uncentred correlation");
  const values = new Float32Array(truth.length);
  const errors = rainErrors(
    rainErrorSums({ values, rates: prediction }, { values, rates: truth }),
  );
  assertNear(errors.rainfallMse, pysteps.continuous.MSE, "Rainfall-MSE");
  assertNear(errors.rainfallMae, pysteps.continuous.MAE, "mean absolute error");
});

Deno.test("the ranked probability score equals pysteps' figures, and counts ties where it does not", () => {
  const members = [2, 3, 4, 5].map(nearTruth);
  const score = (observed: Float64Array, ties: "counted" | "left-out") =>
    rankedProbabilityScore(rankedProbabilitySums(members, observed, ties));
  assertNear(score(truth, "left-out"), pysteps.crps_pysteps, "CRPS as pysteps");
  const lifted = truth.map((value) => value + 1e-3);
  assertNear(score(lifted, "counted"), pysteps.crps_pysteps_without_ties, "CRPS without ties");
  // Its other form: mean |x - y| less half the mean distance between members.
  const exact = truth.reduce((sum, y, i) => {
    const x = members.map((member) => member[i]);
    const spread = x.flatMap((a) => x.map((b) => Math.abs(a - b)));
    const distances = x.map((a) => Math.abs(a - y));
    const mean = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length;
    return sum + mean(distances) - mean(spread) / 2;
  }, 0) / truth.length;
  assertNear(score(truth, "counted"), exact, "CRPS with ties");
  assert.ok(exact > pysteps.crps_pysteps + 1e-3, "the fixture has ties");
  const one = rankedProbabilityScore(rankedProbabilitySums([members[0]], truth));
  assertNear(one, pysteps.continuous.MAE, "CRPS of one member");
});

Deno.test("rainErrorSums() weighs pixels as HKO-7 by the rain that truly fell", () => {
  // Just below, at and above thresholds: weights 1, 1, 2, 5, 10 and 30.
  const rates = Float32Array.of(0.25, 0.5, 2, 5, 10, 30, NaN);
  const values = new Float32Array(rates.length);
  const errors = rainErrors(rainErrorSums(
    { values: values.map(() => 0.5), rates: new Float32Array(rates.length) },
    { values, rates },
  ));
  assert.equal(errors.balancedMae, 0.5 * (1 + 1 + 2 + 5 + 10 + 30));
  assert.equal(errors.balancedMse, 0.25 * (1 + 1 + 2 + 5 + 10 + 30));
});

interface Golden {
  readonly forecast_file: string;
  readonly obs_file: string;
  readonly crop_row_col_h_w: readonly [number, number, number, number];
  readonly detcat: Readonly<Record<string, Scores>>;
  readonly fss: Readonly<Record<string, Scores>>;
  readonly detcont: Scores;
  readonly shi2015_correlation_on_rainrate: number;
  readonly crps_5_member_time_lagged_ensemble: {
    readonly members: readonly string[];
    readonly CRPS: number;
  };
}

/** mm/h by the rule of the golden values: from the codes themselves, 0 for code 0. */
function cropRates(frame: RadarFrame, [top, left, rows, columns]: Golden["crop_row_col_h_w"]) {
  const { codes, calibration } = frame;
  return Float64Array.from({ length: rows * columns }, (_, i) => {
    const code = codes[(top + Math.floor(i / columns)) * frame.columns + left + i % columns];
    if (code === 0) return 0;
    const physical = calibration.gain * code + calibration.offset;
    return calibration.quantity === "mm/h"
      ? physical
      : rainRateOfReflectivity(physical, calibration.relation);
  });
}

for (const set of ["radar-fmi-20160928", "radar-knmi-20100826"]) {
  Deno.test(`scores of persistence on ${set} equal pysteps' figures`, shared.test, async () => {
    const golden: Golden = JSON.parse(
      // NumPy writes NaN, which JSON lacks.
      (await Deno.readTextFile(shared.path(`${set}/golden_verification.json`)))
        .replace(/\bNaN\b/g, "null"),
    );
    const crop = golden.crop_row_col_h_w;
    const decoder = new Decoder();
    const rates = async (name: string) =>
      cropRates(await decoder.decode("radar", { path: shared.path(`${set}/${name}`) }), crop);
    const prediction = await rates(golden.forecast_file);
    const observed = await rates(golden.obs_file);
    const members = await Promise.all(
      golden.crps_5_member_time_lagged_ensemble.members.map(rates),
    );
    decoder.close();
    for (const [threshold, expected] of Object.entries(golden.detcat)) {
      const counts = countEvents(prediction, observed, Number(threshold), "above");
      assert.deepEqual(
        Object.values(counts),
        ["hits", "misses", "false_alarms", "correct_negatives"].map((name) => expected[name]),
      );
      assertScores(counts, expected, `at ${threshold} mm/h`);
    }
    for (const [threshold, scales] of Object.entries(golden.fss)) {
      for (const [scale, expected] of Object.entries(scales)) {
        const sums = fractionsSums(
          prediction,
          observed,
          [crop[2], crop[3]],
          Number(threshold),
          Number(scale),
        );
        assertNear(fractionsSkill(sums), expected, `FSS at ${threshold} mm/h over ${scale}`);
      }
    }
    const sums = correlationSums(prediction, observed);
    assertNear(pearsonCorrelation(sums), golden.detcont.corr_p, "Pearson's correlation");
    assertNear(uncentredCorrelation(sums), golden.shi2015_correlation_on_rainrate, "uncentred");
    const values = new Float32Array(observed.length);
    const errors = rainErrors(
      rainErrorSums({ values, rates: prediction }, { values, rates: observed }),
    );
    assertNear(errors.rainfallMse, golden.detcont.MSE, "Rainfall-MSE");
    assertNear(errors.rainfallMae, golden.detcont.MAE, "mean absolute error");
    const { CRPS } = golden.crps_5_member_time_lagged_ensemble;
    const tied = rankedProbabilitySums(members, observed, "left-out");
    assertNear(rankedProbabilityScore(tied), CRPS, "CRPS");
  });
}
