/** What datasets say that they miss: as NaN, announced, wherever they come from. */
import assert from "node:assert/strict";
import { arrayDataset, type ArrayDatasetOptions } from "../../datasets/array_dataset.ts";
import { augmented } from "../../datasets/augmentation.ts";
import { type Dataset, DatasetError } from "../../datasets/dataset.ts";
import { openDataset } from "../../datasets/open_dataset.ts";
import { openRecordedRadar } from "../../datasets/recorded_radar.ts";
import { openSevir } from "../../datasets/sevir.ts";
import { defaultRun } from "../../launch/run_flags.ts";
import expected from "../fixtures/missing/sevir.json" with { type: "json" };
import { assertClose } from "../models/close_to.ts";
import { gzip, pgm, withFolder } from "./temporary_folder.ts";

const fixtures = new URL("../fixtures/missing/sevir/", import.meta.url).pathname;

async function withSevir(kind: string, body: (path: string) => Promise<void>): Promise<void> {
  const file = await Deno.readFile(`${fixtures}vil_${kind}.h5`);
  await withFolder({ "vil.h5": file }, body);
}

function assertSame(found: Float32Array, text: string, what: string): void {
  const numbers = text.split(" ").map(Number);
  assert.deepEqual([...found].map(Number.isNaN), numbers.map(Number.isNaN), `${what}: missing`);
  const known = (values: ArrayLike<number>) =>
    Array.from(values).filter((each) => !Number.isNaN(each));
  assertClose(known(found), known(numbers), what, { relative: 1e-6 });
}

const test = { split: "test", epoch: 0, sequence: 0, offset: 0, frames: 4 } as const;

for (const kind of ["u1", "u2", "i2", "i4", "f4", "f8"]) {
  Deno.test(`openSevir() has 255 for missing in ${kind}, and resizes by what was observed`, async () => {
    await withSevir(kind, async (path) => {
      for (const size of [8, 4, 3, 12] as const) {
        const dataset = await openSevir({ path, frameSize: [size, size] });
        assert.ok(dataset.hasMissing);
        assertSame(await dataset.read(test), expected[size], `${size}x${size}`);
        dataset.close();
      }
    });
  });
}

Deno.test("openSevir() refuses a code that is none, with its file", async () => {
  await withSevir("negative", async (path) => {
    await assert.rejects(
      openSevir({ path, frameSize: [8, 8] }),
      (error) => error instanceof DatasetError && /vil\.h5": "vil" holds -1/.test(error.message),
    );
  });
});

/** Scans of 4 x 4 pixels; `hide` takes some away. */
async function radarFolder(hide: (scan: number, row: number, column: number) => boolean) {
  const files: Record<string, Uint8Array<ArrayBuffer>> = {};
  for (let scan = 0; scan < 4; scan++) {
    const bytes = pgm(
      8,
      8,
      (row, column) => hide(scan, row, column) ? 255 : 80 + scan * 20 + row * 2 + column,
    );
    files[`20200101120${scan}_a.pgm.gz`.replace(/120(\d)/, (_, n) => `12${n}0`)] = await gzip(
      bytes,
    );
  }
  return files;
}

Deno.test("openRecordedRadar() takes tiles that are observed as much as is asked for", async () => {
  // Hidden are a quarter of the north-western tile and three quarters of the north-eastern one. The
  // south-eastern tile is hidden in all scans but one.
  const hide = (scan: number, row: number, column: number) =>
    (row < 2 && column < 2) || (row < 4 && column > 4) || (row > 3 && column > 3 && scan !== 9);
  await withFolder(await radarFolder(hide), async (path) => {
    const tilesOf = async (observedShareMin?: number) => {
      const options = { path, frameSize: 4, cacheBytesMax: 1e6, split: "time" as const };
      const dataset = await openRecordedRadar({
        ...{ ...options, testScans: 1, validationScans: 1, observedShareMin },
        contextScans: 1,
      });
      const ids = dataset.catalogue("train", 0).map(({ id }) => id.slice(-8));
      return { dataset, ids };
    };
    for (
      const [share, tiles] of [
        [undefined, ["tile-1-0"]],
        [1, ["tile-1-0"]],
        [0.8, ["tile-1-0"]],
        [0.75, ["tile-0-0", "tile-1-0"]],
        [0.25, ["tile-0-0", "tile-0-1", "tile-1-0"]],
        // Sequences of which nothing was observed tell nothing.
        [0, ["tile-0-0", "tile-0-1", "tile-1-0"]],
      ] as const
    ) {
      const { dataset, ids } = await tilesOf(share);
      assert.deepEqual(ids, tiles, `${share}`);
      assert.equal(dataset.hasMissing, (share ?? 1) < 1 ? true : undefined);
      const words = (share ?? 1) < 1
        ? /tiles of 4x4 pixels of which each scan observes/
        : /fully observed/;
      assert.match(dataset.description, words);
      const [values] = await Promise.all([
        dataset.read({ split: "train", epoch: 0, sequence: 0, offset: 0, frames: 1 }),
      ]);
      assert.equal(values.filter(Number.isNaN).length, ids[0] === "tile-0-0" ? 4 : 0);
      dataset.close();
    }
  });
});

