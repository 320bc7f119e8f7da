/** Which readings a shape has; what has several is asked for. */
import assert from "node:assert/strict";
import { DatasetError } from "../../datasets/dataset.ts";
import { openMovingMnist } from "../../datasets/moving_mnist.ts";
import { openNpyDataset } from "../../datasets/npy_dataset.ts";
import { layoutOf, type LayoutOptions, possibleLayouts } from "../../datasets/npy_layout.ts";
import { npyBytes } from "./npy_bytes.ts";
import { withFolder } from "./temporary_folder.ts";

const npy: LayoutOptions = { layout: "", first: "N", isOneVideo: false };
const possible = (...shape: number[]) => possibleLayouts(shape, npy).join(" ");

Deno.test("possibleLayouts() knows shapes that have one reading", () => {
  // As documented, however many of each.
  assert.equal(possible(12, 20, 64, 64), "NTHW");
  assert.equal(possible(10_000, 20, 64, 64), "NTHW");
  assert.equal(possible(3, 11, 16, 16), "NTHW");
  assert.equal(possible(1, 400, 50, 130), "NTHW");
  assert.equal(possible(10, 4, 16, 16), "NTHW");
  // Channels behind, or before the rows where what is behind can be none.
  assert.equal(possible(12, 20, 64, 64, 3), "NTHWC");
  assert.equal(possible(12, 20, 1, 32, 32), "NTCHW");
  assert.equal(possible(12, 20, 3, 32, 32), "NTCHW");
  assert.equal(possible(12, 12, 2, 32, 32), "NTCHW");
  // As PyTorch's Conv3d has it.
  assert.equal(possible(12, 3, 16, 112, 112), "NCTHW");
  // As of satellites.
  assert.equal(possible(10, 20, 64, 64, 12), "NTHWC");
  // Pictures, be it one channel or one frame.
  assert.equal(possible(400, 1, 64, 64), "NCHW");
  // Too small to tell.
  assert.equal(possible(10, 4, 2, 3), "NTHW");
  assert.equal(possible(10, 4, 2, 3, 2), "NTHWC");
});

Deno.test("possibleLayouts() lists all that a shape may be", () => {
  // Colours or three frames.
  assert.equal(possible(400, 3, 64, 64), "NTHW TCHW NCHW");
  assert.equal(possible(400, 64, 64, 3), "THWC NHWC");
  // SEVIR's own order.
  assert.equal(possible(50, 384, 384, 49), "NTHW NHWT");
  assert.equal(possible(64, 64, 20, 100), "NTHW HWTN HWNT");
  assert.equal(possible(5, 64, 64, 20, 1), "NTHWC NHWTC");
  assert.equal(possible(12, 3, 4, 64, 64), "NTCHW NCTHW");
  assert.equal(possible(7220, 2, 32, 32), "NTHW TCHW NCHW");
  assert.equal(possible(12, 20, 32, 32, 32), "NTHWC NTCHW");
  assert.equal(possible(12, 2, 16, 16, 9), "NTHWC NCTHW");
  assert.equal(possible(8, 8, 8, 8, 8), "NTHWC NTCHW");
  assert.equal(possible(400, 64, 64), "THW NHW");
  // Spectrograms of one side far longer than the other, or many frames behind.
  assert.equal(possible(20, 16, 16, 256), "NTHW NHWT");
  assert.equal(possible(100, 10, 10, 96), "NTHW NHWT");
  assert.equal(possible(200, 16, 16, 1024), "NTHW NHWT");
  assert.equal(possible(10, 64, 64, 1024, 1), "NTHWC NHWTC");
  assert.equal(possible(20, 384, 384, 12), "NTHW NHWT");
  assert.equal(possible(20, 12, 16, 256), "NTHW");
});

Deno.test("layoutOf() asks with one sentence, and takes what it is told", () => {
  assert.throws(
    () => layoutOf([400, 64, 64, 3], "a.npy", npy),
    new DatasetError(
      'Cannot tell the axes of "a.npy": shape (400, 64, 64, 3) may be THWC (one video of 400 ' +
        "frames of 64x64 with 3 channels) or NHWC (400 pictures of 64x64 with 3 channels); name " +
        "them with --dataset-options layout=THWC; split=time cuts one video along its time",
    ),
  );
  const told = (layout: string) => layoutOf([12, 20, 32, 32], "a.npy", { ...npy, layout });
  assert.equal(told("TNHW"), "TNHW");
  assert.equal(told("nchw"), "NCHW");
  assert.throws(() => told("BTHW"), /layout=BTHW: it has other letters than .*; name each axis/);
  assert.throws(() => told("NTHH"), /names an axis twice/);
  assert.throws(() => told("NTCH"), /frames have rows and columns/);
  assert.throws(() => told("HW"), /neither N nor T/);
  assert.throws(() => told("NTHWC"), /the array has 4 axes, the layout 5/);
  assert.equal(
    possibleLayouts([50, 384, 384, 49], { ...npy, isOneVideo: true }).join(" "),
    "NTHW NHWT",
  );
  // One video, because it is split along its time.
  assert.equal(layoutOf([400, 64, 64], "a.npy", { ...npy, isOneVideo: true }), "THW");
  assert.equal(layoutOf([400, 64, 64, 3], "a.npy", { ...npy, isOneVideo: true }), "THWC");
});

