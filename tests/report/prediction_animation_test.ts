import assert from "node:assert/strict";
import { decode } from "fast-png";
import { encodeAnimation } from "../../report/animation.ts";
import { colourScale, rainSteps, vilSteps } from "../../report/colour_scale.ts";
import { ink } from "../../report/ink.ts";
import type { PredictedSequence } from "../../report/predicted_sequence.ts";
import { renderPredictionAnimation } from "../../report/prediction_animation.ts";
import { renderPredictions } from "../../report/prediction_picture.ts";
import { Raster } from "../../report/raster.ts";
import { readGif } from "./gif_reader.ts";

const [frames, inputFrames, side] = [5, 2, 8];

/** Frame f is f / 5 everywhere, and predicted as an eighth more. */
const sequence: PredictedSequence = {
  label: "s",
  frames,
  inputFrames,
  height: side,
  width: side,
  truth: Float32Array.from({ length: frames * side * side }, (_, i) => Math.floor(i / 64) / 5),
  predictions: Float32Array.from(
    { length: (frames - inputFrames) * side * side },
    (_, i) => (Math.floor(i / 64) + inputFrames) / 5 + 0.125,
  ),
};

const asNumber = ([red, green, blue]: readonly number[]) => red << 16 | green << 8 | blue;

Deno.test("renderPredictionAnimation() shows truth, prediction and error beside each other, in time", () => {
  const gif = readGif(
    renderPredictionAnimation({
      title: "t",
      sequences: [sequence, sequence],
      scale: "gray",
      predicts: "forecast",
    }),
  );
  assert.equal(gif.frames.length, frames);
  assert.ok(gif.repeats);
  assert.ok(gif.frames[4].durationMs > gif.frames[3].durationMs, "the last frame stays");
  const columnOf = (frame: number, colour: readonly number[]) => {
    const at = gif.frames[frame].colours.indexOf(asNumber(colour));
    return at < 0 ? undefined : at % gif.width;
  };
  const gray = colourScale("gray");
  const error = colourScale("error")(0.125);
  for (let frame = 1; frame < frames; frame++) {
    const truth = columnOf(frame, gray(frame / 5));
    assert.ok(truth !== undefined, `frame ${frame} shows its truth`);
    const prediction = columnOf(frame, gray(frame / 5 + 0.125));
    if (frame < inputFrames) {
      assert.equal(prediction, undefined);
      assert.equal(columnOf(frame, error), undefined);
    } else {
      assert.ok(truth < prediction!);
      assert.equal(columnOf(frame, error)! - prediction!, prediction! - truth);
    }
  }
});

/** Nobody has seen what comes: the truth ends with the input. */
const future: PredictedSequence = {
  ...sequence,
  isFuture: true,
  truth: sequence.truth.subarray(0, inputFrames * side * side),
};

Deno.test("a forecast of what nobody has seen goes on where the frames that were seen end", () => {
  const picture = { title: "t", sequences: [future], scale: "gray", predicts: "future" } as const;
  const gif = readGif(renderPredictionAnimation(picture));
  assert.equal(gif.frames.length, frames);
  const gray = colourScale("gray");
  const has = (frame: number, value: number) =>
    gif.frames[frame].colours.includes(asNumber(gray(value)));
  assert.ok(has(1, 1 / 5), "the last frame that was seen");
  for (let frame = inputFrames; frame < frames; frame++) {
    assert.ok(has(frame, frame / 5 + 0.125), `forecast ${frame}`);
    assert.ok(!has(frame, frame / 5), `no truth of ${frame}`);
  }
  const { data } = decode(renderPredictions(picture));
  for (let frame = 1; frame < frames; frame++) {
    const [level] = gray(frame < inputFrames ? frame / 5 : frame / 5 + 0.125);
    const cell = Uint8Array.from(data).filter((value) => value === level).length;
    assert.ok(cell >= 3 * 120 * 120, `frame ${frame}`);
  }
  assert.throws(
    () => renderPredictions({ ...picture, sequences: [{ ...future, truth: sequence.truth }] }),
    /truth has 320 values, its shape \[2, 8, 8, 1\] needs 128/,
  );
});

