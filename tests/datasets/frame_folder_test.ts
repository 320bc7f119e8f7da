import assert from "node:assert/strict";
import { DatasetError, type Split } from "../../datasets/dataset.ts";
import { type FrameFolderOptions, openFrameFolder } from "../../datasets/frame_folder.ts";
import { openDataset } from "../../datasets/open_dataset.ts";
import { encodePng } from "../../datasets/png.ts";
import { defaultRun } from "../../launch/run_flags.ts";

const splits: readonly Split[] = ["train", "validation", "test"];
const options = { frameSize: [2, 3], channels: 1, classes: false } as const;

/** 2x3 pixels of one grey. */
const picture = (grey: number) =>
  encodePng({ width: 3, height: 2, channels: 1, data: new Uint8Array(6).fill(grey) });

/** Folders with the greys of their frames, in the order of their numbers 1, 2, … */
async function withVideos(
  videos: Readonly<Record<string, readonly number[]>>,
  test: (path: string) => Promise<void>,
): Promise<void> {
  const path = await Deno.makeTempDir({ prefix: "lockstep-frames-" });
  try {
    for (const [name, greys] of Object.entries(videos)) {
      await Deno.mkdir(`${path}/${name}`, { recursive: true });
      await Promise.all(
        greys.map((grey, i) => Deno.writeFile(`${path}/${name}/${i + 1}.png`, picture(grey))),
      );
    }
    await test(path);
  } finally {
    await Deno.remove(path, { recursive: true });
  }
}

async function idsOf(path: string, more: Partial<FrameFolderOptions> = {}) {
  const dataset = await openFrameFolder({ ...options, path, ...more });
  dataset.close();
  return splits.map((split) => dataset.catalogue(split, 0));
}

Deno.test("openFrameFolder() reads each folder's pictures in the order of their numbers", async () => {
  const greys = Array.from({ length: 11 }, (_, i) => i * 20);
  await withVideos(
    { "drive-1/data": greys, "drive-2/data": [9, 8], "drive-10/data": [7] },
    async (path) => {
      const dataset = await openFrameFolder({ ...options, path });
      assert.deepEqual(splits.map((split) => dataset.catalogue(split, 0)), [
        [{ id: "drive-1/data", frames: 11 }],
        [{ id: "drive-2/data", frames: 2 }],
        [{ id: "drive-10/data", frames: 1 }],
      ]);
      const read = await dataset.read({
        split: "train",
        epoch: 0,
        sequence: 0,
        offset: 8,
        frames: 3,
      });
      assert.deepEqual(
        read,
        Float32Array.from({ length: 18 }, (_, i) => ((8 + Math.floor(i / 6)) * 20) / 255),
      );
      dataset.close();
      const colour = await openFrameFolder({ ...options, path, frameSize: [4, 6], channels: 3 });
      const frame = await colour.read({
        split: "test",
        epoch: 0,
        sequence: 0,
        offset: 0,
        frames: 1,
      });
      assert.deepEqual(frame, new Float32Array(4 * 6 * 3).fill(7 / 255));
      colour.close();
    },
  );
});

Deno.test("openFrameFolder() takes splits and classes from the folders' names", async () => {
  const videos = {
    "train/walking/a": [1, 2],
    "train/boxing/b": [3, 4],
    "val/boxing/c": [5],
    "test/walking/d": [6],
  };
  await withVideos(videos, async (path) => {
    const dataset = await openFrameFolder({ ...options, path, classes: true });
    assert.deepEqual(dataset.classes, ["boxing", "walking"]);
    assert.deepEqual(
      splits.map((split) => dataset.catalogue(split, 0).map(({ id }) => id)),
      [["train/boxing/b", "train/walking/a"], ["val/boxing/c"], ["test/walking/d"]],
    );
    const answers = await dataset.readTargets!({
      split: "train",
      epoch: 0,
      sequence: 1,
      offset: 0,
      frames: 2,
    });
    assert.deepEqual([...answers], [0, 1, 0, 1]);
    dataset.close();
  });
  await withVideos({ "train/a": [1], "b": [2] }, async (path) => {
    await assert.rejects(idsOf(path), /split of ".*\/b": other folders lie in train/);
  });
  await withVideos({ "train/a": [1], "test/b": [2] }, async (path) => {
    await assert.rejects(idsOf(path, { classes: true }), /class of ".*train\/a"/);
  });
});

