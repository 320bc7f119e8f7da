import assert from "node:assert/strict";
import { decode } from "fast-png";
import { colourScale } from "../../report/colour_scale.ts";
import { glyphColumns, textColumns } from "../../report/bitmap_font.ts";
import { type PredictedSequence, predictionKind } from "../../report/predicted_sequence.ts";
import { renderPredictions } from "../../report/prediction_picture.ts";

const [HEIGHT, WIDTH, FRAMES, INPUT] = [40, 60, 6, 2];
/** Smallest enlargement that makes the longer side of 60 at least 120 pixels. */
const ZOOM = 2;

/** Frame f holds the value f / 16 at its pixel (f, f) and 0 elsewhere; predictions add 0.5 there. */
function sampleSequence(label: string): PredictedSequence {
  const pixels = HEIGHT * WIDTH;
  const truth = new Float32Array(FRAMES * pixels);
  for (let frame = 0; frame < FRAMES; frame++) {
    truth[frame * pixels + frame * WIDTH + frame] = frame / 16;
  }
  const predictions = truth.slice(INPUT * pixels).map((value) => value > 0 ? value + 0.5 : 0);
  return {
    label,
    truth,
    predictions,
    inputFrames: INPUT,
    frames: FRAMES,
    height: HEIGHT,
    width: WIDTH,
  };
}

interface Picture {
  readonly width: number;
  readonly height: number;
  colour(x: number, y: number): number[];
}

function decodePicture(png: Uint8Array): Picture {
  const { width, height, data, channels, depth } = decode(png);
  assert.deepEqual([channels, depth], [3, 8]);
  return {
    width,
    height,
    colour: (x, y) => [...data.slice((y * width + x) * 3, (y * width + x) * 3 + 3)],
  };
}

/** Upper left corners of every square of ZOOM × ZOOM pixels of exactly this colour. */
function squaresOf(picture: Picture, colour: readonly number[]): [number, number][] {
  const is = (x: number, y: number) => picture.colour(x, y).join() === colour.join();
  const corners: [number, number][] = [];
  for (let y = 1; y < picture.height; y++) {
    for (let x = 1; x < picture.width; x++) {
      if (is(x, y) && !is(x - 1, y) && !is(x, y - 1)) corners.push([x, y]);
    }
  }
  for (const [x, y] of corners) {
    for (let i = 0; i < ZOOM * ZOOM; i++) assert.ok(is(x + i % ZOOM, y + Math.floor(i / ZOOM)));
  }
  return corners;
}

Deno.test("renderPredictions() draws truth, prediction and error of a frame in one column", () => {
  const png = renderPredictions({
    title: "t",
    sequences: [sampleSequence("s")],
    scale: "gray",
    predicts: "forecast",
  });
  const picture = decodePicture(png);
  const gray = colourScale("gray");
  // Truths and predictions have no value in common, and frame 5 has the largest of both.
  const [truth] = squaresOf(picture, gray(5 / 16));
  const [prediction] = squaresOf(picture, gray(13 / 16));
  const errors = squaresOf(picture, colourScale("error")(0.5));
  assert.equal(errors.length, FRAMES - INPUT);
  assert.ok(errors.some(([x]) => x === truth[0]));
  assert.equal(prediction[0], truth[0]);
  const rowHeight = prediction[1] - truth[1];
  assert.ok(rowHeight > HEIGHT * ZOOM);
  // Frame 3 is two columns and two rows of pixels up.
  const [earlier] = squaresOf(picture, gray(3 / 16));
  assert.equal(truth[1] - earlier[1], 2 * ZOOM);
  assert.equal((truth[0] - earlier[0] - 2 * ZOOM) % 2, 0);
  assert.ok(truth[0] - earlier[0] > 2 * WIDTH * ZOOM);
});

Deno.test("renderPredictions() parts input from forecast by a wider gap", () => {
  const png = renderPredictions({
    title: "t",
    sequences: [sampleSequence("s")],
    scale: "gray",
    predicts: "forecast",
  });
  const picture = decodePicture(png);
  const left = (frame: number) => {
    const [corner] = squaresOf(picture, colourScale("gray")(frame / 16));
    return corner[0] - frame * ZOOM;
  };
  assert.ok(left(2) - left(1) > left(3) - left(2));
});

