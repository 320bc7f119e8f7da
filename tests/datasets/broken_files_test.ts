import assert from "node:assert/strict";
import { DatasetError } from "../../datasets/dataset.ts";
import { type DatasetOptions, openDataset } from "../../datasets/open_dataset.ts";
import { npyBytes } from "./npy_bytes.ts";
import { gzip, pgm, withFolder } from "./temporary_folder.ts";

type Files = Record<string, Uint8Array<ArrayBuffer> | string>;

interface Broken {
  readonly what: string;
  readonly files: Files;
  /** Below the folder; the folder itself where absent. */
  readonly open?: string;
  readonly message: RegExp;
}

const options: Omit<DatasetOptions, "name" | "path"> = {
  frameSize: 4,
  digits: 1,
  sequenceFrames: 4,
  sequenceFramesMin: 4,
  sequences: 2,
  validationSequences: 1,
  testSequences: 1,
  endless: false,
};

const sound = pgm(12, 4, (row, column) => 100 + row + column);
const packed = await gzip(sound);
const composite = (name: string) =>
  Deno.readFileSync(new URL(`../fixtures/datasets/composites/${name}`, import.meta.url));
const knmi = composite("sound.h5");
const first = "202001011200.pgm.gz";
const second = "202001011205.pgm.gz";

function changed(bytes: Uint8Array, change: (copy: Uint8Array) => void): Uint8Array<ArrayBuffer> {
  const copy = bytes.slice();
  change(copy);
  return copy;
}

/** IDX images, of which the header may announce another count. */
function idx(count: number, announced = count, size = 28): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(16 + count * size * size);
  const header = new DataView(bytes.buffer);
  [0x0803, announced, size, size].forEach((value, i) => header.setUint32(4 * i, value));
  return bytes;
}

const fmi = (what: string, content: Uint8Array<ArrayBuffer> | string, message: RegExp): Broken => ({
  what,
  files: { [first]: packed, [second]: content },
  message,
});
const hdf5 = (
  what: string,
  content: Uint8Array<ArrayBuffer> | string,
  message: RegExp,
): Broken => ({
  what,
  files: { "RAD_202001011200.h5": knmi, "RAD_202001011205.h5": content },
  message,
});
const npy = (what: string, content: Uint8Array<ArrayBuffer> | string, message: RegExp): Broken => ({
  what,
  files: { "digits.npy": content },
  open: "digits.npy",
  message,
});
const mnist = (what: string, files: Files, message: RegExp): Broken => ({ what, files, message });

