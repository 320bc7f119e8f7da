/** Arrays in every form in which they are saved, against NumPy (tests/fixtures/datasets/make_npy_kinds.py). */
import assert from "node:assert/strict";
import { type Dataset, DatasetError } from "../../datasets/dataset.ts";
import { type NpyDatasetOptions, openNpyDataset } from "../../datasets/npy_dataset.ts";
import { npyBytes } from "./npy_bytes.ts";
import { withFolder } from "./temporary_folder.ts";

const fixture = (name: string) =>
  new URL(`../fixtures/datasets/npy_kinds/${name}`, import.meta.url).pathname;

/** What stands behind the header of an array that NumPy saved plainly. */
async function itemsOf(name: string): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = await Deno.readFile(fixture(name));
  return bytes.slice(10 + new DataView(bytes.buffer).getUint16(8, true));
}

const floatsOf = async (name: string) => new Float32Array((await itemsOf(name)).buffer);

/** All sequences, as test. */
async function readAll(path: string, more: Partial<NpyDatasetOptions> = {}, answers = false) {
  const dataset = await openNpyDataset({ path, fileSplit: "test", ...more });
  try {
    return { dataset, values: await allOf(dataset, answers) };
  } finally {
    dataset.close();
  }
}

async function allOf(dataset: Dataset, answers: boolean): Promise<number[]> {
  const values = [];
  for (const [sequence, { frames }] of dataset.catalogue("test", 0).entries()) {
    const request = { split: "test", epoch: 0, sequence, offset: 0, frames } as const;
    const read = answers ? dataset.readTargets! : dataset.read;
    values.push(...await read(request));
  }
  return values;
}

Deno.test("openNpyDataset() reads floats as NumPy does, whoever wrote the header", async () => {
  const expected = [...await floatsOf("kinds/expected.npy")];
  assert.equal(expected.length, 96);
  const names = [
    ...["python2_long", "numpy2_scalars", "numpy_name", "double_quotes", "native_order"],
    ...["no_order", "no_spaces", "other_order", "version2", "version3", "fortran"],
    ...["fortran_big_endian", "big_f2", "big_f4", "big_f8"],
  ];
  for (const name of names) {
    const { values, dataset } = await readAll(fixture(`kinds/${name}.npy`));
    assert.deepEqual(values, expected, name);
    assert.equal(dataset.hasMissing, undefined, name);
  }
  const { values, dataset } = await readAll(fixture("kinds/nan.npy"));
  assert.deepEqual(values, expected.map((value, i) => i === 24 + 16 + 3 ? NaN : value));
  assert.equal(dataset.hasMissing, true);
});

Deno.test("openNpyDataset() reads whole numbers of every type as NumPy does", async () => {
  const count = Array.from({ length: 96 }, (_, i) => i);
  const path = (name: string) => fixture(`kinds/${name}.npy`);
  for (const kind of ["i1", "i2", "i4", "i8", "u4", "u8", "big_i4"]) {
    const { values } = await readAll(path(`whole_${kind}`), { range: "any" });
    assert.deepEqual(values, count, kind);
    await assert.rejects(readAll(path(`whole_${kind}`)), /holds 2 at \[0, 0, 0, 2\].*range=grey/);
    const grey = await readAll(path(`whole_${kind}`), { range: "grey" });
    assert.deepEqual(grey.values, count.map((value) => Math.fround(value / 255)), kind);
    assert.match(grey.dataset.description, /grey levels divided by 255/);
  }
  const { values } = await readAll(path("negative_i1"), { range: "any" });
  assert.deepEqual(values, count.map((value) => value - 50));
  const shares = await readAll(path("whole_big_u2"));
  assert.deepEqual(shares.values, count.map((value) => Math.fround(value / 65_535)));
  assert.match(shares.dataset.warnings![0], /largest value .* is 95 of 65535.*range=grey$/);
  const bools = await readAll(path("bool"));
  assert.deepEqual(bools.values, count.map((value) => value % 3 === 0 ? 1 : 0));
});