Deno.test("openFrameFolder() splits the videos of each class on its own", async () => {
  const videos = Object.fromEntries(
    [["boxing", 4], ["walking", 3], ["waving", 11]].flatMap(([name, count]) =>
      Array.from({ length: count as number }, (_, i) => [`${name}/v${i + 1}`, [i]])
    ),
  );
  await withVideos(videos, async (path) => {
    const [train, validation, test] = (await idsOf(path, { classes: true }))
      .map((entries) => entries.map(({ id }) => id));
    assert.deepEqual(train.slice(0, 5), [
      ...["boxing/v1", "walking/v1", "waving/v1"],
      ...["boxing/v2", "waving/v2"],
    ]);
    assert.equal(train.length, 2 + 1 + 9);
    assert.deepEqual(validation, ["boxing/v3", "walking/v2", "waving/v10"]);
    assert.deepEqual(test, ["boxing/v4", "walking/v3", "waving/v11"]);
    // Without classes the folders are only where videos lie.
    const [, , last] = await idsOf(path);
    assert.deepEqual(last, [{ id: "waving/v11", frames: 1 }]);
  });
  await withVideos({ "a/1": [1], "a/2": [2], "a/3": [3], "b/1": [4], "b/2": [5] }, async (path) => {
    await assert.rejects(
      idsOf(path, { classes: true }),
      /videos of class "b" in .* found 2, at least 3/,
    );
  });
});

Deno.test("openFrameFolder() takes all videos for test where it is told so", async () => {
  await withVideos({ "drive": [7, 8] }, async (path) => {
    await assert.rejects(
      idsOf(path),
      /found 1, at least 3 are needed, or give --dataset-options split=test to take them all/,
    );
    const given = { ...defaultRun.dataset, name: "frames", path };
    const dataset = await openDataset(
      { ...given, options: { split: "test", rows: 2, columns: 3 } },
      1,
    );
    const entries = splits.map((split) => dataset.catalogue(split, 0));
    assert.deepEqual(entries, [[], [], [{ id: "drive", frames: 2 }]]);
    const read = await dataset.read({ split: "test", epoch: 0, sequence: 0, offset: 1, frames: 1 });
    assert.deepEqual(read, new Float32Array(6).fill(8 / 255));
    dataset.close();
  });
  const fileSplit = "test";
  await withVideos({ "test/boxing/a": [1], "test/walking/b": [2] }, async (path) => {
    const [train, , test] = await idsOf(path, { fileSplit, classes: true });
    assert.deepEqual([train.length, test.length], [0, 2]);
  });
  // Who asks for all would be told scores of what the network has learnt.
  await withVideos({ "test/a": [1], "train/b": [2] }, async (path) => {
    await assert.rejects(
      idsOf(path, { fileSplit }),
      /Cannot take all of .* "train\/b" lies in a folder for training; name the folder/,
    );
  });
});

Deno.test("openFrameFolder() says which sizes it resizes", async () => {
  const described = async (path: string, frameSize: readonly [number, number] = [4, 4]) => {
    const dataset = await openFrameFolder({ ...options, path, frameSize });
    dataset.close();
    return dataset.description;
  };
  await withVideos({ a: [1, 2], b: [3], c: [4] }, async (path) => {
    assert.match(await described(path), /, 4x4 resized from 2x3, 1 sequences for training/);
    assert.match(await described(path, [2, 3]), /, 2x3, 1 sequences for training/);
    const wide = encodePng({ width: 5, height: 2, channels: 1, data: new Uint8Array(10) });
    await Deno.writeFile(`${path}/c/2.png`, wide);
    assert.match(await described(path), /, 4x4 resized from 2 sizes such as 2x3 and 2x5, 1 seq/);
  });
});

