import assert from "node:assert/strict";
import { DatasetError, type Split } from "../../datasets/dataset.ts";
import { type NpyDatasetOptions, openNpyDataset } from "../../datasets/npy_dataset.ts";
import { openDataset } from "../../datasets/open_dataset.ts";
import { defaultRun } from "../../launch/run_flags.ts";
import { buildModel } from "../../models/build_model.ts";
import { trainAlone } from "../../worker/train_alone.ts";
import { testOnEngines } from "../worker/small_run.ts";
import { npyBytes } from "./npy_bytes.ts";
import { withFolder } from "./temporary_folder.ts";

const splits: readonly Split[] = ["train", "validation", "test"];

Deno.test("openNpyDataset() reads uint8 and float32, with and without channels", async () => {
  const count = 10 * 4 * 2 * 3;
  const numbers = Float32Array.from({ length: count * 2 }, (_, i) => i / 7000);
  const files = {
    "bytes.npy": npyBytes({
      shape: [10, 4, 2, 3],
      data: Uint8Array.from({ length: count }, (_, i) => i % 256),
    }),
    "floats.npy": npyBytes({
      shape: [10, 4, 2, 3, 2],
      dtype: "<f4",
      data: new Uint8Array(numbers.buffer),
    }),
  };
  await withFolder(files, async (folder) => {
    const bytes = await openNpyDataset({ path: `${folder}/bytes.npy` });
    const floats = await openNpyDataset({ path: `${folder}/floats.npy` });
    assert.deepEqual([bytes.frameShape, floats.frameShape], [[2, 3, 1], [2, 3, 2]]);
    assert.deepEqual(splits.map((split) => bytes.catalogue(split, 0).length), [8, 1, 1]);
    assert.deepEqual(bytes.catalogue("test", 0), [{ id: "test/000009", frames: 4 }]);
    const request = { split: "validation", epoch: 0, sequence: 0, offset: 1, frames: 2 } as const;
    const first = (8 * 4 + 1) * 6;
    assert.deepEqual(
      await bytes.read(request),
      Float32Array.from({ length: 12 }, (_, i) => ((first + i) % 256) / 255),
    );
    assert.deepEqual(await floats.read(request), numbers.slice(first * 2, first * 2 + 24));
    bytes.close();
    floats.close();
  });
});

Deno.test("openNpyDataset() says what is wrong with shape, type and values", async () => {
  const bad = new Float32Array(3 * 2 * 2 * 2);
  bad[13] = NaN;
  const files = {
    "flat.npy": npyBytes({ shape: [6, 4], data: new Uint8Array(24) }),
    "two.npy": npyBytes({ shape: [2, 1, 2, 2], data: new Uint8Array(8) }),
    "complex.npy": npyBytes({ shape: [3, 1, 1, 1], dtype: "<c8", data: new Uint8Array(24) }),
    "nan.npy": npyBytes({ shape: [3, 2, 2, 2], dtype: "<f4", data: new Uint8Array(bad.buffer) }),
  };
  await withFolder(files, async (folder) => {
    const refused = (name: string, message: RegExp) =>
      assert.rejects(
        openNpyDataset({ path: `${folder}/${name}` }),
        (error) =>
          error instanceof DatasetError && error.message.includes(name) &&
          message.test(error.message),
      );
    await refused("flat.npy", /expected shape \(sequences, frames.*found \(6, 4\)/);
    await refused("two.npy", /found 2, at least 3/);
    await refused(
      "complex.npy",
      /expected numbers of type bool, uint8.*<c8.*\}; save its real part/,
    );
    // What nobody observed.
    const dataset = await openNpyDataset({ path: `${folder}/nan.npy` });
    const whole = { split: "validation", epoch: 0, sequence: 0, offset: 0, frames: 2 } as const;
    assert.equal(dataset.hasMissing, true);
    assert.deepEqual([...await dataset.read(whole)], [0, 0, 0, 0, 0, NaN, 0, 0]);
    dataset.close();
  });
});

