import assert from "node:assert/strict";
import { DatasetError } from "../../datasets/dataset.ts";
import { Decoder } from "../../datasets/decoder.ts";
import { CodeValues, frameValues } from "../../datasets/radar_frame.ts";
import {
  marshallPalmer,
  rainRateOfValue,
  valueOfReflectivity,
} from "../../datasets/radar_scale.ts";
import { openRecordedRadar } from "../../datasets/recorded_radar.ts";
import { withFolder } from "./temporary_folder.ts";

const folder = new URL("../fixtures/datasets/odim/", import.meta.url).pathname;

async function decoded(name: string) {
  const decoder = new Decoder();
  try {
    const frame = await decoder.decode("radar", { path: `${folder}${name}` });
    return { ...frame, values: [...frameValues(frame, new CodeValues().of(frame))] };
  } finally {
    decoder.close();
  }
}

Deno.test("an ODIM composite of reflectivity: gain and offset, nodata is NaN, undetect no rain", async () => {
  const { product, rows, columns, values, calibration } = await decoded("202401011200_dbzh.h5");
  assert.deepEqual([product, rows, columns], ["ODIM", 4, 6]);
  assert.deepEqual(values.slice(0, 2), [NaN, 0]);
  const expected = Array.from(
    { length: 22 },
    (_, i) => Math.fround(valueOfReflectivity((i + 2) * 10 * 0.5 - 32)),
  );
  assert.deepEqual(values.slice(2), expected);
  assert.deepEqual(calibration.relation, marshallPalmer);
  // What may stand nearer to the root is found there, and the maker's Z-R relation is taken.
  const other = await decoded("20240101120500_dbzh.h5");
  assert.deepEqual(other.values, values);
  assert.deepEqual(other.calibration.relation, { a: 316, b: 1.5 });
});

Deno.test("an ODIM composite of rates in float64 keeps them", async () => {
  const { values, calibration } = await decoded("rate.h5");
  assert.equal(calibration.quantity, "mm/h");
  assert.deepEqual(values.slice(0, 3), [NaN, 0, 0]);
  assert.ok(Number.isNaN(values[5]));
  const rates = values.slice(3, 5).map((value) => rainRateOfValue(value, calibration.relation));
  [0.126, 12.5].forEach((rate, i) => assert.ok(Math.abs(rates[i] / rate - 1) < 1e-5, `${rates}`));
});

Deno.test("an ODIM accumulation becomes a rate over its time", async () => {
  const { values, calibration } = await decoded("accumulation.h5");
  const rates = values.map((value) => rainRateOfValue(value, calibration.relation));
  assert.deepEqual(values.slice(0, 3), [NaN, 0, 0]);
  // 0.1, 1 and 10 mm in 5 minutes.
  [1.2, 12, 120].forEach((rate, i) => assert.ok(Math.abs(rates[3 + i] / rate - 1) < 1e-4));
});

for (
  const [name, message] of [
    ["no_times.h5", /expected startdate/],
    ["velocity.h5", /of DBZH, DBZ, TH, RATE, ACRR, found VRADH/],
    ["no_image.h5", /found no image/],
    ["no_gain.h5", /expected a number what\/gain of DBZH, found undefined/],
    ["three_dimensions.h5", /of shape \(2, 4, 6\)/],
  ] as const
) {
  Deno.test(`an ODIM file that cannot be used is named: ${name}`, async () => {
    await assert.rejects(
      decoded(name),
      (error) =>
        error instanceof DatasetError && error.message.includes(name) &&
        message.test(error.message),
    );
  });
}

Deno.test("openRecordedRadar() makes sequences of ODIM files, their times with or without seconds", async () => {
  const bytes = await Deno.readFile(`${folder}202401011200_dbzh.h5`);
  const files = {
    "T_PAAH_202401011200.h5": bytes,
    "T_PAAH_20240101120500.h5": bytes,
    "T_PAAH_202401011210.hdf": bytes,
  };
  await withFolder(files, async (path) => {
    const dataset = await openRecordedRadar({ path, frameSize: 1, cacheBytesMax: 1e6 });
    const [entry] = dataset.catalogue("train", 0);
    assert.deepEqual(entry, { id: "odim/2024-01-01T12:00/tile-0-1", frames: 3 });
    dataset.close();
  });
});