Deno.test("openRecordedRadar() takes the share of rain of what was observed", async () => {
  // Rain everywhere that is seen, which is half.
  await withFolder(await radarFolder((_scan, _row, column) => column % 2 === 0), async (path) => {
    const open = (wetShareMin: number) =>
      openDataset({
        ...{ ...defaultRun.dataset, name: "radar", path, frameSize: 4 },
        options: {
          ...{ "observed-share-min": 0.5, "wet-share-min": wetShareMin, "split": "time" },
          ...{ "test-scans": 1, "validation-scans": 1, "context-scans": 1 },
        },
      }, 1);
    const dataset = await open(1);
    assert.equal(dataset.catalogue("train", 0).length, 4);
    dataset.close();
  });
});

const sequence = Float32Array.of(0.1, NaN, 0.3, 0.4, 0.5, 0.6, NaN, NaN);
const arrays: ArrayDatasetOptions = {
  ...{ name: "arrays", frameShape: [2, 2, 1], hasMissing: true },
  sequences: { train: [sequence], validation: [], test: [] },
};

Deno.test("arrayDataset() has NaN where it was told so, and nowhere else; infinity nowhere", async () => {
  const dataset = arrayDataset(arrays);
  assert.ok(dataset.hasMissing);
  const request = { split: "train", epoch: 0, sequence: 0, offset: 1, frames: 1 } as const;
  assert.deepEqual(await dataset.read(request), sequence.slice(4));
  assert.throws(
    () => arrayDataset({ ...arrays, hasMissing: false }),
    (error) =>
      error instanceof DatasetError &&
      /sequence 0 of train: its value 1 is NaN; give hasMissing/.test(error.message),
  );
  const infinite = sequence.map((value, i) => i === 2 ? -Infinity : value);
  const sequences = { ...arrays.sequences, train: [infinite] };
  assert.throws(() => arrayDataset({ ...arrays, sequences }), /its value 2 is -Infinity/);
  assert.equal(
    arrayDataset({ ...arrays, sequences: { ...sequences, train: [] } }).hasMissing,
    true,
  );
});

Deno.test("arrayDataset() has answers and labels to ignore, of all classes together", async () => {
  const empty = { validation: [], test: [] };
  const request = { split: "train", epoch: 0, sequence: 0, offset: 0, frames: 2 } as const;
  const classes = ["a", "b"];
  const answersOf = (values: readonly number[]) => ({
    ...{ ...arrays, hasMissingTargets: true },
    targets: { shape: [2], classes, values: { ...empty, train: [Float32Array.from(values)] } },
  });
  const known = arrayDataset(answersOf([1, 0, NaN, NaN]));
  assert.ok(known.hasMissingTargets);
  assert.deepEqual([...await known.readTargets!(request)], [1, 0, NaN, NaN]);
  assert.throws(
    () => arrayDataset(answersOf([1, 0, NaN, 0])),
    /1 of the 2 classes from value 2 on/,
  );
  assert.throws(
    () => arrayDataset({ ...answersOf([1, 0, NaN, NaN]), hasMissingTargets: false }),
    /the answers to sequence 0 of train: its value 2 is NaN/,
  );
  const labels = { ...empty, train: [NaN] };
  const ignored = arrayDataset({
    ...arrays,
    hasMissingTargets: true,
    targets: { classes, labels },
  });
  assert.deepEqual([...await ignored.readTargets!(request)], [NaN, NaN, NaN, NaN]);
  assert.throws(() => arrayDataset({ ...arrays, targets: { classes, labels } }), /label NaN/);
});

Deno.test("augmented() turns what is missing with the rest", async () => {
  const dataset: Dataset = augmented(arrayDataset(arrays), { flips: true, rotations: true }, 3);
  assert.ok(dataset.hasMissing);
  const places = new Set<number>();
  for (let epoch = 0; epoch < 40; epoch++) {
    const values = await dataset.read({
      ...{ split: "train", epoch, sequence: 0, offset: 0, frames: 1 },
    });
    const missing = [...values.keys()].filter((i) => Number.isNaN(values[i]));
    assert.equal(missing.length, 1);
    places.add(missing[0]);
    assert.deepEqual([...values].filter((value) => !Number.isNaN(value)).sort(), [
      ...sequence.filter((value, i) => i < 4 && !Number.isNaN(value)),
    ]);
  }
  assert.equal(places.size, 4);
});