Deno.test("openFrameFolder() stops at a broken file, or goes on around it", async () => {
  await withVideos({ a: [1, 2, 3, 4, 5], b: [1], c: [1] }, async (path) => {
    const bytes = await Deno.readFile(`${path}/a/3.png`);
    await Deno.writeFile(`${path}/a/3.png`, bytes.subarray(0, bytes.length - 3));
    await assert.rejects(
      idsOf(path),
      (error) => error instanceof DatasetError && /a\/3\.png.*truncated/.test(error.message),
    );
    const parts = [{ id: "a/part-0", frames: 2 }, { id: "a/part-1", frames: 2 }];
    assert.deepEqual((await idsOf(path, { onBadFile: "skip" }))[0], parts);
    // Header and end are whole: only reading its pixels shows it.
    bytes[bytes.length - 20] ^= 1;
    await Deno.writeFile(`${path}/a/3.png`, bytes);
    await assert.rejects(
      idsOf(path),
      /a\/3\.png".*checksum of its chunk IDAT.*, or leave out such files with --on-bad-file skip$/,
    );
    const dataset = await openFrameFolder({ ...options, path, onBadFile: "skip" });
    dataset.close();
    assert.deepEqual(dataset.catalogue("train", 0), parts);
    assert.match(dataset.description, /left out 1 files that cannot be decoded, e\.g\.: .*3\.png/);
  });
  await withVideos({}, async (path) => {
    await assert.rejects(idsOf(path), /Cannot find frames in/);
  });
  await withVideos({ a: [1, 2], b: [1] }, async (path) => {
    for (const file of ["a/1", "a/2", "b/1"]) await Deno.truncate(`${path}/${file}.png`, 30);
    await assert.rejects(
      idsOf(path, { onBadFile: "skip" }),
      /Cannot use any of 3 pictures, the first because: Cannot decode ".*a\/1.png"/,
    );
  });
});

Deno.test("openFrameFolder() takes clips in one folder as videos of its class", async () => {
  await withVideos({}, async (path) => {
    for (const action of ["boxing", "walking"]) {
      await Deno.mkdir(`${path}/${action}`);
      for (const person of [1, 2, 3]) {
        for (const frame of [1, 2]) {
          const name = `person0${person}_${action}_${frame}.png`;
          await Deno.writeFile(`${path}/${action}/${name}`, picture(10 * person + frame));
        }
      }
    }
    const dataset = await openFrameFolder({ ...options, path, classes: true });
    assert.deepEqual(dataset.classes, ["boxing", "walking"]);
    assert.deepEqual(splits.map((split) => dataset.catalogue(split, 0).map(({ id }) => id)), [
      ["boxing/person01_boxing", "walking/person01_walking"],
      ["boxing/person02_boxing", "walking/person02_walking"],
      ["boxing/person03_boxing", "walking/person03_walking"],
    ]);
    const request = { split: "test", epoch: 0, sequence: 1, offset: 0, frames: 2 } as const;
    const [first, , , , , , second] = await dataset.read(request);
    assert.deepEqual([first, second], [Math.fround(31 / 255), Math.fround(32 / 255)]);
    assert.match(
      dataset.description,
      /told 6 videos of 2 folders apart .* "person01_boxing_1.png"/,
    );
    dataset.close();
    const [train] = await idsOf(path, { videos: "folder", fileSplit: "test" });
    assert.deepEqual(train, []);
  });
});

Deno.test("openFrameFolder() takes a class with the name of a split, and says so", async () => {
  const names = ["bus", "car", "train"].flatMap((name) => [1, 2, 3].map((i) => `${name}/v${i}`));
  const videos = Object.fromEntries(names.map((name) => [name, [1]]));
  await withVideos(videos, async (path) => {
    const dataset = await openFrameFolder({ ...options, path, classes: true });
    dataset.close();
    assert.deepEqual(dataset.classes, ["bus", "car", "train"]);
    assert.match(dataset.description, /took "train" as a class, as the folders beside it$/);
    const [, , test] = await idsOf(path, { classes: true, fileSplit: "test" });
    assert.equal(test.length, 9);
    // Without classes nothing says that it is one.
    await assert.rejects(idsOf(path), /split of ".*bus\/v1": other folders lie in train/);
  });
  await withVideos({ "train/bus/1": [1], "train/car/1": [1], "extra/1": [1] }, async (path) => {
    await assert.rejects(idsOf(path, { classes: true }), /split of ".*extra\/1": other folders/);
  });
});

Deno.test("openFrameFolder() says what it finds in place of PNG files", async () => {
  await withVideos({}, async (path) => {
    await Deno.mkdir(`${path}/v1`);
    await Deno.writeTextFile(`${path}/v1/1.bmp`, "BM");
    await assert.rejects(
      idsOf(path),
      /found 1 files such as "v1\/1.bmp", but no PNG or JPEG; convert them, e.g. with magick .*\*.bmp/,
    );
    await Deno.rename(`${path}/v1/1.bmp`, `${path}/v1.mp4`);
    await assert.rejects(idsOf(path), /such as "v1.mp4", .* with ffmpeg -i v1.mp4 %06d.png/);
  });
  await withVideos({ a: [1], b: [1], c: [1] }, async (path) => {
    await Deno.writeTextFile(`${path}/a/2.webp`, "RIFF");
    const dataset = await openFrameFolder({ ...options, path });
    dataset.close();
    assert.match(
      dataset.description,
      /; left out 1 files that are no PNG or JPEG, such as "a\/2.webp"$/,
    );
  });
});