Deno.test("renderPredictionAnimation() says above the frames what their class was taken for", () => {
  const seen = { ...sequence, inputFrames: frames, predictions: new Float32Array() };
  const drawn = (label: string) =>
    readGif(
      renderPredictionAnimation({
        ...{ title: "t", scale: "gray", predicts: "nothing" },
        sequences: [{ ...seen, label }],
      }),
    );
  const [short, long] = [drawn("true a"), drawn("true a, predicted b (34 %), and more of it")];
  assert.ok(long.width > short.width, "the label has room");
  for (let frame = 0; frame < frames; frame++) {
    const inkOf = ({ frames }: typeof short) =>
      frames[frame].colours.filter((colour) => colour === asNumber(ink)).length;
    assert.ok(inkOf(long) > inkOf(short), `frame ${frame}`);
  }
});

Deno.test("renderPredictionAnimation() draws rain in steps of mm/h, with their legend", () => {
  const gif = readGif(
    renderPredictionAnimation({
      title: "t",
      sequences: [sequence],
      scale: "rain",
      predicts: "next-frame",
    }),
  );
  for (const [rate, colour] of rainSteps) {
    assert.ok(gif.frames[0].colours.includes(asNumber(colour)), `${rate} mm/h is in the legend`);
  }
  // By Marshall and Palmer 23.0 dBZ are 1 mm/h, and 30 dBZ are 2.7.
  const rain = colourScale("rain");
  const colourOf = (rate: number) => rainSteps.find(([from]) => from === rate)![1];
  const value = (dbz: number) => (dbz + 10) / 70;
  assert.deepEqual([-20, 22.9, 23.1, 30, 90].map((dbz) => rain(value(dbz))), [
    colourOf(0),
    colourOf(0.5),
    colourOf(1),
    colourOf(2),
    colourOf(100),
  ]);
  assert.deepEqual(rain(NaN), colourOf(0));
});

Deno.test("renderPredictionAnimation() draws SEVIR in steps of VIL, with their legend", () => {
  const gif = readGif(
    renderPredictionAnimation({
      ...{ title: "t", sequences: [sequence], scale: "vil", predicts: "next-frame" },
    }),
  );
  for (const [level, colour] of vilSteps) {
    assert.ok(gif.frames[0].colours.includes(asNumber(colour)), `${level} is in the legend`);
  }
  const vil = colourScale("vil");
  const colourOf = (level: number) => vilSteps.find(([from]) => from === level)![1];
  // Of every threshold that SEVIR is scored by, from exactly its level on.
  for (const level of [16, 74, 133, 160, 181, 219]) {
    assert.deepEqual(vil(Math.fround(level / 255)), colourOf(level));
    assert.notDeepEqual(vil(Math.fround((level - 1) / 255)), colourOf(level));
  }
  assert.deepEqual([-1, 0, NaN, 2].map(vil), [0, 0, 0, 219].map(colourOf));
});

Deno.test("encodeAnimation() keeps up to 256 colours exactly, and comes near with more", () => {
  const picture = (colours: number) => {
    const raster = new Raster(64, 64, [0, 0, 0]);
    for (let i = 0; i < colours; i++) {
      raster.fill(i % 64, Math.floor(i / 64), 1, 1, [i % 256, i * 7 % 256, i * 3 % 256]);
    }
    return raster;
  };
  const differences = (colours: number) => {
    const raster = picture(colours);
    const gif = readGif(encodeAnimation([{ picture: raster, durationMs: 50 }]));
    assert.equal(gif.frames[0].durationMs, 50);
    return gif.frames[0].colours.map((colour, i) =>
      Math.max(
        ...[16, 8, 0].map((bits, channel) =>
          Math.abs((colour >> bits & 255) - raster.pixels[3 * i + channel])
        ),
      )
    );
  };
  assert.ok(differences(200).every((difference) => difference === 0));
  const many = differences(4000);
  assert.ok(many.reduce((sum, each) => sum + each, 0) / many.length < 24);
});

Deno.test("encodeAnimation() refuses nothing, and pictures of different sizes", () => {
  assert.throws(() => encodeAnimation([]), /no frames/);
  const frame = (side: number) => ({
    picture: new Raster(side, 4, [0, 0, 0]),
    durationMs: 20,
  });
  assert.throws(() => encodeAnimation([frame(4), frame(5)]), /4 x 4 and 5 x 4/);
});
