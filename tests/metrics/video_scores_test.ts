import assert from "node:assert/strict";
import { openNpy } from "../../datasets/npy.ts";
import type { FramePair } from "../../metrics/frame_sequence.ts";
import { absoluteErrors, squaredErrors } from "../../metrics/pixel_errors.ts";
import { peakSignalToNoise } from "../../metrics/peak_signal_to_noise.ts";
import { structuralSimilarity } from "../../metrics/structural_similarity.ts";
import { frameScores, videoScores } from "../../metrics/video_scores.ts";
import { random } from "../../net/random.ts";
import { sharedFolder } from "../support/shared_folder.ts";

interface GoldenScores {
  readonly mse: number;
  readonly mae: number;
  readonly rmse: number;
  readonly psnr: number;
  readonly ssim_data_range_2: number;
  readonly ssim_data_range_1: number;
  readonly predrnn_ssim_uint8: number;
  readonly mse_per_lead: readonly number[];
}

const folder = sharedFolder("DATA_DIR", "data");
const frameShape = [64, 64, 1] as const;
const frameSize = 64 * 64;
const leads = 10;

/** Frames 10 to 19 of every sequence, and frame 9 in place of each: [lead, sequence, ...]. */
async function sequences() {
  const file = await openNpy(`${folder}/mnist-moving/mnist_seq_32.npy`);
  const [frames, count] = file.shape;
  const bytes = await file.read(0, frames * count * frameSize);
  file.close();
  const part = (frame: number) =>
    Float32Array.from(
      bytes.subarray(frame * count * frameSize, (frame + 1) * count * frameSize),
      (value) => value / 255,
    );
  const truth = new Float32Array(leads * count * frameSize);
  const persistence = new Float32Array(truth.length);
  for (let lead = 0; lead < leads; lead++) {
    truth.set(part(10 + lead), lead * count * frameSize);
    persistence.set(part(9), lead * count * frameSize);
  }
  return { truth, persistence, count };
}

function assertNear(actual: number, expected: number, tolerance: number, what: string) {
  const isNear = Math.abs(actual - expected) <= tolerance;
  assert.ok(isNear, `${what}: ${actual}, scikit-image and numpy have ${expected}`);
}

Deno.test({
  name: "videoScores() equals numpy's and scikit-image's figures for Moving MNIST",
  ignore: folder === undefined,
  async fn(context) {
    const { truth, persistence, count } = await sequences();
    const golden: Readonly<Record<string, GoldenScores>> = JSON.parse(
      await Deno.readTextFile(`${folder}/mnist-moving/golden_metrics.json`),
    ).predictions;
    const predictions: Readonly<Record<string, Float32Array>> = {
      persistence,
      zeros: new Float32Array(truth.length),
      half_persistence_half_truth: persistence.map((value, i) => 0.5 * value + 0.5 * truth[i]),
      "persistence_x1.2_minus0.05": persistence.map((value) =>
        Math.fround(value * Math.fround(1.2)) - Math.fround(0.05)
      ),
    };
    assert.deepEqual(Object.keys(predictions).toSorted(), Object.keys(golden).toSorted());
    for (const [name, prediction] of Object.entries(predictions)) {
      await context.step(name, () => {
        const expected = golden[name];
        const perFrame = frameScores({ prediction, truth, frameShape });
        const scores = videoScores([perFrame]);
        assert.equal(scores.frames, leads * count);
        for (const score of ["mse", "mae", "rmse", "psnr"] as const) {
          assertNear(scores[score], expected[score], 1e-6 * expected[score], score);
        }
        assertNear(scores.ssim, expected.ssim_data_range_1, 1e-6, "ssim at range 1");
        assertNear(scores.ssimRange2, expected.ssim_data_range_2, 1e-6, "ssim at range 2");
        expected.mse_per_lead.forEach((mse, lead) => {
          const ofLead = perFrame.squaredError.subarray(lead * count, (lead + 1) * count);
          const mean = ofLead.reduce((sum, value) => sum + value, 0) / count;
          assertNear(mean, mse, 1e-6 * mse, `mse of lead ${lead}`);
        });
      });
      await context.step(`${name} as 8-bit pictures`, () => {
        const bytes = (values: Float32Array) =>
          values.map((value) => Math.trunc(Math.fround(Math.min(Math.max(value, 0), 1) * 255)));
        const pair = { prediction: bytes(prediction), truth: bytes(truth), frameShape };
        const ssim = structuralSimilarity(pair, 255);
        const mean = ssim.reduce((sum, value) => sum + value, 0) / ssim.length;
        assertNear(mean, golden[name].predrnn_ssim_uint8, 1e-4, "ssim of uint8");
      });
    }
  },
});

