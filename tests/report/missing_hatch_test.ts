import assert from "node:assert/strict";
import { decode } from "fast-png";
import { colourScale } from "../../report/colour_scale.ts";
import { hatchColour } from "../../report/missing_hatch.ts";
import { renderNowcastAnimation } from "../../report/nowcast_animation.ts";
import type { PredictedSequence } from "../../report/predicted_sequence.ts";
import { renderPredictionAnimation } from "../../report/prediction_animation.ts";
import { type PredictionPicture, renderPredictions } from "../../report/prediction_picture.ts";
import { readGif } from "./gif_reader.ts";

const [side, frames, zoom] = [120, 3, 1];
const size = side * side;

/** Frames of which `missing` pixels of the last one were not observed. */
function sequence(missing: number, channels = 1): PredictedSequence {
  const truth = new Float32Array(frames * size * channels).fill(1);
  // A pixel of colours is missing where one of its channels is.
  for (let i = 0; i < missing; i++) truth[(frames - 1) * size * channels + i * channels] = NaN;
  return {
    ...{ label: "one", truth, inputFrames: 1, frames, height: side, width: side, channels },
    predictions: truth.slice(size * channels).fill(1),
  };
}

function hatched({ width, data }: { width: number; data: ArrayLike<number> }): number {
  let count = 0;
  for (let i = 0; i < data.length / 3; i++) {
    const colour = hatchColour(i % width, Math.floor(i / width));
    if (colour.every((value, channel) => data[3 * i + channel] === value)) count++;
  }
  return count;
}

const legendBox = 16 * 16;

Deno.test("pictures hatch what was not observed, in truth and error, and their legend says so", () => {
  for (const scale of ["gray", "rain", "vil", "classes"] as const) {
    const picture: PredictionPicture = {
      ...{ title: "", sequences: [sequence(500)], scale, predicts: "next-frame" },
      ...(scale === "classes" ? { classes: ["none", "some"] } : {}),
    };
    // Truth and error of the last frame; the prediction knows a value everywhere.
    assert.equal(hatched(decode(renderPredictions(picture))), 2 * 500 * zoom + legendBox, scale);
    const whole = { ...picture, sequences: [sequence(0)] };
    assert.equal(hatched(decode(renderPredictions(whole))), 0, scale);
  }
  const colours: PredictionPicture = {
    ...{ title: "", sequences: [sequence(500, 3)], scale: "gray", predicts: "next-frame" },
  };
  assert.equal(hatched(decode(renderPredictions(colours))), 2 * 500 * zoom + legendBox);
});

Deno.test("no scale has a colour of the hatch", () => {
  const stripes = [0, 3].map((x) => `${hatchColour(x, 0)}`);
  assert.notEqual(stripes[0], stripes[1]);
  for (const scale of ["gray", "rain", "vil", "error", "classes"] as const) {
    for (let i = 0; i <= 1000; i++) {
      const value = scale === "classes" ? i : i / 1000;
      assert.ok(!stripes.includes(`${colourScale(scale)(value)}`), `${scale} at ${value}`);
    }
  }
});

Deno.test("animations hatch what was not observed, of networks and of whole composites", () => {
  const [picture, composites] = [
    renderPredictionAnimation({
      ...{ title: "", sequences: [sequence(500)], scale: "rain", predicts: "next-frame" },
    }),
    renderNowcastAnimation({
      ...{ title: "", height: side, width: side, inputFrames: 1, minutes: 5 },
      truth: Array.from(
        { length: frames },
        (_, i) => sequence(500).truth.subarray(i * size, (i + 1) * size),
      ),
      forecasts: [],
    }),
  ];
  const lastOf = (bytes: Uint8Array) => {
    const { width, frames } = readGif(bytes);
    const split = (colour: number) => [colour >> 16, colour >> 8 & 255, colour & 255];
    return { width, data: frames.at(-1)!.colours.flatMap(split) };
  };
  // Enlarged to 128 pixels or more, so twice; its legend is there in every frame.
  assert.equal(hatched(lastOf(picture)), 2 * 500 * 4 + legendBox);
  assert.equal(hatched(lastOf(composites)), 500 + legendBox);
});