Deno.test("openNpyDataset() takes floats beyond [0, 1] only where it is told so", async () => {
  const floats = (value: number) => {
    const values = new Float32Array(3 * 2 * 2 * 2).fill(0.5);
    values[13] = value;
    return npyBytes({ shape: [3, 2, 2, 2], dtype: "<f4", data: new Uint8Array(values.buffer) });
  };
  const files = {
    "grey.npy": floats(201),
    "standardized.npy": floats(-0.25),
    // As resizing leaves it.
    "rounded.npy": floats(1.0000002),
    "nan.npy": floats(NaN),
  };
  const second = { split: "validation", epoch: 0, sequence: 0, offset: 1, frames: 1 } as const;
  await withFolder(files, async (folder) => {
    const readOf = async (name: string, more: Partial<NpyDatasetOptions> = {}) => {
      const dataset = await openNpyDataset({ path: `${folder}/${name}.npy`, ...more });
      try {
        await dataset.readTargets?.(second);
        return (await dataset.read(second))[1];
      } finally {
        dataset.close();
      }
    };
    const message = (value: string) =>
      new RegExp(`holds ${value} at \\[1, 1, 0, 1\\], expected .*\\[0, 1\\].*range=any$`);
    await assert.rejects(readOf("grey"), message("201"));
    await assert.rejects(readOf("standardized"), message("-0.25"));
    assert.equal(await readOf("grey", { range: "any" }), 201);
    assert.equal(await readOf("rounded"), Math.fround(1.0000002));
    // Answers that are images are scored in the same way.
    const targetPath = `${folder}/grey.npy`;
    await assert.rejects(readOf("rounded", { targetPath }), /grey\.npy.* holds 201/);
    await readOf("rounded", { targetPath, range: "any" });
    assert.ok(Number.isNaN(await readOf("nan", { range: "any" })));
    assert.equal(await readOf("grey", { range: "grey" }), Math.fround(201 / 255));
    await assert.rejects(
      readOf("standardized", { range: "grey" }),
      /holds -0.25 .* from 0 to 255$/,
    );
    // A number of the file's own that stands for nothing.
    assert.ok(Number.isNaN(await readOf("grey", { missing: "201" })));
    await assert.rejects(readOf("grey", { missing: "none" }), /missing=none: give the number/);
    const { dataset } = defaultRun;
    const options = { ...dataset, name: "npy", path: `${folder}/grey.npy` };
    const any = await openDataset({ ...options, options: { range: "any" } }, 1);
    assert.equal((await any.read(second))[1], 201);
    any.close();
  });
});

const ofNumPy = (name: string) =>
  new URL(`../fixtures/datasets/npy/${name}.npy`, import.meta.url).pathname;

Deno.test("openNpyDataset() reads floats and whole numbers as NumPy writes them", async () => {
  const shares = Float32Array.from({ length: 48 }, (_, i) => i / 64);
  // The extremes of float16's subnormal numbers, as make_npy.py puts them.
  const halves = Float32Array.from(shares);
  halves.set([2 ** -24, 1023 * 2 ** -24, -0], 1);
  const expected = {
    float64: shares,
    float32: shares,
    float16: halves,
    uint16: Float32Array.from({ length: 48 }, (_, i) => (1000 * i) / 65_535),
  };
  for (const [name, values] of Object.entries(expected)) {
    const dataset = await openNpyDataset({ path: ofNumPy(name) });
    assert.deepEqual(dataset.frameShape, [2, 4, 1]);
    for (const [index, split] of splits.entries()) {
      const read = await dataset.read({ split, epoch: 0, sequence: 0, offset: 0, frames: 2 });
      assert.deepEqual(read, values.slice(16 * index, 16 * (index + 1)), `${name}, ${split}`);
    }
    dataset.close();
  }
  const halfFloats = {
    "infinite.npy": npyBytes({
      ...{ shape: [3, 1, 1, 1], dtype: "<f2" },
      data: new Uint8Array(Uint16Array.of(0x3c00, 0xfc00, 0x7e01).buffer),
    }),
  };
  await withFolder(halfFloats, async (folder) => {
    const path = `${folder}/infinite.npy`;
    await assert.rejects(openNpyDataset({ path }), /holds -Infinity at \[1, 0, 0, 0\]/);
  });
});

Deno.test("openNpyDataset() says what mends an array of NumPy's that it does not read", async () => {
  const path = ofNumPy("float32");
  await assert.rejects(openNpyDataset({ path: ofNumPy("int64") }), {
    message: /holds 2 at \[0, 0, 0, 2\], expected values in \[0, 1\]/,
  });
  // Labels without the number of their classes.
  await assert.rejects(openNpyDataset({ path, targetPath: ofNumPy("labels") }), {
    message: /; where the answers are classes, say how many with --dataset-options classes=N$/,
  });
  const files = {
    "labels.npy": npyBytes({ shape: [3], data: Uint8Array.of(0, 2, 1) }),
  };
  await withFolder(files, async (folder) => {
    await assert.rejects(openNpyDataset({ path, targetPath: `${folder}/labels.npy` }), {
      message: /found \(3\); where the answers are classes, .*classes=N$/,
    });
  });
  const dataset = await openNpyDataset({ path, targetPath: ofNumPy("labels"), classes: 3 });
  const last = { split: "test", epoch: 0, sequence: 0, offset: 0, frames: 1 } as const;
  assert.deepEqual([...await dataset.readTargets!(last)], [0, 1, 0]);
  dataset.close();
});

