import assert from "node:assert/strict";
import { createEvaluationScores } from "../../metrics/evaluation_scores.ts";
import { frameScores, videoScores } from "../../metrics/video_scores.ts";
import fixture from "../fixtures/missing/scores.json" with { type: "json" };
import { assertClose } from "../models/close_to.ts";

const [frames, height, width] = fixture.shape;
const frameShape = [height, width, 1] as const;
const size = height * width;
const read = (text: string) => Float32Array.from(text.split(" "), Number);
const [truth, prediction] = [read(fixture.truth), read(fixture.prediction)];
const { thresholds, scales, scores, events } = fixture;
const exactly = { relative: 1e-6, floor: 1e-9 };

function scored(predicted = prediction, observed = truth) {
  const all = createEvaluationScores({ frameShape, leads: 1, events: { thresholds, scales } });
  for (let frame = 0; frame < frames; frame++) {
    const part = (values: Float32Array) => values.subarray(frame * size, (frame + 1) * size);
    all.add(0, part(predicted), part(observed), [part(predicted)]);
  }
  return all;
}

Deno.test("scores of what was observed are NumPy's, scipy's and scikit-image's", () => {
  const { pooled } = scored().result();
  for (const [name, expected] of Object.entries(scores)) {
    assertClose([pooled[name as keyof typeof scores]!], [expected], name, exactly);
  }
  for (const [index, { csi, pod, far, fss }] of events.entries()) {
    const found = pooled.events[index];
    assertClose([found.csi!, found.pod!, found.far!], [csi, pod, far], "events", exactly);
    assertClose(found.fss.map(({ score }) => score!), fss, "fractions", exactly);
  }
});

Deno.test("videoScores() of what was observed are NumPy's and scikit-image's", () => {
  const found = videoScores([frameScores({ prediction, truth, frameShape })]);
  for (const name of ["mse", "mae", "psnr", "ssim"] as const) {
    assertClose([found[name]], [scores[name]], name, exactly);
  }
});

Deno.test("scores do not depend on what is predicted where nothing was observed", () => {
  const elsewhere = prediction.map((value, i) => Number.isNaN(truth[i]) ? 1 - value : value);
  assert.deepEqual(scored(elsewhere).result(), scored().result());
});

Deno.test("a prediction that is no number is not taken for one that was not observed", () => {
  const broken = prediction.slice();
  broken[5] = NaN;
  assert.ok(!Number.isNaN(truth[5]));
  const { pooled } = scored(broken).result();
  assert.deepEqual([pooled.mse, pooled.mae, pooled.psnr, pooled.ssim], [null, null, null, null]);
});

Deno.test("frames of which nothing was observed have no score, and leave the others' as they are", () => {
  const dark = scored(prediction, truth.map(() => NaN)).result().pooled;
  assert.deepEqual(
    [dark.frames, dark.observedShare, dark.mse, dark.psnr, dark.ssim, dark.correlation],
    [frames, 0, null, null, null, null],
  );
  const all = scored();
  const alone = all.result().pooled;
  all.add(0, prediction.subarray(0, size), truth.subarray(0, size).map(() => NaN));
  const { frames: count, observedShare, ...rest } = all.result().pooled;
  assert.equal(count, frames + 1);
  assertClose([observedShare!], [alone.observedShare! * frames / (frames + 1)], "share");
  assert.deepEqual({ ...rest, frames, observedShare: alone.observedShare }, alone);
});
