import assert from "node:assert/strict";
import { field, smooth, valueAt } from "../../baselines/field.ts";
import { opticalFlow } from "../../baselines/optical_flow.ts";
import { persistence } from "../../baselines/persistence.ts";
import { radarExtrapolation } from "../../baselines/radar_extrapolation.ts";
import { extrapolate } from "../../baselines/semi_lagrangian.ts";
import { Decoder } from "../../datasets/decoder.ts";
import { valuesOfCodes } from "../../datasets/radar_frame.ts";
import { rainRateOfValue } from "../../datasets/radar_scale.ts";
import { contingencyScores, countEvents } from "../../metrics/contingency.ts";
import { shared } from "../datasets/shared_data.ts";
import pysteps from "../fixtures/baselines/pysteps.json" with { type: "json" };

/** Soft blobs of many sizes, moved by (rows, columns) pixels. */
function blobs(height: number, width: number, rows: number, columns: number) {
  const centres = Array.from({ length: 24 }, (_, i) => ({
    row: (i * 37) % (height + 40) - 20,
    column: (i * 61) % (width + 40) - 20,
    radius: 4 + i % 5,
    value: 0.3 + (i % 7) / 10,
  }));
  return field(
    height,
    width,
    Float64Array.from({ length: height * width }, (_, i) => {
      const [y, x] = [Math.floor(i / width) - rows, i % width - columns];
      return centres.reduce(
        (sum, { row, column, radius, value }) =>
          sum + value * Math.exp(-((y - row) ** 2 + (x - column) ** 2) / (2 * radius ** 2)),
        0,
      );
    }),
  );
}

Deno.test("opticalFlow() finds how far a picture was moved, and extrapolate() moves it on", () => {
  const [height, width] = [72, 90];
  for (const [rows, columns] of [[0, 0], [2, -3], [-0.6, 1.25], [6, 5]]) {
    const frames = [0, 1, 2].map((time) => blobs(height, width, time * rows, time * columns));
    const motion = opticalFlow(frames);
    const farthest = (values: Float64Array, expected: number) =>
      values.reduce((most, value) => Math.max(most, Math.abs(value - expected)), 0);
    const errors = [farthest(motion.rows.values, rows), farthest(motion.columns.values, columns)];
    assert.ok(Math.max(...errors) < 0.12, `motion of ${rows}, ${columns} is off by ${errors}`);
    const [next] = extrapolate(frames[2], motion, 1, "unknown");
    const truth = blobs(height, width, 3 * rows, 3 * columns);
    next.values.forEach((value, i) => {
      if (!Number.isNaN(value)) assert.ok(Math.abs(value - truth.values[i]) < 0.03);
    });
  }
});

Deno.test("opticalFlow() is not held back by the edge of what radars see, which stands still", () => {
  const [height, width] = [80, 96];
  const isSeen = (i: number) => Math.hypot(Math.floor(i / width) - 40, i % width - 48) < 34;
  const frames = [0, 1, 2].map((time) => {
    const whole = blobs(height, width, time * 1.5, time * -2);
    return field(height, width, whole.values.map((value, i) => isSeen(i) ? value + 0.5 : NaN));
  });
  const motion = opticalFlow(frames);
  for (
    const [values, expected] of [[motion.rows.values, 1.5], [motion.columns.values, -2]] as const
  ) {
    for (let i = 0; i < values.length; i++) {
      assert.ok(
        Math.abs(values[i] - expected) < 0.25,
        `motion at pixel ${i} is ${values[i]}, not ${expected}`,
      );
    }
  }
});

Deno.test("smooth() with a wide deviation comes near to the sum over all pixels", () => {
  const from = blobs(60, 70, 0, 0);
  const deviation = 20;
  const result = smooth(from, deviation);
  const weight = (distance: number) => Math.exp(-((distance / deviation) ** 2) / 2);
  const mirrored = (index: number, length: number) =>
    index < 0 ? -index : index >= length ? 2 * (length - 1) - index : index;
  for (const [row, column] of [[30, 35], [0, 0], [59, 20], [10, 69]]) {
    let [sum, total] = [0, 0];
    for (let y = row - 55; y <= row + 55; y++) {
      for (let x = column - 55; x <= column + 55; x++) {
        const share = weight(y - row) * weight(x - column);
        sum += share * valueAt(from, mirrored(y, 60), mirrored(x, 70));
        total += share;
      }
    }
    const value = result.values[row * 70 + column];
    assert.ok(Math.abs(value / (sum / total) - 1) < 0.03, `${value}, the sum is ${sum / total}`);
  }
});

