import assert from "node:assert/strict";
import type { Split } from "../../datasets/dataset.ts";
import { openRecordedRadar } from "../../datasets/recorded_radar.ts";
import { isRainDataset } from "../../datasets/rain_dataset.ts";
import { fmiRelation } from "../../datasets/radar_scale.ts";
import { gzip, pgm, withFolder } from "./temporary_folder.ts";
import { shared } from "./shared_data.ts";

const cacheBytesMax = 64 * 1024 * 1024;
const splits: readonly Split[] = ["train", "validation", "test"];
const none = 255;

/** Code of a pixel that tells scan and place, in the range of rain. */
const codeOf = (scan: number, row: number, column: number) => 70 + scan * 12 + row * 4 + column;

/** 3 rows x 4 columns plus a rest at each edge, one pixel a tile; `hide` takes pixels away. */
async function smallFolder(
  minutes: readonly string[],
  hide: (scan: number, row: number, column: number) => boolean = () => false,
): Promise<Record<string, Uint8Array<ArrayBuffer>>> {
  const files: Record<string, Uint8Array<ArrayBuffer>> = {};
  for (const [scan, minute] of minutes.entries()) {
    const bytes = pgm(
      4,
      3,
      (row, column) => hide(scan, row, column) ? none : codeOf(scan, row, column),
    );
    files[`2020010112${minute}_a.pgm.gz`] = await gzip(bytes);
  }
  return files;
}

Deno.test("openRecordedRadar() splits tiles from north to south and reads each one's pixels", async () => {
  await withFolder(await smallFolder(["00", "05", "10", "15"]), async (path) => {
    const dataset = await openRecordedRadar({ path, frameSize: 1, cacheBytesMax });
    assert.deepEqual(dataset.frameShape, [1, 1, 1]);
    assert.ok(isRainDataset(dataset));
    assert.deepEqual(dataset.relation, fmiRelation);
    const ids = splits.map((split) => dataset.catalogue(split, 0).map(({ id }) => id));
    assert.equal(ids[0].length, 10);
    assert.equal(ids[0][9], "fmi/2020-01-01T12:00/tile-2-1");
    assert.deepEqual(ids.slice(1), [
      ["fmi/2020-01-01T12:00/tile-2-2"],
      ["fmi/2020-01-01T12:00/tile-2-3"],
    ]);
    const read = await dataset.read({
      split: "train",
      epoch: 3,
      sequence: 6,
      offset: 1,
      frames: 3,
    });
    const values = [1, 2, 3].map((scan) => Math.fround((codeOf(scan, 1, 2) / 2 - 32 + 10) / 70));
    assert.deepEqual([...read], values);
    await assert.rejects(
      dataset.read({ split: "test", epoch: 0, sequence: 1, offset: 0, frames: 1 }),
      RangeError,
    );
    dataset.close();
  });
});

Deno.test("openRecordedRadar() uses a tile only while each of its pixels is observed", async () => {
  const hide = (scan: number, row: number, column: number) =>
    (row === 0 && column === 1 && scan === 2) || (row === 1 && column === 0);
  const minutes = ["00", "05", "10", "15", "20", "25"];
  await withFolder(await smallFolder(minutes, hide), async (path) => {
    const dataset = await openRecordedRadar({ path, frameSize: 1, cacheBytesMax });
    const all = splits.flatMap((split) => dataset.catalogue(split, 0));
    const framesOf = (tile: string) =>
      all.filter(({ id }) => id.endsWith(tile)).map(({ id, frames }) => [id.slice(4, 20), frames]);
    assert.deepEqual(framesOf("tile-0-0"), [["2020-01-01T12:00", 6]]);
    assert.deepEqual(framesOf("tile-0-1"), [["2020-01-01T12:00", 2], ["2020-01-01T12:15", 3]]);
    assert.deepEqual(framesOf("tile-1-0"), []);
    assert.match(dataset.description, /11 fully observed tiles of 1x1 pixels/);
    dataset.close();
  });
});

Deno.test("openRecordedRadar() reads the same through a cache that holds one composite", async () => {
  await withFolder(await smallFolder(["00", "05", "10", "15"]), async (path) => {
    const small = await openRecordedRadar({ path, frameSize: 1, cacheBytesMax: 12 });
    const large = await openRecordedRadar({ path, frameSize: 1, cacheBytesMax });
    for (const offset of [2, 0, 1]) {
      const request = { split: "train", epoch: 0, sequence: 4, offset, frames: 2 } as const;
      assert.deepEqual(await small.read(request), await large.read(request));
    }
    small.close();
    large.close();
  });
});