const radar: readonly Broken[] = [
  {
    what: "no files",
    files: {},
    message: /none of its 0 files ends as FMI \.pgm\.gz .* KNMI or ODIM \.h5/,
  },
  { what: "no composites", files: { "a.txt": "x" }, message: /none of its 1 files ends as/ },
  { what: "no folder", files: {}, open: "absent", message: /absent": no such file or folder/ },
  { what: "a file for a folder", files: { a: "x" }, open: "a", message: /Cannot read ".*a": / },
  { what: "one composite", files: { [first]: packed }, message: /holds 1 composite, at least 2/ },
  {
    what: "two formats",
    files: { [first]: packed, "RAD_202001011200.h5": knmi },
    message: /Cannot mix formats .* 1 files of FMI and 1 files of KNMI/,
  },
  {
    what: "a name without a time",
    files: { [first]: packed, "rain.pgm.gz": packed },
    message: /rain\.pgm\.gz": expected YYYYMMDDHHMM/,
  },
  {
    what: "too few tiles",
    files: { [first]: await gzip(pgm(8, 4, () => 9)), [second]: await gzip(pgm(8, 4, () => 9)) },
    message: /Cannot split the fully observed 4x4 tiles .* found 2, at least 3 are needed/,
  },
  fmi("an empty file", "", /05\.pgm\.gz": its gzip stream of 0 bytes is truncated or broken/),
  fmi("text for gzip", "hello", /05\.pgm\.gz": its gzip stream of 5 bytes is truncated or broken/),
  fmi("truncated gzip", packed.slice(0, -12), /truncated or broken after \d+ unpacked bytes/),
  fmi("a flipped byte in gzip", changed(packed, (b) => b[b.length - 6] ^= 1), /gzip .* broken/),
  fmi("another magic number", await gzip(changed(sound, (b) => b[1] = 0x36)), /found "P6"/),
  fmi("a PGM without pixels", await gzip(sound.slice(0, 8)), /expected the width .* at offset \d/),
  fmi(
    "a PGM one byte short",
    await gzip(sound.slice(0, -1)),
    /12 columns x 4 rows take 48 bytes from offset \d+ on, found 47/,
  ),
  fmi(
    "a PGM of 16 bits",
    await gzip(new TextEncoder().encode("P5\n1 1\n65535\nab")),
    /one byte for each pixel, maximum 255, found maximum 65535/,
  ),
  fmi(
    "another shape",
    await gzip(pgm(4, 12, () => 9)),
    /05\.pgm\.gz": 12 rows x 4 columns, but ".*00\.pgm\.gz" has 4 x 12/,
  ),
  hdf5("an empty file", "", /05\.h5": file signature not found \(HDF5 file of 0 bytes\)/),
  hdf5("text", "hello", /05\.h5": file signature not found \(HDF5 file of 5 bytes\)/),
  hdf5("truncated HDF5", knmi.slice(0, 5000), /05\.h5": truncated file: eof = 5000/),
  hdf5("no image", composite("no_image.h5"), /05\.h5": it has no data set image1\/image_data/),
  hdf5("a group for the image", composite("image_is_a_group.h5"), /no data set image1\/image_data/),
  hdf5("pixels that do not unpack", composite("corrupt_pixels.h5"), /filter returned failure/),
  hdf5("no calibration", composite("no_calibration.h5"), /no group image1\/calibration/),
  hdf5("an odd formula", composite("odd_formula.h5"), /"GEO=gain\*PV\+offset", found "GEO=PV\^2"/),
  hdf5("a gain of NaN", composite("nan_gain.h5"), /found "GEO=nan\*PV\+0\.0"/),
  hdf5("no missing code", composite("no_missing_code.h5"), /to say calibration_missing_data/),
  hdf5("NaN pixels", composite("float_with_nan.h5"), /to be uint16 .* found type "<f" of shape/),
  hdf5(
    "three dimensions",
    composite("three_dimensions.h5"),
    /found type "<H" of shape \(2, 4, 6\)/,
  ),
  hdf5("another shape", composite("other_shape.h5"), /6 rows x 4 columns, but .* has 4 x 6/),
];

const frames = { shape: [2, 5, 4, 4], data: new Uint8Array(160) };
const movingMnist: readonly Broken[] = [
  { what: "nothing there", files: {}, open: "absent", message: /absent": no such file or folder/ },
  npy("an empty file", "", /expected the magic string \\x93NUMPY/),
  npy("text", "1,2,3\n4,5,6\n7,8,9\n", /the file is no \.npy file/),
  npy("complex numbers", npyBytes({ ...frames, dtype: "<c8" }), /type bool.*found header .*<c8/),
  npy(
    "floats beyond grey levels",
    npyBytes({
      ...{ shape: [5, 2, 2, 2], dtype: "<f4" },
      data: new Uint8Array(new Float32Array(40).fill(-1, 17, 18).buffer),
    }),
    /it holds -1 at \[2, 0, 0, 1\], expected values in \[0, 1\]/,
  ),
  npy(
    "a truncated array",
    npyBytes(frames).slice(0, -1),
    /shape \(2, 5, 4, 4\) of uint8 takes 288 bytes with its header, the file has 287/,
  ),
  npy(
    "a truncated header",
    npyBytes(frames).slice(0, 60),
    /header ends at offset 128, found only 60/,
  ),
  npy(
    "three dimensions",
    npyBytes({ shape: [10, 4, 4], data: new Uint8Array(160) }),
    /Cannot split the sequences of ".*": found 1|into training.* found 1, .* split=time/,
  ),
  npy(
    "another frame size",
    npyBytes({ shape: [10, 4, 2, 2], data: new Uint8Array(160) }),
    /expected grey frames of 4x4, found 2x2x1 in shape \(10, 4, 2, 2\); give --size 2$/,
  ),
  npy(
    "two sequences",
    npyBytes({ shape: [5, 2, 4, 4], data: new Uint8Array(160) }),
    /Cannot split the sequences of ".*": found 2|into training.* found 2, at least 3/,
  ),
  mnist("no digits", { "a.txt": "x" }, /no file "train-images-idx3-ubyte" or/),
  mnist(
    "no test digits",
    { "train-images-idx3-ubyte": idx(6) },
    /no file "t10k-images-idx3-ubyte" or/,
  ),
  mnist(
    "a short header",
    { "train-images-idx3-ubyte": "short", "t10k-images-idx3-ubyte": idx(1) },
    /an IDX header has 16 bytes, found 5/,
  ),
  mnist(
    "labels for images",
    {
      "train-images-idx3-ubyte": changed(idx(6), (b) => b[3] = 1),
      "t10k-images-idx3-ubyte": idx(1),
    },
    /magic number 0x00000803 .* at offset 0, found 0x00000801/,
  ),
  mnist(
    "a wrong count",
    { "train-images-idx3-ubyte": idx(6, 60000), "t10k-images-idx3-ubyte": idx(1) },
    /announces 60000 images of 28x28, 47040016 bytes in all, but it has 4720/,
  ),
  mnist(
    "digits of another size",
    { "train-images-idx3-ubyte": idx(6, 6, 8), "t10k-images-idx3-ubyte": idx(1) },
    /8x8 pixels, MNIST has 28x28/,
  ),
  mnist(
    "truncated gzip",
    {
      "train-images-idx3-ubyte.gz": (await gzip(idx(6))).slice(0, -9),
      "t10k-images-idx3-ubyte": idx(1),
    },
    /train-images-idx3-ubyte\.gz": its gzip stream of \d+ bytes is truncated or broken/,
  ),
  mnist(
    "too few digits",
    { "train-images-idx3-ubyte": idx(5), "t10k-images-idx3-ubyte": idx(1) },
    /5 training and 1 test items, at least 6 and 1 are needed/,
  ),
];

for (const [name, corpus] of Object.entries({ radar, "moving-mnist": movingMnist })) {
  for (const { what, files, open, message } of corpus) {
    Deno.test(`openDataset() of ${name} says what is wrong with ${what}`, async () => {
      await withFolder(files, async (folder) => {
        const path = open === undefined ? folder : `${folder}/${open}`;
        await assert.rejects(openDataset({ ...options, name, path }, 1), (error: Error) => {
          assert.ok(error instanceof DatasetError, `${error.name}: ${error.message}`);
          assert.match(error.message, message);
          assert.ok(error.message.includes(folder), error.message);
          assert.doesNotMatch(error.message, /\n|\.$/);
          return true;
        });
      });
    });
  }
}

Deno.test("a read of a .npy file that became shorter says how much is left", async () => {
  await withFolder({ "digits.npy": npyBytes(frames) }, async (folder) => {
    const path = `${folder}/digits.npy`;
    const dataset = await openDataset({ ...options, name: "moving-mnist", path }, 1);
    await Deno.truncate(path, 130);
    await assert.rejects(
      dataset.read({ split: "train", epoch: 0, sequence: 0, offset: 0, frames: 1 }),
      { name: "DatasetError", message: /expected 16 bytes at offset 128, found 2/ },
    );
    dataset.close();
  });
});

Deno.test("openDataset names a pipe in place of waiting for it", async () => {
  await withFolder({}, async (folder) => {
    const path = `${folder}/pipe`;
    assert.ok((await new Deno.Command("mkfifo", { args: [path] }).output()).success);
    for (const name of ["npy", "frames", "sevir", "radar", "moving-mnist", "mnist"]) {
      await assert.rejects(openDataset({ ...options, name, path }, 1), {
        name: "DatasetError",
        message:
          `Cannot read "${path}": it is a pipe, a socket or a device; name a file or a folder`,
      });
    }
  });
});
