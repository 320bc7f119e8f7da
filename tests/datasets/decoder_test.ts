import assert from "node:assert/strict";
import { parseFmiComposite } from "../../datasets/fmi_composite.ts";
import { Decoder } from "../../datasets/decoder.ts";
import { valuesOfCodes } from "../../datasets/radar_frame.ts";
import { rainRateOfValue } from "../../datasets/radar_scale.ts";
import reference from "../fixtures/datasets/radar_reference.json" with { type: "json" };
import { shared } from "./shared_data.ts";

const composites = new URL("../fixtures/datasets/composites/", import.meta.url).pathname;

/** The largest rain that the scale's floor of -10 dBZ can hide. */
const drizzle = 0.0066;

for (
  const { format, folder, ending } of [
    { format: "fmi", folder: "radar-fmi-20160928", ending: ".pgm.gz" },
    { format: "knmi", folder: "radar-knmi-20100826", ending: ".h5" },
  ] as const
) {
  Deno.test(
    `decode() of "radar" reads the ${format} set as NumPy and h5py do`,
    shared.test,
    async () => {
      const expected = reference[format];
      const names = [...Deno.readDirSync(shared.path(folder))].map(({ name }) => name)
        .filter((name) => name.endsWith(ending)).sort();
      assert.equal(names.length, expected.shape[0]);
      const decoder = new Decoder();
      const counts = new Float64Array(65536);
      const points = Map.groupBy(expected.points, ([name]) => name);
      let rateOfCode: number[] = [];
      for (const name of names) {
        const { rows, columns, codes, calibration } = await decoder.decode("radar", {
          path: `${shared.path(folder)}/${name}`,
        });
        assert.deepEqual([rows, columns], expected.shape.slice(1));
        if (rateOfCode.length === 0) {
          rateOfCode = Array.from(
            valuesOfCodes(calibration, codes instanceof Uint8Array ? 256 : 65536),
            (value) => rainRateOfValue(value, calibration.relation),
          );
        }
        for (const code of codes) counts[code]++;
        for (const [, row, column, rate] of points.get(name) ?? []) {
          const found = rateOfCode[codes[Number(row) * columns + Number(column)]];
          if (rate === null) assert.ok(Number.isNaN(found));
          else if (Number(rate) < drizzle) assert.equal(found, 0);
          else assertNear(found, Number(rate), 2e-6);
        }
      }
      decoder.close();
      const seen = rateOfCode.map((rate, code) => ({ rate, count: counts[code] }))
        .filter(({ rate, count }) => !Number.isNaN(rate) && count > 0);
      const total = (items: typeof seen) => items.reduce((sum, { count }) => sum + count, 0);
      assert.equal(total(seen), expected.observed);
      assertNear(Math.max(...seen.map(({ rate }) => rate)), expected.max, 2e-6);
      const mean = seen.reduce((sum, { rate, count }) => sum + rate * count, 0) / expected.observed;
      assertNear(mean, expected.mean, 1e-4);
      for (const [threshold, count] of Object.entries(expected.counts)) {
        assert.equal(total(seen.filter(({ rate }) => rate >= Number(threshold))), count);
      }
    },
  );
}

Deno.test("Decoder reads KNMI's calibration and gives NaN where nothing is observed", async () => {
  const decoder = new Decoder();
  const [frame, other] = await Promise.all([
    decoder.decode("radar", { path: `${composites}sound.h5` }),
    decoder.decode("radar", { path: `${composites}other_gain.h5` }),
  ]);
  decoder.close();
  assert.deepEqual([frame.rows, frame.columns], [4, 6]);
  assert.deepEqual([...frame.codes], [65535, ...Array.from({ length: 23 }, (_, i) => i + 1)]);
  assertNear(frame.calibration.gain, 0.12, 1e-12);
  assertNear(other.calibration.gain, 0.24, 1e-12);
  const values = valuesOfCodes(frame.calibration, 65536);
  assert.ok(Number.isNaN(values[65535]));
  assert.equal(values[0], 0);
  // 10 codes are 1.2 mm/h: 23.01 + 16 log10 1.2 dBZ.
  assertNear(values[10], (23.010299956639813 + 16 * Math.log10(1.2) + 10) / 70, 1e-7);
});

Deno.test("Decoder rejects what waits when it is closed, and every file after it", async () => {
  const decoder = new Decoder();
  const waiting = decoder.decode("radar", { path: `${composites}sound.h5` });
  decoder.close();
  await assert.rejects(waiting, { name: "DatasetError", message: /was closed/ });
  await assert.rejects(decoder.decode("radar", { path: "later.h5" }), {
    name: "DatasetError",
    message: /is closed/,
  });
});

Deno.test("parseFmiComposite() passes over comments anywhere in the header", () => {
  const header = "P5 # one\n#two\n3\t# three\n 2\n# param DBZH\n255\n";
  const bytes = new TextEncoder().encode(header + "#bcdef");
  const frame = parseFmiComposite(bytes, "x.pgm");
  assert.deepEqual([frame.columns, frame.rows], [3, 2]);
  // The first pixel has the code of "#", which is no comment after the header.
  assert.deepEqual([...frame.codes], [0x23, 0x62, 0x63, 0x64, 0x65, 0x66]);
  const values = valuesOfCodes(frame.calibration, 256);
  assert.deepEqual([values[0], values[114], values[255]], [0, 0.5, NaN]);
});

function assertNear(actual: number, expected: number, relative: number): void {
  assert.ok(
    Math.abs(actual - expected) <= relative * Math.abs(expected),
    `${actual} != ${expected}`,
  );
}