Deno.test("extrapolate() moves whole pixels exactly, and knows nothing of what flows in", () => {
  const from = blobs(20, 24, 0, 0);
  const constant = (value: number) => field(20, 24, new Float64Array(20 * 24).fill(value));
  const motion = { rows: constant(1), columns: constant(-2) };
  const forecasts = extrapolate(from, motion, 3, "unknown");
  const edges = extrapolate(from, motion, 3, "edge");
  forecasts.forEach(({ values }, lead) => {
    for (let i = 0; i < values.length; i++) {
      const [row, column] = [Math.floor(i / 24) - (lead + 1), i % 24 + 2 * (lead + 1)];
      const expected = row < 0 || column > 23 ? NaN : from.values[row * 24 + column];
      assert.equal(values[i], expected);
      assert.equal(edges[lead].values[i], valueAt(from, row, column));
    }
  });
});

Deno.test("extrapolate() along a turning motion equals pysteps' semi-Lagrangian scheme", () => {
  const { shape: [height, width], dbz, columns, rows, extrapolated } = pysteps.part;
  const forecasts = extrapolate(
    field(height, width, dbz),
    { rows: field(height, width, rows), columns: field(height, width, columns) },
    extrapolated.length,
    "unknown",
  );
  let known = 0;
  extrapolated.forEach((expected, lead) =>
    expected.forEach((value, i) => {
      const actual = forecasts[lead].values[i];
      if (value === null) return assert.ok(Number.isNaN(actual), `pixel ${i} is not known`);
      known++;
      assert.ok(Math.abs(actual - value) < 1e-6, `${actual}, pysteps has ${value}`);
    })
  );
  assert.ok(known > 1000);
});

Deno.test(
  "radarExtrapolation() of real rain is as good as pysteps' Lucas-Kanade, and beats persistence",
  shared.test,
  async () => {
    const [top, left, size] = pysteps.crop;
    const decoder = new Decoder();
    const frames: Float32Array[] = [];
    let relation = { a: 0, b: 0 };
    for (let minute = 35; minute <= 75; minute += 5) {
      const time = `${15 + Math.floor(minute / 60)}${String(minute % 60).padStart(2, "0")}`;
      const { codes, columns, calibration } = await decoder.decode("radar", {
        path: shared.path(
          `radar-fmi-20160928/20160928${time}_fmi.radar.composite.lowest_FIN_SUOMI1.pgm.gz`,
        ),
      });
      const values = valuesOfCodes(calibration, 256);
      relation = calibration.relation;
      frames.push(Float32Array.from(
        { length: size * size },
        (_, i) => values[codes[(top + Math.floor(i / size)) * columns + left + i % size]],
      ));
    }
    decoder.close();
    const inputs = new Float32Array(3 * size * size);
    frames.slice(0, 3).forEach((frame, i) => inputs.set(frame, i * size * size));
    const leads = 6;
    const rates = (values: Float32Array) => values.map((value) => rainRateOfValue(value, relation));
    const csi = (forecast: Float32Array, lead: number, threshold: number) => {
      const prediction = rates(forecast.subarray(lead * size * size, (lead + 1) * size * size));
      const counts = countEvents(prediction, rates(frames[3 + lead]), threshold, "above");
      return contingencyScores(counts).csi!;
    };
    const flow = radarExtrapolation(inputs, [size, size], leads, "unknown");
    const last = persistence(inputs, size * size, leads);
    for (const [threshold, theirs] of Object.entries(pysteps.csi)) {
      for (let lead = 0; lead < leads; lead++) {
        const [ours, repeated] = [flow, last].map((each) => csi(each, lead, Number(threshold)));
        assert.ok(Math.abs(repeated - theirs.persistence[lead]) < 1e-3);
        assert.ok(
          ours > theirs.optical_flow[lead] - 0.02 && ours > repeated + 0.05,
          `CSI at ${threshold} mm/h after ${5 * (lead + 1)} min: ${ours}, pysteps has ` +
            `${theirs.optical_flow[lead]}, persistence ${repeated}`,
        );
      }
    }
  },
);

Deno.test("baselines refuse what they cannot forecast from", () => {
  assert.throws(() => radarExtrapolation(new Float32Array(16), [4, 4], 2), /1 frame/);
  assert.throws(() => opticalFlow([field(4, 4), field(4, 5)]), /4 x 4, 4 x 5/);
  const motion = { rows: field(3, 4), columns: field(3, 4) };
  assert.throws(() => extrapolate(field(4, 4), motion, 1, "edge"), /4 x 4 .* 3 x 4/);
  const dry = radarExtrapolation(new Float32Array(48), [4, 4], 2);
  assert.deepEqual([...dry], Array(32).fill(0));
});