/** Squares that move by a pixel, each sequence from another place. */
function squares(
  layout: "NTHW" | "TNHW",
  sequences: number,
  frames: number,
): Uint8Array<ArrayBuffer> {
  const data = new Uint8Array(sequences * frames * 32 * 32);
  for (let sequence = 0; sequence < sequences; sequence++) {
    for (let frame = 0; frame < frames; frame++) {
      const place = layout === "NTHW" ? sequence * frames + frame : frame * sequences + sequence;
      const [top, left] = [(sequence * 11 + frame) % 22, (sequence * 17) % 22];
      for (let row = 0; row < 10; row++) {
        data.fill(
          255,
          place * 1024 + (top + row) * 32 + left,
          place * 1024 + (top + row) * 32 + left + 10,
        );
      }
    }
  }
  const shape = layout === "NTHW" ? [sequences, frames, 32, 32] : [frames, sequences, 32, 32];
  return npyBytes({ shape, data });
}

Deno.test("sequences that were taken for frames are found by how they move, and asked for", async () => {
  const files = {
    "usual.npy": squares("NTHW", 8, 14),
    "time.npy": squares("TNHW", 8, 14),
    "published.npy": squares("NTHW", 12, 20),
    "still.npy": npyBytes({ shape: [12, 20, 32, 32], data: new Uint8Array(12 * 20 * 1024) }),
  };
  const generated = {
    ...{ frameSize: 32, digits: 2, sequenceFrames: 12, sequenceFramesMin: 12, endless: false },
    ...{ sequences: 6, validationSequences: 3, testSequences: 2 },
  };
  await withFolder(files, async (folder) => {
    const usual = await openNpyDataset({ path: `${folder}/usual.npy` });
    assert.match(usual.description, /^8 sequences of 14 frames .* axes NTHW of \(8, 14, 32, 32\)/);
    usual.close();
    const path = `${folder}/time.npy`;
    await assert.rejects(
      openNpyDataset({ path }),
      /read as NTHW, \(14, 8, 32, 32\) has frames that differ by .* layout=TNHW \(8 seq.* layout=NTHW \(14 /,
    );
    const told = await openNpyDataset({ path, layout: "TNHW" });
    assert.match(told.description, /^8 sequences of 14 frames/);
    told.close();
    const asItLies = await openNpyDataset({ path, layout: "NTHW" });
    assert.match(asItLies.description, /^14 sequences of 8 frames/);
    asItLies.close();
    // Where frames tell nothing, published sequences have 20 frames.
    await assert.rejects(
      openMovingMnist({ ...generated, path: `${folder}/still.npy` }, 1),
      /read as TNHW, .* has sequences of 12 frames, where published ones have 20; .* layout=NTHW/,
    );
    // The published layout is the other one.
    const published = await openMovingMnist({ ...generated, path }, 1);
    assert.match(published.description, /^8 sequences of 14 frames .* axes TNHW/);
    published.close();
    await assert.rejects(
      openMovingMnist({ ...generated, path: `${folder}/published.npy` }, 1),
      /read as TNHW, \(12, 20, 32, 32\) has frames that differ .* layout=NTHW \(12 .* layout=TNHW \(20 /,
    );
    await assert.rejects(
      openMovingMnist({ ...generated, path, frameSize: 64 }, 1),
      /expected grey frames of 64x64, found 32x32x1 .*; give --size 32$/,
    );
  });
});

Deno.test("frames of more channels than pictures have are warned about", async () => {
  const data = new Uint8Array(3 * 5 * 16 * 16 * 9);
  const files = {
    "many.npy": npyBytes({ shape: [3, 5, 16, 16, 9], data }),
    "eight.npy": npyBytes({ shape: [3, 5, 16, 16, 8], data: data.subarray(0, 15 * 256 * 8) }),
  };
  await withFolder(files, async (folder) => {
    const many = await openNpyDataset({ path: `${folder}/many.npy` });
    assert.match(many.warnings![0], /^Frames of .* have 9 channels: its axes .* taken as NTHWC/);
    many.close();
    const eight = await openNpyDataset({ path: `${folder}/eight.npy` });
    assert.equal(eight.warnings, undefined);
    eight.close();
  });
});

Deno.test("moving MNIST is read as floats of 0 to 1 and of 0 to 255, and says which", async () => {
  const grey = squares("TNHW", 8, 14);
  const floats = (scale: number) => {
    const values = Float32Array.from(grey.subarray(grey.length - 8 * 14 * 1024), (v) => v / scale);
    return npyBytes({ shape: [14, 8, 32, 32], dtype: "<f4", data: new Uint8Array(values.buffer) });
  };
  const levels = Uint16Array.from(grey.subarray(grey.length - 8 * 14 * 1024));
  const data = new Uint8Array(levels.buffer);
  const files = {
    ...{ "bytes.npy": grey, "unit.npy": floats(255), "grey.npy": floats(1) },
    "grey16.npy": npyBytes({ shape: [14, 8, 32, 32], dtype: "<u2", data }),
  };
  const generated = {
    ...{ frameSize: 32, digits: 2, sequenceFrames: 12, sequenceFramesMin: 12, endless: false },
    ...{ sequences: 6, validationSequences: 3, testSequences: 2 },
  };
  await withFolder(files, async (folder) => {
    const request = { split: "train", epoch: 0, sequence: 3, offset: 2, frames: 9 } as const;
    const read = [];
    for (const name of Object.keys(files)) {
      const dataset = await openMovingMnist({ ...generated, path: `${folder}/${name}` }, 1);
      read.push(await dataset.read(request));
      assert.equal(
        dataset.description.includes("grey levels divided by 255"),
        name.startsWith("grey"),
      );
      dataset.close();
    }
    assert.equal(Math.max(...read[0]), 1);
    assert.deepEqual(read[1], read[0]);
    assert.deepEqual(read[2], read[0]);
    assert.deepEqual(read[3], read[0]);
  });
});

Deno.test("one long video is split along its time, and no part sees another", async () => {
  const data = Uint8Array.from({ length: 40 * 64 }, (_, i) => Math.floor(i / 64));
  const files = {
    "one.npy": npyBytes({ shape: [1, 40, 8, 8], data }),
    "video.npy": npyBytes({ shape: [40, 8, 8], data }),
    "two.npy": npyBytes({ shape: [2, 20, 8, 8], data }),
    "short.npy": npyBytes({ shape: [5, 8, 8], data: data.slice(0, 5 * 64) }),
  };
  await withFolder(files, async (folder) => {
    const parts = async (name: string, more = {}) => {
      const path = `${folder}/${name}.npy`;
      const dataset = await openNpyDataset({ path, fileSplit: "time", ...more });
      const numbers: number[][][] = [];
      for (const split of ["train", "validation", "test"] as const) {
        const each = [];
        for (const [sequence, { frames }] of dataset.catalogue(split, 0).entries()) {
          const values = await dataset.read({ split, epoch: 0, sequence, offset: 0, frames });
          each.push(Array.from({ length: frames }, (_, i) => Math.round(255 * values[i * 64])));
        }
        numbers.push(each);
      }
      dataset.close();
      return { numbers, description: dataset.description };
    };
    const range = (first: number, end: number) =>
      Array.from({ length: end - first }, (_, i) => first + i);
    const whole = [[range(0, 32)], [range(32, 36)], [range(36, 40)]];
    for (const name of ["one", "video"]) {
      const { numbers, description } = await parts(name);
      assert.deepEqual(numbers, whole, name);
      assert.match(
        description,
        /^1 sequence of 40 frames .* first 32 frames of each for training, next 4 for validation, last 4 /,
      );
    }
    const held = await parts("video", { testFrames: 10, validationFrames: 5 });
    assert.deepEqual(held.numbers, [[range(0, 25)], [range(25, 30)], [range(30, 40)]]);
    const two = await parts("two");
    assert.deepEqual(two.numbers[1], [range(16, 18), range(36, 38)]);
    await assert.rejects(parts("short"), /5 frames .* by time: 4 for .* leave 1 for training/);
    await assert.rejects(
      openNpyDataset({ path: `${folder}/one.npy` }),
      /found 1, at least 3 are needed, .*split=test .*, or split=time to cut each along its time$/,
    );
    await assert.rejects(openNpyDataset({ path: `${folder}/video.npy` }), /may be THW .* or NHW/);
    await assert.rejects(
      openNpyDataset({ path: `${folder}/two.npy`, testFrames: 4 }),
      /test-frames and validation-frames are of split=time/,
    );
  });
});