for (
  const { folder, ending, tiles } of [
    { folder: "radar-fmi-20160928", ending: ".pgm.gz", tiles: 141 },
    { folder: "radar-knmi-20100826", ending: ".h5", tiles: 22 },
  ]
) {
  Deno.test(`openRecordedRadar() cuts ${folder} at a missing scan`, shared.test, async () => {
    const names = [...Deno.readDirSync(shared.path(folder))].map(({ name }) => name)
      .filter((name) => name.endsWith(ending)).sort();
    const used = names.slice(0, 6).toSpliced(2, 1);
    await withFolder({ "README.md": "not a composite" }, async (path) => {
      for (const name of used) {
        await Deno.symlink(`${shared.path(folder)}/${name}`, `${path}/${name}`);
      }
      const dataset = await openRecordedRadar({ path, frameSize: 64, cacheBytesMax });
      const all = splits.flatMap((split) => dataset.catalogue(split, 0));
      assert.equal(all.length, 2 * tiles);
      assert.deepEqual(
        [2, 3].map((frames) => all.filter((entry) => entry.frames === frames).length),
        [tiles, tiles],
      );
      // No tile is in two splits.
      const tilesOf = (split: Split) =>
        new Set(dataset.catalogue(split, 0).map(({ id }) => id.split("/")[2]));
      assert.ok(tilesOf("train").isDisjointFrom(tilesOf("validation")));
      assert.ok(tilesOf("train").union(tilesOf("validation")).isDisjointFrom(tilesOf("test")));
      // Fully observed means a value everywhere.
      for (const split of splits) {
        for (const [sequence, { frames }] of dataset.catalogue(split, 0).entries()) {
          const values = await dataset.read({ split, epoch: 0, sequence, offset: 0, frames });
          assert.equal(values.length, frames * 4096);
          assert.ok(values.every((value) => value >= 0 && value <= 1), "all values in [0, 1]");
        }
      }
      dataset.close();
    });
  });
}

Deno.test("openRecordedRadar() takes a broken file for a gap in time where asked to skip it", async () => {
  const minutes = ["00", "05", "10", "15", "20", "25", "30"];
  const files = await smallFolder(minutes);
  const broken = "202001011215_a.pgm.gz";
  const cut = { ...files, [broken]: files[broken].slice(0, 30) };
  await withFolder(cut, async (path) => {
    const options = { path, frameSize: 1, cacheBytesMax } as const;
    await assert.rejects(openRecordedRadar(options), new RegExp(`Cannot unpack .*${broken}`));
    const dataset = await openRecordedRadar({ ...options, onBadFile: "skip" });
    const all = splits.flatMap((split) => dataset.catalogue(split, 0));
    const tile = all.filter(({ id }) => id.endsWith("tile-0-0"));
    assert.deepEqual(tile.map(({ id, frames }) => [id.slice(4, 20), frames]), [
      ["2020-01-01T12:00", 3],
      ["2020-01-01T12:20", 3],
    ]);
    assert.match(dataset.description, new RegExp(`left out 1 file .*${broken}.* truncated`));
    dataset.close();
    // As if it had never been there.
    const { [broken]: _, ...others } = files;
    await withFolder(others, async (sound) => {
      const without = await openRecordedRadar({ ...options, path: sound });
      for (const split of splits) {
        assert.deepEqual(without.catalogue(split, 0), dataset.catalogue(split, 0));
      }
      without.close();
    });
  });
});

Deno.test("openRecordedRadar() skips a broken first file, and refuses where all are broken", async () => {
  const files = await smallFolder(["00", "05", "10"]);
  const torn = (name: string) => ({ [name]: files[name].slice(0, 30) });
  const [first, ...others] = Object.keys(files);
  const options = { frameSize: 1, cacheBytesMax, onBadFile: "skip" } as const;
  await withFolder({ ...files, ...torn(first) }, async (path) => {
    const dataset = await openRecordedRadar({ ...options, path });
    assert.equal(dataset.catalogue("train", 0)[0].id, "fmi/2020-01-01T12:05/tile-0-0");
    assert.equal(dataset.catalogue("train", 0)[0].frames, 2);
    dataset.close();
  });
  const all = Object.assign(torn(first), ...others.map(torn));
  await withFolder(all, async (path) => {
    await assert.rejects(
      openRecordedRadar({ ...options, path }),
      /Cannot use any of 3 files, the first because: Cannot unpack/,
    );
  });
});

Deno.test("openRecordedRadar() split by time shows every tile in every split, the last scans in test", async () => {
  const minutes = ["00", "05", "10", "15", "20", "25", "30", "35"];
  await withFolder(await smallFolder(minutes), async (path) => {
    const dataset = await openRecordedRadar({
      ...{ path, frameSize: 1, cacheBytesMax, split: "time" },
      ...{ validationScans: 2, testScans: 3 },
    });
    const all = splits.map((split) => dataset.catalogue(split, 0));
    assert.deepEqual(all.map((entries) => entries.length), [12, 12, 12]);
    assert.deepEqual(all.map(([entry]) => entry), [
      { id: "fmi/2020-01-01T12:00/tile-0-0", frames: 3 },
      { id: "fmi/2020-01-01T12:15/tile-0-0", frames: 2 },
      { id: "fmi/2020-01-01T12:25/tile-0-0", frames: 3 },
    ]);
    const read = await dataset.read({ split: "test", epoch: 0, sequence: 1, offset: 2, frames: 1 });
    assert.deepEqual([...read], [Math.fround((codeOf(7, 0, 1) / 2 - 32 + 10) / 70)]);
    dataset.close();
    await assert.rejects(
      openRecordedRadar({ path, frameSize: 1, cacheBytesMax, split: "time", testScans: 6 }),
      /8 scans .* 8 for validation and test leave 0/,
    );
  });
});