Deno.test("openFrameFolder() names one video alike wherever its folder lies, and what it cannot order", async () => {
  await withVideos({ drive: [7, 8] }, async (path) => {
    const [, , test] = await idsOf(`${path}/drive/`, { fileSplit: "test" });
    // Workers have the same data in folders of other names; predict calls it "drive".
    assert.deepEqual(test, [{ id: ".", frames: 2 }]);
    await Deno.rename(`${path}/drive`, `${path}/elsewhere`);
    assert.deepEqual((await idsOf(`${path}/elsewhere`, { fileSplit: "test" }))[2], test);
    await Deno.rename(`${path}/elsewhere`, `${path}/drive`);
    await Deno.writeFile(`${path}/drive/02.png`, picture(9));
    await assert.rejects(idsOf(path), /order the frames of ".*drive": "02.png" and "2.png"/);
  });
});

Deno.test("openFrameFolder() advises to resize pictures that are far larger than their frames", async () => {
  await withVideos({ a: [1], b: [1], c: [1] }, async (path) => {
    const warned = async () => {
      const dataset = await openFrameFolder({ ...options, path });
      dataset.close();
      return dataset.warnings;
    };
    assert.equal(await warned(), undefined);
    const size = { width: 1024, height: 1024 };
    const data = new Uint8Array(size.width * size.height);
    await Deno.writeFile(`${path}/b/2.png`, encodePng({ ...size, channels: 1, data }));
    const [warning, ...more] = await warned() ?? [];
    assert.deepEqual(more, []);
    assert.match(
      warning,
      /^1 pictures as large as 1024x1024 are unpacked for 2x3 .* '3x2!' \*.png/,
    );
  });
});

Deno.test("openFrameFolder() names a file that has broken since it was opened", async () => {
  await withVideos({ a: [1], b: [1], c: [1] }, async (path) => {
    const dataset = await openFrameFolder({ ...options, path });
    await Deno.truncate(`${path}/a/1.png`, 40);
    await assert.rejects(
      dataset.read({ split: "train", epoch: 0, sequence: 0, offset: 0, frames: 1 }),
      /a\/1.png".* truncated; it was sound when the data were opened: put it back to go on$/,
    );
    dataset.close();
  });
});

Deno.test("openFrameFolder() cuts each video along its time where it is told so", async () => {
  const greys = Array.from({ length: 20 }, (_, i) => i + 1);
  const given = { ...defaultRun.dataset, name: "frames" };
  await withVideos({ drive: greys, walk: greys.slice(0, 3) }, async (path) => {
    const dataset = await openDataset(
      { ...given, path, options: { split: "time", rows: 2, columns: 3 } },
      1,
    );
    const frames = splits.map((split) => dataset.catalogue(split, 0).map(({ frames }) => frames));
    assert.deepEqual(frames, [[16, 1], [2, 1], [2, 1]]);
    const read = async (split: Split) =>
      (await dataset.read({ split, epoch: 0, sequence: 0, offset: 1, frames: 1 }))[0];
    assert.deepEqual(
      [await read("train"), await read("validation"), await read("test")],
      [2, 18, 20].map((grey) => Math.fround(grey / 255)),
    );
    dataset.close();
    // One long video lies in the folder that is named.
    const [train] = await idsOf(`${path}/drive`, { fileSplit: "time" });
    assert.deepEqual(train, [{ id: ".", frames: 16 }]);
    await assert.rejects(
      idsOf(`${path}/drive`),
      /the videos in .* or split=time to cut each along/,
    );
    await assert.rejects(
      openDataset({ ...given, path, options: { split: "time", images: true } }, 1),
      /Cannot take videos=auto,split=time with images=true/,
    );
  });
  await withVideos({ a: [1, 2], b: greys }, async (path) => {
    await assert.rejects(idsOf(path, { fileSplit: "time" }), /the frames of ".*a" .* found 2, at/);
  });
  await withVideos({ "train/a": greys, "test/b": greys }, async (path) => {
    await assert.rejects(idsOf(path, { fileSplit: "time" }), /named after splits already; leave/);
  });
});
