import assert from "node:assert/strict";
import { decode } from "fast-png";
import { categoryColour, classColour, colourScale } from "../../report/colour_scale.ts";
import { renderDecoded } from "../../report/decoded_picture.ts";
import { renderErrorTimeline } from "../../report/error_timeline.ts";
import { type PredictedSequence, rowsOf, sideBySide } from "../../report/predicted_sequence.ts";
import { renderPredictions } from "../../report/prediction_picture.ts";

const [height, width] = [2, 3];
const zoom = 40;

/** Pixels of exactly this colour. */
function count(png: Uint8Array, colour: readonly number[]): number {
  const { data } = decode(png);
  let found = 0;
  for (let at = 0; at < data.length; at += 3) {
    if (colour.every((value, channel) => data[at + channel] === value)) found++;
  }
  return found;
}

function single(label: string, value: number): PredictedSequence {
  const pixels = height * width;
  return {
    ...{ label, height, width, frames: 1, inputFrames: 0 },
    truth: new Float32Array(pixels).fill(value),
    predictions: new Float32Array(pixels).fill(value + 0.25),
  };
}

Deno.test("frames of three channels keep their colours, and their error is the channels' mean", () => {
  const pixels = height * width;
  const colourful: PredictedSequence = {
    ...single("c", 0),
    channels: 3,
    truth: Float32Array.from({ length: 3 * pixels }, (_, i) => [1, 0.2, 0][i % 3]),
    predictions: Float32Array.from({ length: 3 * pixels }, (_, i) => [1, 0.2, 0.6][i % 3]),
  };
  const png = renderPredictions({
    title: "t",
    sequences: [colourful],
    scale: "gray",
    predicts: "next-frame",
  });
  const cell = pixels * zoom ** 2;
  assert.equal(count(png, [255, 51, 0]), cell);
  assert.equal(count(png, [255, 51, 153]), cell);
  assert.equal(count(png, colourScale("error")(0.2)), cell);
});

Deno.test("classes have colours of their own with a legend, below what was seen", () => {
  const answered: PredictedSequence = {
    ...single("s", 0),
    truth: Float32Array.of(0, 1, 2, 1, 1, 1),
    predictions: Float32Array.of(0, 1, 2, 1, 1, 2),
    seen: new Float32Array(6).fill(0.5),
  };
  const rows = rowsOf(answered, "answer", "classes");
  assert.deepEqual(rows.map(({ name }) => name), ["input", "truth", "prediction", "error"]);
  assert.deepEqual([...rows[3].frame(0)!.values], [0, 0, 0, 0, 0, 1]);
  const draw = (classes: readonly string[]) =>
    renderPredictions({
      ...{ title: "t", sequences: [answered], scale: "classes", predicts: "answer", classes },
    });
  const [plain, named] = [draw([]), draw(["ground", "one", "two"])];
  assert.equal(count(plain, classColour(1)), (4 + 3) * zoom ** 2);
  assert.equal(count(plain, classColour(2)), (1 + 2) * zoom ** 2);
  assert.equal(count(plain, colourScale("gray")(0.5)), 6 * zoom ** 2);
  assert.equal(count(named, classColour(2)) - count(plain, classColour(2)), 16 * 16);
});

Deno.test("single images stand side by side, as reconstructions", () => {
  const images = [single("a", 0), single("b", 0.25), single("c", 0.5)];
  const [joined, ...others] = sideBySide(images);
  assert.equal(others.length, 0);
  assert.deepEqual([joined.label, joined.frames, joined.inputFrames], ["a ... c", 3, 0]);
  const rows = rowsOf(joined, "reconstruction", "gray");
  assert.deepEqual(rows.map(({ name }) => name), ["truth", "reconstruction", "error"]);
  assert.deepEqual([...rows[1].frame(2)!.values], [...images[2].predictions]);
  const two = [0, 1].map(() => ({ ...single("d", 0), frames: 2 }));
  assert.equal(sideBySide(two), two);
});

Deno.test("what is not predicted has no place; frames alone have one row", () => {
  const sequence = { ...single("s", 0.5), frames: 2, inputFrames: 1 };
  const [, prediction, error] = rowsOf(sequence, "forecast", "rain");
  assert.equal(prediction.frame(0), undefined);
  assert.equal(error.frame(0), undefined);
  assert.equal(error.scale, "error");
  assert.deepEqual(rowsOf(sequence, "nothing", "gray").map(({ name }) => name), ["frame"]);
});

Deno.test("renderDecoded() puts each point's image in its place of the grid", () => {
  const images = Float32Array.of(0.1, 0.2, 0.3, 0.4, 0.5, 0.6);
  const grid = {
    ...{ title: "t", axes: ["x", "y"], horizontal: [-1, 0, 1], vertical: [0, 2] } as const,
    ...{ frameShape: [1, 1, 1], scale: "gray" } as const,
  };
  const png = renderDecoded({ ...grid, images });
  const { data, width } = decode(png);
  const placeOf = (value: number) => {
    const [level] = colourScale("gray")(value);
    for (let at = 0; at < data.length; at += 3) {
      if (data[at] === level && data[at + 1] === level && data[at + 2] === level) {
        return [(at / 3) % width, Math.floor(at / 3 / width)];
      }
    }
    return assert.fail(`no pixel of ${value}`);
  };
  const [x0, y0] = placeOf(images[0]);
  assert.deepEqual(placeOf(images[2]), [x0 + 2 * 74, y0]);
  assert.deepEqual(placeOf(images[3]), [x0, y0 - 74]);
  assert.throws(() => renderDecoded({ ...grid, images: images.subarray(1) }), RangeError);
});

Deno.test("renderErrorTimeline() marks events in a panel for each sequence", () => {
  const frames = Array.from({ length: 10 }, (_, frame) => ({
    ...{ frame, isEvent: frame === 4 || frame === 5, error: frame / 10, persistenceError: 0.5 },
  }));
  const one = renderErrorTimeline("t", [{ label: "a", frames }]);
  const calm = frames.map((frame) => ({ ...frame, isEvent: false }));
  const two = renderErrorTimeline("t", [{ label: "a", frames }, { label: "b", frames: calm }]);
  assert.equal(decode(two).height, 2 * decode(one).height);
  const band = [252, 214, 206];
  assert.ok(count(one, band) > 5000);
  assert.equal(count(two, band), count(one, band));
  assert.ok(count(two, categoryColour(0)) > count(one, categoryColour(0)));
  // Without events, of one frame, or with errors that are not finite, it is drawn too.
  const told = [{ frame: 1, error: NaN, persistenceError: 0.5 }];
  const unknown = renderErrorTimeline("t", [{ label: "a", frames: told }]);
  assert.equal(decode(unknown).height, decode(one).height);
  assert.equal(count(unknown, band), 0);
  assert.throws(() => renderErrorTimeline("t", []), /^RangeError: Cannot draw "t"/);
});