Deno.test("renderPredictions() draws the rain scale with its colour bar", () => {
  const sequences = [sampleSequence("a"), sampleSequence("b")];
  const gray = decodePicture(
    renderPredictions({ title: "t", sequences, scale: "gray", predicts: "forecast" }),
  );
  const rain = decodePicture(
    renderPredictions({ title: "t", sequences, scale: "rain", predicts: "forecast" }),
  );
  assert.equal(rain.width, gray.width);
  assert.ok(rain.height > gray.height);
  // The end of the scale is in no frame here, so it can only be in the bar.
  const end = colourScale("rain")(1).join();
  let found = 0;
  for (let y = gray.height - 40; y < rain.height; y++) {
    for (let x = 0; x < rain.width; x++) if (rain.colour(x, y).join() === end) found++;
  }
  assert.ok(found > 0);
});

Deno.test("renderPredictions() thins out long sequences to ten columns and keeps the last frame", () => {
  const sample = { ...sampleSequence("s"), frames: 40, inputFrames: 20, height: 2, width: 2 };
  const sequence = {
    ...sample,
    truth: Float32Array.from({ length: 160 }, (_, i) => Math.floor(i / 4) / 40),
    predictions: new Float32Array(80),
  };
  const short = {
    ...sequence,
    frames: 10,
    inputFrames: 5,
    truth: new Float32Array(40),
    predictions: new Float32Array(20),
  };
  const width = (shown: PredictedSequence) =>
    decodePicture(
      renderPredictions({ title: "t", sequences: [shown], scale: "gray", predicts: "forecast" }),
    );
  assert.equal(width(sequence).width, width(short).width);
  const picture = width(sequence);
  const last = colourScale("gray")(39 / 40).join();
  let found = false;
  for (let x = 0; x < picture.width; x++) {
    for (let y = 0; y < picture.height; y++) found ||= picture.colour(x, y).join() === last;
  }
  assert.ok(found);
});

Deno.test("renderPredictions() refuses what does not fit its shape", () => {
  const sound = sampleSequence("sound");
  const draw = (...sequences: PredictedSequence[]) =>
    renderPredictions({ title: "t", sequences, scale: "gray", predicts: "forecast" });
  assert.throws(() => draw(), /no sequences given/);
  assert.throws(
    () => draw({ ...sound, predictions: new Float32Array(5) }),
    /Cannot draw "sound": predictions has 5 values, its shape \[4, 40, 60, 1\] needs 9600/,
  );
  assert.throws(
    () => draw(sound, { ...sound, label: "odd", inputFrames: 3 }),
    /Cannot draw "odd": .* \[6, 3, 40, 60, 1\], those of the first sequence \[6, 2, 40, 60, 1\]/,
  );
});

Deno.test("glyphColumns() has every printable character, each drawn differently", () => {
  const characters = Array.from({ length: 95 }, (_, i) => String.fromCharCode(32 + i));
  const drawn = new Set(characters.map((character) => glyphColumns(character).join()));
  assert.equal(drawn.size, 95);
  assert.deepEqual(glyphColumns("é"), glyphColumns("?"));
  assert.equal(textColumns("il"), glyphColumns("i").length + 1 + glyphColumns("l").length);
});

Deno.test("colourScale() runs from end to end and takes the ends outside", () => {
  assert.deepEqual(
    [-1, 0, 0.5, 1, 2, NaN].map(colourScale("gray")),
    [[0, 0, 0], [0, 0, 0], [128, 128, 128], [255, 255, 255], [255, 255, 255], [0, 0, 0]],
  );
});

Deno.test("renderPredictions() draws reconstructed images side by side", () => {
  const pixels = HEIGHT * WIDTH;
  const image = (value: number): PredictedSequence => ({
    ...sampleSequence("s"),
    ...{ frames: 1, inputFrames: 0 },
    truth: new Float32Array(pixels).fill(value, 0, 1),
    predictions: new Float32Array(pixels).fill(value + 0.5, 0, 1),
  });
  const gray = colourScale("gray");
  const picture = decodePicture(renderPredictions({
    ...{ title: "t", scale: "gray", predicts: "reconstruction" },
    sequences: [image(2 / 16), image(3 / 16)],
  }));
  const [[first], [second]] = [2, 3].map((value) => squaresOf(picture, gray(value / 16)));
  assert.equal(first[1], second[1]);
  assert.ok(second[0] >= first[0] + WIDTH * ZOOM);
  const [reconstruction] = squaresOf(picture, gray(11 / 16));
  assert.equal(reconstruction[0], second[0]);
  assert.ok(reconstruction[1] >= second[1] + HEIGHT * ZOOM);
});

Deno.test("predictionKind() tells by what comes before the predictions", () => {
  assert.deepEqual([0, 1, 2, 10].map(predictionKind), [
    "reconstruction",
    "next-frame",
    "forecast",
    "forecast",
  ]);
});
