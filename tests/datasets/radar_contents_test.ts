/** What radar files say they hold, against values that NumPy and h5py made of the same files. */
import assert from "node:assert/strict";
import { DatasetError } from "../../datasets/dataset.ts";
import { Decoder } from "../../datasets/decoder.ts";
import { CodeValues, frameValues, type RadarChoice } from "../../datasets/radar_frame.ts";
import expected from "../fixtures/datasets/radar_contents/expected.json" with { type: "json" };

interface Expected {
  readonly choice: RadarChoice;
  /** Part of the reason why the file is refused. */
  readonly refused?: string;
  readonly relation?: readonly number[];
  /** null is not observed. */
  readonly values?: readonly (number | null)[];
}

const folder = new URL("../fixtures/datasets/radar_contents/", import.meta.url).pathname;

for (const layout of ["odim", "knmi", "fmi"]) {
  Deno.test(`composites of ${layout} are read as they say`, async (test) => {
    const decoder = new Decoder();
    const files = Object.entries(expected as Record<string, Expected[]>);
    for (const [name, tries] of files.filter(([name]) => name.startsWith(layout))) {
      await test.step(name, async () => {
        for (const each of tries) await checkDecoding(decoder, name, each);
      });
    }
    decoder.close();
  });
}

async function checkDecoding(decoder: Decoder, name: string, wanted: Expected): Promise<void> {
  const { choice, refused, relation, values } = wanted;
  const decoding = decoder.decode("radar", { path: `${folder}${name}`, choice });
  if (refused !== undefined) {
    await assert.rejects(decoding, (error: Error) => {
      assert.ok(error instanceof DatasetError, `${error}`);
      assert.ok(error.message.includes(refused), error.message);
      assert.ok(error.message.includes(name), error.message);
      assert.doesNotMatch(error.message, /\n|undefined/);
      return true;
    });
    return;
  }
  const frame = await decoding;
  const { a, b } = frame.calibration.relation;
  assert.deepEqual([a, b], relation);
  assert.equal(frame.rows * frame.columns, values!.length);
  const found = frameValues(frame, new CodeValues().of(frame));
  values!.forEach((value, i) => {
    const near = value === null ? Number.isNaN(found[i]) : Math.abs(found[i] - value) < 1e-6;
    assert.ok(near, `pixel ${i} of ${JSON.stringify(choice)}: ${found[i]}, not ${value}`);
  });
}

Deno.test("a composite tells its time and what it holds", async () => {
  const decoder = new Decoder();
  const at1205 = Date.UTC(2024, 0, 1, 12, 5) / 60_000;
  try {
    for (
      const [name, content, minutes] of [
        ["odim_u2.h5", "DBZH", at1205],
        ["odim_sum_hour.h5", "ACRR in 60 min", at1205],
        ["knmi_sum_hour.h5", "ACCUMULATION_[MM] in 60 min", at1205 - 695],
        ["knmi_dbz.h5", "REFLECTIVITY_[DBZ]", at1205],
        ["fmi_0.pgm", "CorrectedReflectivity (CAPPI)", at1205],
      ] as const
    ) {
      const path = `${folder}${name}`;
      const frame = await decoder.decode("radar", { path });
      assert.equal(frame.content, content);
      assert.equal(frame.minutes, minutes);
      assert.equal(await decoder.decode("radarMinutes", { path }), minutes);
    }
  } finally {
    decoder.close();
  }
});
