import assert from "node:assert/strict";
import { DatasetError } from "../../datasets/dataset.ts";
import { checkPicture, decodePicture } from "../../datasets/picture_file.ts";
import expected from "../fixtures/datasets/pictures/expected.json" with { type: "json" };

const folder = new URL("../fixtures/datasets/pictures/", import.meta.url).pathname;
const luma = [0.299, 0.587, 0.114];

Deno.test("decodePicture() reads and resizes every kind of PNG as Pillow does", async () => {
  assert.equal(expected.length, 9);
  for (const { name, rows, columns, channels } of expected) {
    const path = `${folder}${name}.png`;
    const bytes = await Deno.readFile(path);
    const stored = channels.length;
    const label = `${name} ${rows}x${columns}`;
    const close = (found: number, wanted: number) =>
      assert.ok(Math.abs(found - wanted) < 2e-6, `${label}: ${found} for ${wanted}`);
    const grey = decodePicture(bytes, path, [rows, columns], 1);
    assert.equal(grey.length, rows * columns);
    const colour = decodePicture(bytes, path, [rows, columns], 3);
    for (let pixel = 0; pixel < rows * columns; pixel++) {
      const wanted = [0, 1, 2].map((channel) =>
        channels[stored === 1 ? 0 : channel][Math.floor(pixel / columns)][pixel % columns]
      );
      wanted.forEach((value, channel) => close(colour[pixel * 3 + channel], value));
      close(grey[pixel], wanted.reduce((sum, value, i) => sum + luma[i] * value, 0));
    }
  }
});

Deno.test("checkPicture() and decodePicture() name a file that is broken, and where", async () => {
  const whole = await Deno.readFile(`${folder}grey.png`);
  const path = await Deno.makeTempFile({ suffix: ".png" });
  const refuses = async (bytes: Uint8Array, message: RegExp) => {
    await Deno.writeFile(path, bytes);
    await assert.rejects(
      checkPicture(path),
      (error) =>
        error instanceof DatasetError && error.message.includes(path) &&
        message.test(error.message),
    );
  };
  try {
    await Deno.writeFile(path, whole);
    await checkPicture(path);
    await refuses(whole.subarray(0, whole.length - 9), /does not end.*truncated/);
    await refuses(new Uint8Array(0), /does not begin as a PNG does, at offset 0/);
    const huge = whole.slice();
    new DataView(huge.buffer).setUint32(16, 1 << 30);
    await refuses(huge, /announces 1073741824x11 pixels/);
    assert.throws(() => decodePicture(huge, path, [4, 4], 1), /announces/);
    const torn = whole.slice();
    torn.fill(0x55, 50, 90);
    assert.throws(() => decodePicture(torn, path, [4, 4], 1), /Cannot decode/);
  } finally {
    await Deno.remove(path);
  }
});