Deno.test("openNpyDataset() takes a number for what was not observed, of whole numbers too", async () => {
  const data = Uint8Array.from({ length: 24 }, (_, i) => i % 5 === 0 ? 255 : i);
  const depths = Float32Array.from({ length: 24 }, (_, i) => i === 13 ? -999 : i / 24);
  const files = {
    "levels.npy": npyBytes({ shape: [3, 2, 2, 2], data }),
    "depths.npy": npyBytes({
      ...{ shape: [3, 2, 2, 2], dtype: "<f4", data: new Uint8Array(depths.buffer) },
    }),
    "nothing.npy": npyBytes({
      ...{ shape: [3, 2, 2, 2], dtype: "<f4" },
      data: new Uint8Array(new Float32Array(24).fill(NaN).buffer),
    }),
  };
  const second = { split: "validation", epoch: 0, sequence: 0, offset: 0, frames: 2 } as const;
  await withFolder(files, async (folder) => {
    const levels = await openNpyDataset({ path: `${folder}/levels.npy`, missing: "255" });
    assert.equal(levels.hasMissing, true);
    assert.deepEqual(
      [...await levels.read(second)],
      [8, 9, NaN, 11, 12, 13, 14, NaN].map((value) => Math.fround(value / 255)),
    );
    levels.close();
    const path = `${folder}/depths.npy`;
    await assert.rejects(openNpyDataset({ path }), /holds -999 at \[1, 1, 0, 1\]/);
    const read = await openNpyDataset({ path, missing: "-999" });
    assert.deepEqual(
      [...await read.read(second)],
      [...depths.subarray(8, 16)].map((value) => value === -999 ? NaN : value),
    );
    read.close();
    await assert.rejects(
      openNpyDataset({ path: `${folder}/nothing.npy` }),
      /nothing\.npy": every value in it is NaN/,
    );
  });
});

/** 5 sequences of 3 frames of 2x2 pixels. */
const ramp = npyBytes({ shape: [5, 3, 2, 2], data: Uint8Array.from({ length: 60 }, (_, i) => i) });
const secondOfLast = { split: "test", epoch: 0, sequence: 0, offset: 1, frames: 2 } as const;

Deno.test("openNpyDataset() takes all sequences for test where it is told so", async () => {
  await withFolder({ "frames.npy": ramp }, async (folder) => {
    const dataset = await openNpyDataset({ path: `${folder}/frames.npy`, fileSplit: "test" });
    assert.deepEqual(splits.map((split) => dataset.catalogue(split, 0).length), [0, 0, 5]);
    const request = { ...secondOfLast, sequence: 4 };
    assert.deepEqual(
      await dataset.read(request),
      Float32Array.from({ length: 8 }, (_, i) => (52 + i) / 255),
    );
    dataset.close();
  });
});

Deno.test("openNpyDataset() answers with the images of another file", async () => {
  const floats = Float32Array.from({ length: 120 }, (_, i) => i / 300);
  const files = {
    "frames.npy": ramp,
    "two.npy": npyBytes({
      shape: [5, 3, 2, 2, 2],
      dtype: "<f4",
      data: new Uint8Array(floats.buffer),
    }),
    "mask.npy": npyBytes({
      shape: [5, 3, 2, 2],
      dtype: "|b1",
      data: Uint8Array.from({ length: 60 }, (_, i) => i % 2),
    }),
    "other.npy": npyBytes({ shape: [5, 3, 2, 3], data: new Uint8Array(90) }),
  };
  await withFolder(files, async (folder) => {
    const path = `${folder}/frames.npy`;
    const two = await openNpyDataset({ path, targetPath: `${folder}/two.npy` });
    assert.deepEqual([two.targetShape, two.classes], [[2, 2, 2], undefined]);
    // The last of five sequences.
    assert.deepEqual(await two.readTargets!(secondOfLast), floats.slice((4 * 3 + 1) * 8));
    assert.match(two.description, /, with the answers of .*two\.npy, images of 2x2x2$/);
    two.close();
    const mask = await openNpyDataset({ path, targetPath: `${folder}/mask.npy` });
    assert.deepEqual([...await mask.readTargets!(secondOfLast)], [0, 1, 0, 1, 0, 1, 0, 1]);
    mask.close();
    await assert.rejects(
      openNpyDataset({ path, targetPath: `${folder}/other.npy` }),
      /other\.npy" as answers .*expected \(5, 3, 2, 2\) .*found \(5, 3, 2, 3\)/,
    );
  });
});