Deno.test("openRecordedRadar() leaves out sequences with too little rain", async () => {
  const files: Record<string, Uint8Array<ArrayBuffer>> = {};
  for (const minute of ["00", "05", "10"]) {
    // 12 tiles of 2x2 pixels, tile t with rain on t of its 4 pixels.
    const bytes = pgm(24, 2, (row, column) => {
      const tile = Math.floor(column / 2);
      return row * 2 + (column % 2) < tile ? 120 : 64;
    });
    files[`2020010112${minute}_a.pgm.gz`] = await gzip(bytes);
  }
  await withFolder(files, async (path) => {
    const dataset = await openRecordedRadar({
      ...{ path, frameSize: 2, cacheBytesMax, wetShareMin: 0.75 },
    });
    const tiles = splits.flatMap((split) => dataset.catalogue(split, 0)).map(({ id }) =>
      id.slice(-1)
    );
    assert.deepEqual(tiles, ["3", "4", "5", "6", "7", "8", "9", "0", "1"]);
    assert.match(dataset.description, /at least 75 % of their pixels/);
    dataset.close();
  });
});

Deno.test("openRecordedRadar() split by time reads earlier scans as input where asked to", async () => {
  const minutes = ["00", "05", "10", "15", "20", "25", "30", "35"];
  await withFolder(await smallFolder(minutes), async (path) => {
    const dataset = await openRecordedRadar({
      ...{ path, frameSize: 1, cacheBytesMax, split: "time" },
      ...{ validationScans: 2, testScans: 1, contextScans: 3 },
    });
    const first = splits.map((split) => dataset.catalogue(split, 0)[0]);
    assert.deepEqual(first, [
      { id: "fmi/2020-01-01T12:00/tile-0-0", frames: 5 },
      { id: "fmi/2020-01-01T12:10/tile-0-0", frames: 5 },
      { id: "fmi/2020-01-01T12:20/tile-0-0", frames: 4 },
    ]);
    const { composites } = dataset;
    assert.deepEqual(splits.map((split) => composites!.scans(split)), [[0, 5], [2, 7], [4, 8]]);
    assert.equal(composites!.intervalMinutes, 5);
    const scan = await composites!.read(7);
    assert.equal(scan.length, 12);
    assert.equal(scan[6], Math.fround((codeOf(7, 1, 2) / 2 - 32 + 10) / 70));
    dataset.close();
  });
});

Deno.test("openRecordedRadar() lets tiles overlap, but not across a split by area", async () => {
  const hide = (_: number, row: number, column: number) => row === 2 && column === 3;
  const files = await smallFolder(["00", "05", "10", "15", "20", "25"], hide);
  await withFolder(files, async (path) => {
    const options = { path, frameSize: 2, tileStep: 1, cacheBytesMax } as const;
    const dataset = await openRecordedRadar({ ...options, split: "time" });
    // 2 x 3 places, the last of which is not observed in full.
    const train = dataset.catalogue("train", 0).map(({ id }) => id.slice(-3));
    assert.deepEqual(train, ["0-0", "0-1", "0-2", "1-0", "1-1"]);
    const read = await dataset.read({
      ...{ split: "train", epoch: 0, sequence: 4, offset: 1, frames: 1 },
    });
    const codes = [[1, 1], [1, 2], [2, 1], [2, 2]].map(([row, column]) => codeOf(1, row, column));
    assert.deepEqual([...read], codes.map((code) => Math.fround((code / 2 - 32 + 10) / 70)));
    dataset.close();
    await assert.rejects(
      openRecordedRadar(options),
      /overlapping tiles .* by area: .* split by time/,
    );
  });
});

Deno.test("openRecordedRadar() split by time chooses sequences by the rain of their own scans", async () => {
  const files: Record<string, Uint8Array<ArrayBuffer>> = {};
  for (const [scan, minute] of ["00", "05", "10", "15", "20", "25"].entries()) {
    // Rain comes to the eastern half with the fourth scan.
    const bytes = pgm(8, 4, (_, column) => scan >= 3 && column >= 4 ? 120 : 64);
    files[`2020010112${minute}_a.pgm.gz`] = await gzip(bytes);
  }
  await withFolder(files, async (path) => {
    const options = {
      ...{ path, frameSize: 4, cacheBytesMax, wetShareMin: 0.1, split: "time" } as const,
    };
    await assert.rejects(
      openRecordedRadar({ ...options, validationScans: 2, testScans: 2 }),
      /no fully observed tile/,
    );
    const dataset = await openRecordedRadar({ ...options, validationScans: 1, testScans: 1 });
    assert.deepEqual(dataset.catalogue("train", 0).map(({ id }) => id.slice(-3)), ["0-1"]);
    dataset.close();
  });
});
