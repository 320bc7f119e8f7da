import assert from "node:assert/strict";
import { DatasetError, type Split } from "../../datasets/dataset.ts";
import { openDigits } from "../../datasets/mnist_digits.ts";
import { type MovingMnistOptions, openMovingMnist } from "../../datasets/moving_mnist.ts";
import { openDataset } from "../../datasets/open_dataset.ts";
import { npyBytes } from "./npy_bytes.ts";
import { shared } from "./shared_data.ts";

const options: MovingMnistOptions = {
  path: null,
  frameSize: 64,
  digits: 2,
  sequenceFrames: 12,
  sequenceFramesMin: 12,
  sequences: 6,
  validationSequences: 3,
  testSequences: 2,
  endless: false,
};
const splits: readonly Split[] = ["train", "validation", "test"];
const first = { split: "train", epoch: 0, sequence: 0, offset: 0, frames: 12 } as const;

Deno.test("openDigits() gives 50,000, 10,000 and 10,000 digits that no two splits share", async () => {
  const digits = await openDigits(null);
  assert.deepEqual(splits.map((split) => digits.count(split)), [50_000, 10_000, 10_000]);
  const key = (split: Split, index: number) => {
    const digit = digits.digit(split, index);
    return [digit.buffer.byteLength, digit.byteOffset].join();
  };
  // Views into the files: equal places would be equal digits.
  const places = new Set<string>();
  for (const split of splits) {
    for (let i = 0; i < digits.count(split); i++) places.add(key(split, i));
  }
  assert.equal(places.size, 70_000);
  assert.equal(
    digits.digit("validation", 0).byteOffset - digits.digit("train", 0).byteOffset,
    50_000 * 784,
  );
  // The first training digit is the well-known 5: its row 5 starts to hold ink at column 12.
  assert.deepEqual([...digits.digit("train", 0).subarray(5 * 28 + 12, 5 * 28 + 16)], [
    3,
    18,
    18,
    18,
  ]);
});

Deno.test("openMovingMnist() gives the same frames for the same seed, in any order", async () => {
  const one = await openMovingMnist(options, 7);
  const two = await openMovingMnist(options, 7);
  const other = await openMovingMnist(options, 8);
  const later = await two.read({ ...first, sequence: 5 });
  assert.deepEqual(await one.read(first), await two.read(first));
  assert.deepEqual(await one.read({ ...first, sequence: 5 }), later);
  assert.notDeepEqual(await one.read(first), await other.read(first));
  assert.notDeepEqual(await one.read(first), later);
});

Deno.test("openMovingMnist() reads any run of frames as a part of the whole sequence", async () => {
  const dataset = await openMovingMnist(options, 7);
  const whole = await dataset.read(first);
  assert.equal(whole.length, 12 * 64 * 64);
  assert.deepEqual(
    await dataset.read({ ...first, offset: 4, frames: 3 }),
    whole.subarray(4 * 4096, 7 * 4096),
  );
  assert.equal(Math.max(...whole), 1);
  assert.equal(Math.min(...whole), 0);
});

Deno.test("openMovingMnist() makes the same long catalogue at once and with pauses", async () => {
  const many = { ...options, sequences: 50_000, sequenceFramesMin: 5, endless: true };
  const [atOnce, inTurns] = [await openMovingMnist(many, 7), await openMovingMnist(many, 7)];
  let pauses = 0;
  const pause = () => {
    pauses++;
    return Promise.resolve();
  };
  const entries = await inTurns.catalogueInTurns!("train", 3, pause);
  assert.equal(pauses, 3);
  assert.deepEqual(entries, atOnce.catalogue("train", 3));
  assert.equal(inTurns.catalogue("train", 3), entries, "it was made anew");
});

Deno.test("openMovingMnist() makes new training sequences each epoch only when endless", async () => {
  const endless = await openMovingMnist({ ...options, endless: true }, 7);
  const fixed = await openMovingMnist(options, 7);
  const read = (dataset: typeof fixed, split: Split, epoch: number) =>
    dataset.read({ ...first, split, epoch });
  assert.notDeepEqual(await read(endless, "train", 0), await read(endless, "train", 1));
  assert.deepEqual(await read(fixed, "train", 0), await read(fixed, "train", 1));
  assert.deepEqual(await read(endless, "test", 0), await read(endless, "test", 1));
  assert.notDeepEqual(
    endless.catalogue("train", 0).map(({ id }) => id),
    endless.catalogue("train", 1).map(({ id }) => id),
  );
});

Deno.test("openMovingMnist() draws lengths over the whole range, the same for a seed", async () => {
  const varied = { ...options, sequences: 400, sequenceFramesMin: 9 };
  const lengths = async (seed: number) =>
    (await openMovingMnist(varied, seed)).catalogue("train", 0).map(({ frames }) => frames);
  const drawn = await lengths(7);
  assert.deepEqual(drawn, await lengths(7));
  assert.notDeepEqual(drawn, await lengths(8));
  for (const length of [9, 10, 11, 12]) {
    const share = drawn.filter((frames) => frames === length).length / drawn.length;
    assert.ok(share > 0.17 && share < 0.33, `${length} frames: share ${share}`);
  }
  assert.deepEqual(new Set(drawn).size, 4);
});