Deno.test("openNpyDataset() answers with classes of sequences, frames and pixels", async () => {
  const pixels = Uint8Array.from({ length: 60 }, (_, i) => i % 3);
  const files = {
    "frames.npy": ramp,
    "sequences.npy": npyBytes({
      shape: [5],
      dtype: "<i8",
      data: new Uint8Array(BigInt64Array.from([0n, 1n, 2n, 0n, 2n]).buffer),
    }),
    "per_frame.npy": npyBytes({
      shape: [5, 3],
      dtype: "<i4",
      data: new Uint8Array(Int32Array.from({ length: 15 }, (_, i) => i % 3).buffer),
    }),
    "pixels.npy": npyBytes({ shape: [5, 3, 2, 2], data: pixels }),
    "fewer.npy": npyBytes({ shape: [5, 2], data: new Uint8Array(10) }),
  };
  await withFolder(files, async (folder) => {
    const opened = (name: string, classes = 3) =>
      openNpyDataset({
        ...{ path: `${folder}/frames.npy`, targetPath: `${folder}/${name}.npy`, classes },
      });
    const oneHot = (indices: Iterable<number>) =>
      [...indices].flatMap((index) => [0, 1, 2].map((each) => each === index ? 1 : 0));
    const expected = {
      sequences: [[3], [2, 2]],
      per_frame: [[3], [1, 2]],
      pixels: [[2, 2, 3], [...pixels.subarray((4 * 3 + 1) * 4)]],
    };
    for (const [name, [shape, indices]] of Object.entries(expected)) {
      const dataset = await opened(name);
      assert.deepEqual([dataset.targetShape, dataset.classes], [shape, ["0", "1", "2"]]);
      assert.deepEqual([...await dataset.readTargets!(secondOfLast)], oneHot(indices), name);
      const each = { sequences: "sequence", per_frame: "frame", pixels: "pixel" }[name];
      assert.match(dataset.description, new RegExp(`\\.npy, one of 3 classes for each ${each}$`));
      dataset.close();
    }
    await assert.rejects(
      opened("sequences", 2),
      /has class 2 at \[2\], expected 0 to 1; raise classes/,
    );
    await assert.rejects(
      opened("pixels", 2),
      /has class 2 at \[0, 0, 1, 0\], expected 0 to 1; raise classes/,
    );
    await assert.rejects(opened("fewer"), /each sequence \(5\), frame \(5, 3\) .*found \(5, 2\)/);
    const options = { ...defaultRun.dataset, name: "npy", path: `${folder}/frames.npy` };
    await assert.rejects(
      openDataset({ ...options, options: { classes: 2 } }, 1),
      /Cannot tell 2 classes .* targets=FILE\.npy/,
    );
  });
});

testOnEngines("a supervised U-Net trains on a user's files, for each output", async (open) => {
  const engine = await open(1);
  const count = 10 * 5 * 8 * 8;
  const isLight = Uint8Array.from({ length: count }, (_, i) => Math.floor(i / 8) % 2);
  const files = {
    "frames.npy": npyBytes({ shape: [10, 5, 8, 8], data: isLight.map((light) => 255 * light) }),
    "masks.npy": npyBytes({ shape: [10, 5, 8, 8], dtype: "|b1", data: isLight }),
    "classes.npy": npyBytes({ shape: [10, 5, 8, 8], data: isLight }),
  };
  await withFolder(files, async (folder) => {
    for (const output of ["sigmoid", "linear", "softmax"]) {
      const targets = `${folder}/${output === "softmax" ? "classes" : "masks"}.npy`;
      const dataset = await openDataset({
        ...{ ...defaultRun.dataset, name: "npy", path: `${folder}/frames.npy` },
        options: { targets, classes: output === "softmax" ? 2 : 0 },
      }, 1);
      const model = buildModel(
        {
          ...{ ...defaultRun.model, name: "convlstm-unet" },
          options: { mode: "supervised", output, filters: 2, levels: 2 },
        },
        dataset,
        3,
      );
      const losses: number[] = [];
      const { validationLoss } = await trainAlone({
        ...{ engine, dataset, model, lanes: 4, epochs: 10 },
        onStep: ({ loss }) => void losses.push(loss),
      });
      assert.ok(validationLoss < 0.8 * losses[0], `${output}: ${losses[0]}, ${validationLoss}`);
      dataset.close();
    }
  });
});