function noise(name: string, length: number): Float32Array {
  const draw = random("video scores", name);
  return Float32Array.from({ length }, () => draw.uniform() * 1.4 - 0.2);
}

function noisePair(frameShape: readonly [number, number, number], frames: number): FramePair {
  const length = frames * frameShape[0] * frameShape[1] * frameShape[2];
  return { prediction: noise("prediction", length), truth: noise("truth", length), frameShape };
}

Deno.test("squaredErrors() and absoluteErrors() sum over pixels and channels, unclipped", () => {
  const pair: FramePair = {
    prediction: Float32Array.of(2, 0, 0, 0.5, 1, 1, 1, 1),
    truth: Float32Array.of(0, 0, 1, 0, 1, 1, 1, 1),
    frameShape: [1, 2, 2],
  };
  assert.deepEqual([...squaredErrors(pair)], [5.25, 0]);
  assert.deepEqual([...absoluteErrors(pair)], [3.5, 0]);
});

Deno.test("peakSignalToNoise() clips, and is infinite for an exact frame", () => {
  const pair: FramePair = {
    prediction: Float32Array.of(2, 0, 1, 1),
    truth: Float32Array.of(1, 1, 1, 1),
    frameShape: [1, 2, 1],
  };
  const [half, exact] = peakSignalToNoise(pair);
  assertNear(half, 10 * Math.log10(2), 1e-12, "half of the pixels wrong by 1");
  assert.equal(exact, Infinity);
});

Deno.test("structuralSimilarity() is 1 for equal frames and the mean over channels", () => {
  const pair = noisePair([9, 8, 2], 2);
  const equal = structuralSimilarity({ ...pair, prediction: pair.truth }, 1);
  equal.forEach((value) => assertNear(value, 1, 1e-9, "equal frames"));
  const both = structuralSimilarity(pair, 1);
  const channels = [0, 1].map((channel) => {
    const only = (values: Float32Array) => values.filter((_, i) => i % 2 === channel);
    return structuralSimilarity({
      prediction: only(pair.prediction),
      truth: only(pair.truth),
      frameShape: [9, 8, 1],
    }, 1);
  });
  both.forEach((value, frame) =>
    assertNear(value, (channels[0][frame] + channels[1][frame]) / 2, 1e-12, "mean of channels")
  );
});

Deno.test("structuralSimilarity() follows its definition in a single window", () => {
  const { prediction, truth } = noisePair([7, 7, 1], 1);
  const mean = (values: Float32Array) => values.reduce((sum, value) => sum + value, 0) / 49;
  const [ux, uy] = [mean(prediction), mean(truth)];
  const sample = (a: Float32Array, ua: number, b: Float32Array, ub: number) =>
    a.reduce((sum, value, i) => sum + (value - ua) * (b[i] - ub), 0) / 48;
  const [c1, c2] = [0.01 ** 2, 0.03 ** 2];
  const expected = (2 * ux * uy + c1) * (2 * sample(prediction, ux, truth, uy) + c2) /
    ((ux ** 2 + uy ** 2 + c1) *
      (sample(prediction, ux, prediction, ux) + sample(truth, uy, truth, uy) + c2));
  const [ssim] = structuralSimilarity({ prediction, truth, frameShape: [7, 7, 1] }, 1);
  assertNear(ssim, expected, 1e-12, "one window");
});

Deno.test("videoScores() of parts equals that of the whole", () => {
  const whole = noisePair([8, 8, 1], 5);
  const part = (begin: number, end: number) =>
    frameScores({
      prediction: whole.prediction.subarray(begin * 64, end * 64),
      truth: whole.truth.subarray(begin * 64, end * 64),
      frameShape: whole.frameShape,
    });
  const expected = videoScores([frameScores(whole)]);
  const joined = videoScores([part(0, 1), part(1, 5)]);
  for (const score of Object.keys(expected) as (keyof typeof expected)[]) {
    assertNear(joined[score], expected[score], 1e-12 * expected.mse, score);
  }
});

Deno.test("video scores refuse arrays that are not whole frames", () => {
  const pair: FramePair = {
    prediction: new Float32Array(64),
    truth: new Float32Array(128),
    frameShape: [8, 8, 1],
  };
  assert.throws(() => squaredErrors(pair), {
    name: "RangeError",
    message: /frames of 8 x 8 x 1: the prediction has 64 values and the truth 128/,
  });
  assert.throws(
    () => squaredErrors({ ...pair, truth: new Float32Array(64), frameShape: [5, 5, 1] }),
    {
      name: "RangeError",
      message: /multiple of 25/,
    },
  );
  assert.throws(() => structuralSimilarity({ ...pair, frameShape: [6, 8, 1] }, 1), {
    name: "RangeError",
    message: /6 x 8 pixels/,
  });
  assert.throws(() => videoScores([]), { name: "RangeError", message: /no frame/ });
});
