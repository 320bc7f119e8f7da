import assert from "node:assert/strict";
import { decode } from "fast-png";
import { renderChart, roundTicks } from "../../report/chart.ts";
import { renderConfusion } from "../../report/confusion_picture.ts";
import { categoryColour } from "../../report/colour_scale.ts";
import { renderLatentScatter } from "../../report/latent_scatter.ts";
import { renderLeadTimePlot } from "../../report/lead_time_plot.ts";
import { renderTrainingCurves } from "../../report/training_curves.ts";

/** Columns and rows of all pixels of exactly this colour below the legend. */
function places(png: Uint8Array, colour: readonly number[], from = 120) {
  const { width, height, data } = decode(png);
  const found: [x: number, y: number][] = [];
  for (let y = from; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = 3 * (y * width + x);
      if (colour.every((value, channel) => data[at + channel] === value)) found.push([x, y]);
    }
  }
  return found;
}

const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;
const rows = (found: readonly [number, number][]) => mean(found.map(([, y]) => y));

Deno.test("renderChart() puts values on a linear and on a logarithmic axis", () => {
  const at = (y: number, scale: "linear" | "logarithmic") => {
    const png = renderChart({
      title: "t",
      horizontal: "h",
      vertical: "v",
      scale,
      series: [{ name: "flat", style: "line", points: [[0, y], [10, y]] }],
      reaches: [1, 100],
    });
    return rows(places(png, categoryColour(0)));
  };
  // A third of the way down in one, half in the other.
  const [most, middle, least] = [100, 34, 1].map((y) => at(y, "linear"));
  assert.ok(Math.abs((middle - most) / (least - most) - 2 / 3) < 0.01);
  const [top, half, bottom] = [100, 10, 1].map((y) => at(y, "logarithmic"));
  assert.ok(Math.abs((half - top) / (bottom - top) - 0.5) < 0.01);
});

Deno.test("renderChart() leaves gaps where a value is missing, and breaks a dashed line", () => {
  const columns = (style: "line" | "dashed", middle: number | null) => {
    const png = renderChart({
      title: "t",
      horizontal: "h",
      vertical: "v",
      series: [{ name: "s", style, points: [[0, 1], [1, 1], [2, middle], [3, 1], [4, 1]] }],
      reaches: [0, 2],
    });
    return new Set(places(png, categoryColour(0)).map(([x]) => x)).size;
  };
  const whole = columns("line", 1);
  assert.ok(Math.abs(columns("line", null) / whole - 0.5) < 0.03);
  assert.ok(Math.abs(columns("dashed", 1) / whole - 9 / 15) < 0.15);
});

Deno.test("renderChart() refuses a chart without a point", () => {
  const chart = (y: number | null) => () =>
    renderChart({
      title: "empty",
      horizontal: "h",
      vertical: "v",
      scale: "logarithmic",
      series: [{ name: "s", style: "line", points: [[0, y]] }],
    });
  for (const y of [null, NaN, Infinity, 0]) assert.throws(chart(y), /"empty": it has no point/);
  assert.doesNotThrow(chart(3));
});

Deno.test("roundTicks() are multiples of 1, 2 or 5", () => {
  assert.deepEqual(roundTicks([0, 1], 6), [0, 0.2, 0.4, 0.6, 0.8, 1]);
  assert.deepEqual(roundTicks([3, 241], 8), [50, 100, 150, 200]);
  assert.deepEqual(roundTicks([-0.1, 0.32], 6), [-0.1, 0, 0.1, 0.2, 0.3]);
});

Deno.test("renderTrainingCurves() draws loss and validation below persistence", () => {
  const lines = Array.from({ length: 100 }, (_, index) => ({ step: index + 1, loss: 0.02 }));
  const png = renderTrainingCurves("t", [
    ...lines,
    { step: 100, validationLoss: 0.01, persistenceLoss: 0.05 },
    { step: 100, checkpoint: true },
  ]);
  const [loss, validation] = [0, 1].map((index) => rows(places(png, categoryColour(index))));
  const persistence = places(png, [112, 120, 134]).filter(([x, y]) => x > 150 && y < loss - 20);
  assert.ok(validation > loss, "lower");
  assert.ok(persistence.length > 100, "higher");
  assert.throws(() => renderTrainingCurves("t", [{ step: 1, checkpoint: true }]), /no point/);
});