Deno.test("openNpyDataset() says what is wrong with an array that it cannot read", async () => {
  const refused = {
    scalar: /expected shape \(sequences, .*found \(\)$/,
    empty: /found \(0, 3, 2, 4\), which holds nothing$/,
    complex: /expected numbers .*'<c8'.*numpy\.abs\(a\)$/,
    texts: /'<U4'.*numpy\.unique\(a, return_inverse=True\)\[1\]$/,
    fields: /save each field as an array of its own/,
    objects: /'\|O'.*pickled objects.*numpy\.stack\(a\)$/,
    cut: /float32 takes 512 bytes with its header, the file has 509; it is cut short/,
    twice: /takes 512 bytes .*, the file has 896; save one array to a file/,
    huge: /expected a header with 'fortran_order' and 'shape'/,
    negative: /expected a header with 'fortran_order' and 'shape'/,
    version9: /expected format version 1, 2 or 3, found 9/,
  };
  for (const [name, message] of Object.entries(refused)) {
    await assert.rejects(
      openNpyDataset({ path: fixture(`kinds/${name}.npy`) }),
      (error) =>
        error instanceof DatasetError && error.message.includes(`${name}.npy`) &&
        message.test(error.message),
      name,
    );
  }
});

Deno.test("openNpyDataset() reads axes in any order as NumPy transposes them", async () => {
  const expected = [...await itemsOf("layouts/expected.npy")].map((v) => Math.fround(v / 255));
  const layouts = "NTHWC NTCHW TNHWC TNCHW NCTHW NHWTC HWCTN WHNTC CHWNT".split(" ");
  for (const layout of layouts) {
    for (const order of ["", "-fortran"]) {
      const path = fixture(`layouts/${layout}${order}.npy`);
      const { values, dataset } = await readAll(path, { layout });
      assert.deepEqual(dataset.frameShape, [8, 9, 2], layout);
      assert.deepEqual(values, expected, layout + order);
      assert.match(dataset.description, new RegExp(`3 sequences of 6 frames .* axes ${layout} of`));
      // A part of a sequence is that part of it.
      const part = await openNpyDataset({ path, layout, fileSplit: "test" });
      const size = 8 * 9 * 2;
      const request = { split: "test", epoch: 0, sequence: 1, offset: 2, frames: 3 } as const;
      assert.deepEqual(
        [...await part.read(request)],
        expected.slice((6 + 2) * size, (6 + 5) * size),
        layout + order,
      );
      part.close();
    }
  }
  const lower = await readAll(fixture("layouts/NCTHW.npy"), { layout: "ncthw" });
  assert.deepEqual(lower.values, expected);
});

Deno.test("openNpyDataset() takes arrays of .npz files by their names", async () => {
  const expected = [...await floatsOf("kinds/expected.npy")];
  const path = (name: string) => fixture(`archives/${name}.npz`);
  const one = await readAll(path("one"));
  assert.deepEqual(one.values, expected);
  for (const name of ["several", "packed", "wide", "wide_packed"]) {
    const { values, dataset } = await readAll(path(name), { array: "frames" });
    assert.deepEqual(values, expected, name);
    assert.match(dataset.description, new RegExp(`from .*${name}\\.npz\\[frames\\], axes NTHW`));
  }
  assert.deepEqual((await readAll(path("packed"), { array: "frames.npy" })).values, expected);
  // Whatever it is called.
  await withFolder({ "a.npy": await Deno.readFile(path("one")) }, async (folder) => {
    assert.deepEqual((await readAll(`${folder}/a.npy`)).values, expected);
  });
  const answers = {
    ...{ array: "frames", targetPath: path("several"), targetArray: "labels", classes: 2 },
  };
  const labelled = await readAll(path("several"), answers, true);
  assert.deepEqual(
    labelled.values,
    [0, 1, 0, 1].flatMap((label) => [0, 1, 2].flatMap(() => label === 0 ? [1, 0] : [0, 1])),
  );
  await assert.rejects(
    readAll(path("several")),
    /which array of .*: it holds frames \(4, 3, 2, 4\), labels \(4\); name one with .*array=NAME/,
  );
  await assert.rejects(readAll(path("packed"), { array: "x" }), /array "x".* frames, labels;/);
  await assert.rejects(readAll(path("broken"), { array: "frames" }), /\[frames\]".*copy it again/);
  await assert.rejects(
    readAll(path("stored_broken")),
    /\[frames\]".*checksum is of; copy it again/,
  );
  await assert.rejects(readAll(path("cut"), { array: "frames" }), /cut\.npz".*copy it again/);
  // As numpy.savez() without an array writes it.
  const empty = new Uint8Array(22);
  empty.set([0x50, 0x4b, 0x05, 0x06]);
  await withFolder({ "empty.npz": empty }, async (folder) => {
    await assert.rejects(readAll(`${folder}/empty.npz`), /no arrays/);
  });
  await assert.rejects(
    readAll(fixture("kinds/expected.npy"), { array: "frames" }),
    /array "frames" of .*: the file is no \.npz file/,
  );
});

Deno.test("openNpyDataset() takes classes as people save them, as NumPy counts them", async () => {
  const path = fixture("layouts/NTHWC.npy");
  const oneHot = (indices: readonly number[], classes: number) =>
    indices.flatMap((index) =>
      Array.from({ length: classes }, (_, each) => index === 99 ? NaN : each === index ? 1 : 0)
    );
  const answersOf = async (name: string, more: Partial<NpyDatasetOptions> = {}) => {
    const targetPath = fixture(`labels/${name}.npy`);
    return await readAll(path, { targetPath, classes: 4, layout: "NTHWC", ...more }, true);
  };
  const ofSequences = [2, 0, 1].flatMap((label) => Array(6).fill(label));
  const ofFrames = Array.from({ length: 18 }, (_, i) => (i * 5) % 4);
  const ofPixels = Array.from({ length: 18 * 72 }, (_, i) => (i * 5) % 4);
  const known = {
    sequence: [
      ...["sequences", "sequences_column", "sequences_i2", "sequences_u4", "sequences_f8"],
      ...["sequences_one_hot_i8", "sequences_one_hot_f4"],
    ],
    frame: ["frames", "frames_f4", "frames_last1", "frames_one_hot", "frames_time_first"],
    pixel: [
      ...["pixels", "pixels_last1", "pixels_one_hot", "pixels_one_hot_first", "pixels_fortran"],
    ],
  };
  const expected = { sequence: ofSequences, frame: ofFrames, pixel: ofPixels };
  for (const each of ["sequence", "frame", "pixel"] as const) {
    for (const name of known[each]) {
      const { values, dataset } = await answersOf(name);
      assert.deepEqual(values, oneHot(expected[each], 4), name);
      assert.match(dataset.description, new RegExp(`one of 4 classes for each ${each}`), name);
      assert.equal(dataset.hasMissingTargets, undefined, name);
    }
  }
  // One-hot rows are told from classes of as many frames by what they hold.
  const six = { classes: 6 };
  assert.deepEqual((await answersOf("six_one_hot", six)).values, oneHot(ofSequences, 6));
  assert.deepEqual((await answersOf("six_frames", six)).values, oneHot(ofFrames, 6));
  const asFrames = await answersOf("six_one_hot", { ...six, targetLayout: "NT" });
  assert.match(asFrames.dataset.description, /for each frame$/);
  // What is not labelled.
  const ignoring = ofFrames.map((index) => index === 3 ? 99 : index);
  for (const [name, ignoredClass] of [["ignored_255", "255"], ["ignored_minus1", "-1"]] as const) {
    const { values, dataset } = await answersOf(name, { ignoredClass });
    assert.deepEqual(values, oneHot(ignoring, 4), name);
    assert.equal(dataset.hasMissingTargets, true);
    await assert.rejects(
      answersOf(name),
      new RegExp(`has class ${ignoredClass} at \\[0, 3\\].*ignored-class=${ignoredClass}$`),
    );
  }
  const unknown = await answersOf("unknown_nan");
  assert.deepEqual(unknown.values, oneHot(ignoring, 4));
  assert.equal(unknown.dataset.hasMissingTargets, true);
  await assert.rejects(answersOf("from_one", { classes: 4 }), /class 4 at \[0\], expected 0 to 3/);
  await assert.rejects(answersOf("halves"), /class 2\.5 at \[0\], expected 0 to 3/);
  await assert.rejects(
    answersOf("sequences", { ignoredClass: "none" }),
    /ignored-class=none: give/,
  );
});

Deno.test("two classes of two frames are asked for, because one-hot rows may be either", async () => {
  const files = {
    "x.npy": npyBytes({ shape: [3, 2, 2, 2], data: new Uint8Array(24) }),
    "y.npy": npyBytes({ shape: [3, 2], data: Uint8Array.of(0, 1, 1, 0, 0, 1) }),
  };
  await withFolder(files, async (folder) => {
    const options = {
      ...{ path: `${folder}/x.npy`, targetPath: `${folder}/y.npy`, classes: 2 },
    };
    await assert.rejects(
      openNpyDataset(options),
      /\(3, 2\) may be NC, .*targets-layout=NC or .*NT/,
    );
    const rows = await readAll(options.path, { ...options, targetLayout: "NC" }, true);
    assert.deepEqual(rows.values, [0, 1, 0, 1, 1, 0, 1, 0, 0, 1, 0, 1]);
    const frames = await readAll(options.path, { ...options, targetLayout: "NT" }, true);
    assert.deepEqual(frames.values, [1, 0, 0, 1, 0, 1, 1, 0, 1, 0, 0, 1]);
  });
});