Deno.test("openMovingMnist() shows as much ink as its digits, at other sizes and counts", async () => {
  // On a canvas that leaves the digit no room, each frame is the digit itself.
  const still = await openMovingMnist({ ...options, frameSize: 28, digits: 1 }, 3);
  const frames = await still.read(first);
  assert.deepEqual(still.frameShape, [28, 28, 1]);
  assert.deepEqual(frames.subarray(0, 784), frames.subarray(11 * 784));
  const ink = async (digits: number) =>
    (await (await openMovingMnist({ ...options, digits, frameSize: 96 }, 3)).read(first))
      .reduce((sum, value) => sum + value, 0) / 12;
  assert.ok(await ink(5) > 2 * await ink(1));
});

Deno.test("openMovingMnist() takes digits from a folder of IDX files", shared.test, async () => {
  const dataset = await openMovingMnist({ ...options, path: shared.path("mnist") }, 7);
  const packaged = await openMovingMnist(options, 7);
  // The test digits are the same 10,000; of the training digits the folder has only 6,000.
  const test = { ...first, split: "test" } as const;
  assert.deepEqual(await dataset.read(test), await packaged.read(test));
  assert.match(dataset.description, /mnist$/);
});

Deno.test("openMovingMnist() reads a .npy file of sequences by split", async () => {
  const path = await Deno.makeTempFile({ suffix: ".npy" });
  try {
    const [frames, sequences] = [3, 20];
    const pixels = Uint8Array.from(
      { length: frames * sequences * 16 },
      (_, i) => Math.floor(i / 16) * 4 + (i % 2),
    );
    await Deno.writeFile(path, npyBytes({ shape: [frames, sequences, 4, 4], data: pixels }));
    const dataset = await openMovingMnist({ ...options, path, frameSize: 4 }, 7);
    assert.deepEqual(splits.map((split) => dataset.catalogue(split, 0).length), [16, 2, 2]);
    assert.deepEqual(dataset.catalogue("test", 5)[1], { id: "test/000019", frames: 3 });
    const read = await dataset.read({
      split: "validation",
      epoch: 0,
      sequence: 1,
      offset: 1,
      frames: 2,
    });
    // Sequence 16 + 1, frames 1 and 2 of layout (frames, sequences, ...).
    const expected = [1, 2].flatMap((frame) =>
      Array.from({ length: 16 }, (_, i) => Math.fround(((frame * 20 + 17) * 4 + (i % 2)) / 255))
    );
    assert.deepEqual([...read], expected);
    dataset.close();
    const whole = await openMovingMnist({ ...options, path, frameSize: 4, fileSplit: "test" }, 7);
    assert.deepEqual(splits.map((split) => whole.catalogue(split, 0).length), [0, 0, 20]);
    assert.match(
      whole.description,
      /20 sequences of 3 frames of 4x4x1 from .*, axes TNHW of .*, all for test$/,
    );
    const same = { split: "test", epoch: 0, sequence: 17, offset: 1, frames: 2 } as const;
    assert.deepEqual([...await whole.read(same)], expected);
    whole.close();
    await assert.rejects(
      openMovingMnist({ ...options, fileSplit: "test" }, 7),
      /all sequences of moving-mnist for test: they are generated; name a file/,
    );
  } finally {
    await Deno.remove(path);
  }
});

Deno.test("openMovingMnist() reads the shared .npy file as NumPy does", shared.test, async () => {
  const path = shared.path("mnist-moving/mnist_seq_32.npy");
  const dataset = await openMovingMnist({ ...options, path }, 7);
  assert.deepEqual(splits.map((split) => dataset.catalogue(split, 0).length), [26, 3, 3]);
  const frames = await dataset.read({ ...first, sequence: 2, offset: 4, frames: 16 });
  const bytes = (await Deno.readFile(path)).subarray(-20 * 32 * 4096);
  for (let frame = 4; frame < 20; frame++) {
    const start = (frame * 32 + 2) * 4096;
    assert.deepEqual(
      frames.subarray((frame - 4) * 4096, (frame - 3) * 4096).map((value) => value * 255),
      Float32Array.from(bytes.subarray(start, start + 4096)),
    );
  }
  dataset.close();
});

Deno.test("openMovingMnist() rejects reads outside the catalogue", async () => {
  const dataset = await openMovingMnist(options, 7);
  await assert.rejects(dataset.read({ ...first, sequence: 6 }), RangeError);
  await assert.rejects(dataset.read({ ...first, offset: 1 }), /Cannot read 12 frames at 1 of/);
  await assert.rejects(dataset.read({ ...first, offset: -1 }), RangeError);
});

Deno.test("openMovingMnist() rejects options out of range with the option and its value", async () => {
  const wrong: readonly [Partial<MovingMnistOptions>, RegExp][] = [
    [{ frameSize: 27 }, /frameSize must be a whole number of at least 28.*found 27/],
    [{ digits: 0 }, /digits must be a whole number of at least 1, found 0/],
    [{ sequences: 0 }, /sequences must be a whole number of at least 1, found 0/],
    [{ sequenceFrames: 5 }, /sequenceFrames must be a whole number of at least 12, found 5/],
    [{ sequenceFramesMin: 1.5 }, /sequenceFramesMin .* found 1.5/],
  ];
  for (const [change, message] of wrong) {
    await assert.rejects(openMovingMnist({ ...options, ...change }, 7), (error: Error) => {
      assert.ok(error instanceof DatasetError);
      assert.match(error.message, message);
      return true;
    });
  }
});

Deno.test("openDataset() names the known datasets when asked for another", async () => {
  await assert.rejects(
    openDataset({ ...options, name: "kth" }, 7),
    /Cannot open dataset "kth": known datasets are moving-mnist/,
  );
});