Deno.test("renderTrainingCurves() shows steps beside their mean in a run of any length", () => {
  // Every other step far from the mean: in full they would lie on it as one broad line.
  const lines = Array.from({ length: 300_000 }, (_, index) => ({
    step: index + 1,
    loss: index % 2 ? 0.1 : 0.001,
    ...(index === 0 ? { persistenceLoss: 0.2 } : {}),
  }));
  const png = renderTrainingCurves("t", lines);
  const dark = places(png, categoryColour(0)).filter(([x]) => x > 200);
  const [top, bottom] = [Math.min(...dark.map(([, y]) => y)), Math.max(...dark.map(([, y]) => y))];
  assert.ok(bottom - top < 8, `the mean is a line, not ${bottom - top} pixels high`);
});

Deno.test("renderTrainingCurves() draws losses below zero", () => {
  const lines = [1, 2, 3, 4].map((step) => ({ step, loss: 1 - step / 2 }));
  const columns = places(renderTrainingCurves("t", lines), categoryColour(0)).map(([x]) => x);
  const positive = lines.slice(0, 1).concat(lines.slice(1).map((line) => ({ ...line, loss: 0.5 })));
  const all = places(renderTrainingCurves("t", positive), categoryColour(0)).map(([x]) => x);
  assert.ok(Math.max(...columns) >= Math.max(...all) - 3, "to the last step");
});

Deno.test("renderChart() is as wide as its title", () => {
  const width = (title: string) =>
    decode(renderChart({
      ...{ title, horizontal: "h", vertical: "v" },
      series: [{ name: "s", style: "line", points: [[0, 1], [1, 2]] }],
    })).width;
  assert.equal(width("short"), 760);
  assert.ok(width("a title of a network with a long name, ".repeat(3)) > 1500);
});

Deno.test("renderLeadTimePlot() has a curve for each forecast, the better one higher", () => {
  const png = renderLeadTimePlot({
    title: "t",
    score: "CSI",
    minutes: 5,
    reaches: [0, 1],
    forecasts: [
      { name: "model", scores: [0.9, 0.8, 0.7] },
      { name: "persistence", scores: [0.5, 0.4, null] },
    ],
  });
  const [model, persistence] = [0, 1].map((index) => places(png, categoryColour(index)));
  assert.ok(rows(model) < rows(persistence) - 50);
  const right = (found: typeof model) => Math.max(...found.map(([x]) => x));
  assert.ok(right(persistence) < right(model) - 100, "it ends where it is not defined");
});

Deno.test("renderLatentScatter() draws each class in its colour", () => {
  const points = [{ x: 0, y: 0, label: 0 }, { x: 1, y: 1, label: 1 }];
  const png = renderLatentScatter("t", points, ["one", "five"]);
  // Discs are translucent, so that a crowd shows: three quarters of the colour on white.
  const seen = (index: number) =>
    places(png, categoryColour(index).map((value) => Math.round(255 + 0.75 * (value - 255))));
  const [first, second] = [seen(0), seen(1)];
  assert.ok(first.length > 9 && second.length > 9);
  assert.ok(rows(first) > rows(second) + 200);
  assert.throws(
    () => renderLatentScatter("t", [{ x: 0, y: 0, label: 2 }], ["one", "five"]),
    /class 2: there are 2 classes, one, five/,
  );
});

Deno.test("renderConfusion() darkens a cell by its share of the row", () => {
  const darkest = [21, 84, 158];
  const right = places(renderConfusion("t", ["a", "b"], [5, 0, 0, 9]), darkest, 0);
  const wrong = places(renderConfusion("t", ["a", "b"], [0, 5, 9, 0]), darkest, 0);
  const slope = (found: typeof right) => {
    const left = found.filter(([x]) => x < mean(found.map(([x]) => x)));
    return rows(left) - rows(found);
  };
  assert.ok(right.length > 1000 && slope(right) < -10, "the diagonal");
  assert.ok(wrong.length > 1000 && slope(wrong) > 10, "the other diagonal");
  assert.throws(() => renderConfusion("t", ["a", "b"], [1, 2, 3]), /2 classes from 3 counts/);
});
