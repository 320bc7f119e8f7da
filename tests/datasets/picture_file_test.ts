import assert from "node:assert/strict";
import { crc32, deflateSync } from "node:zlib";
import { DatasetError } from "../../datasets/dataset.ts";
import { checkPicture, decodePicture, verifyPicture } from "../../datasets/picture_file.ts";
import expected from "../fixtures/datasets/pictures/expected.json" with { type: "json" };
import jpegFiles from "../fixtures/datasets/jpegs.json" with { type: "json" };
import pngKinds from "../fixtures/datasets/png_kinds.json" with { type: "json" };

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

const kinds = pngKinds.map(({ png, pixels, ...kind }) => ({
  ...kind,
  png: Uint8Array.fromBase64(png),
  pixels: Uint8Array.fromBase64(pixels),
}));

/** Right checksums, wherever the bytes were changed. */
function withChecksums(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const result = Uint8Array.from(bytes);
  const view = new DataView(result.buffer);
  for (let at = 8; at + 12 <= result.length;) {
    const end = at + 12 + view.getUint32(at);
    if (end > result.length) break;
    view.setUint32(end - 4, crc32(result.subarray(at + 4, end - 4)));
    at = end;
  }
  return result;
}

function chunk(type: string, data: Uint8Array): Uint8Array {
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, data.length);
  return Uint8Array.of(...length, ...new TextEncoder().encode(type), ...data, 0, 0, 0, 0);
}

/** A grey picture of 8 bits whose stream is of these bytes. */
function greyOf(
  width: number,
  height: number,
  packed: Uint8Array,
  depth = 8,
  colourType = 0,
  before: Uint8Array = new Uint8Array(0),
) {
  const header = new Uint8Array(13);
  const view = new DataView(header.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  header.set([depth, colourType], 8);
  return withChecksums(Uint8Array.of(
    ...[0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a],
    ...chunk("IHDR", header),
    ...before,
    ...chunk("IDAT", packed),
    ...chunk("IEND", new Uint8Array(0)),
  ));
}

Deno.test("decodePicture() gives Pillow's pixels of every kind of the standard", () => {
  assert.equal(kinds.length, 2 * 2 * 15);
  for (const { name, rows, columns, depth, png, pixels } of kinds) {
    const most = depth === 16 ? 65535 : 255;
    const wanted = Float32Array.from(
      { length: rows * columns * 3 },
      (_, i) => (depth === 16 ? (pixels[2 * i] << 8) | pixels[2 * i + 1] : pixels[i]) / most,
    );
    assert.deepEqual(decodePicture(png, name, [rows, columns], 3), wanted, name);
    const grey = decodePicture(png, name, [rows, columns], 1);
    assert.equal(grey.length, rows * columns);
    grey.forEach((value, i) => {
      const of = luma.reduce((sum, weight, channel) => sum + weight * wanted[3 * i + channel], 0);
      assert.ok(Math.abs(value - of) < 1e-6, `${name}: ${value} for ${of}`);
    });
  }
});

Deno.test("decodePicture() refuses a picture in which any bit is another, or whose end is lost", () => {
  for (const { name, rows, columns, png } of kinds.filter(({ rows }) => rows > 3)) {
    // What follows the end of the picture is not looked at.
    const end = new TextDecoder("latin1").decode(png).indexOf("IEND") + 8;
    for (let at = 0; at < end; at++) {
      const damaged = png.slice();
      damaged[at] ^= 1 << (at % 8);
      const label = `${name} at ${at}`;
      assert.throws(() => decodePicture(damaged, "x.png", [rows, columns], 1), DatasetError, label);
      assert.throws(
        () => decodePicture(png.subarray(0, at), "x.png", [rows, columns], 1),
        /"x\.png" of \d+ bytes: it does not (begin|end)|header/,
        label,
      );
    }
    assert.doesNotThrow(() => decodePicture(png.subarray(0, end), "x.png", [rows, columns], 1));
  }
});

Deno.test("decodePicture() says what is wrong with a picture whose checksums are right", () => {
  const rows = new Uint8Array(4 * 5);
  const packed = deflateSync(rows);
  const refuses = (bytes: Uint8Array, message: RegExp) =>
    assert.throws(
      () => decodePicture(bytes, "x.png", [4, 4], 1),
      (error) => error instanceof DatasetError && message.test(error.message),
      String(message),
    );
  assert.deepEqual(decodePicture(greyOf(4, 4, packed), "x.png", [4, 4], 1), new Float32Array(16));
  const flipped = Uint8Array.from(packed);
  flipped[packed.length - 1] ^= 1;
  refuses(greyOf(4, 4, flipped), /unpacked \(incorrect data check\): the file is damaged/);
  refuses(greyOf(4, 4, packed.subarray(0, -4)), /unpacked \(unexpected end of file\)/);
  refuses(greyOf(4, 5, packed), /its pixels end after 20 of 25 unpacked bytes/);
  refuses(greyOf(4, 3, packed), /unpack to more than the 15 bytes that its header announces/);
  refuses(greyOf(4, 4, deflateSync(rows.fill(5))), /a row has filter 5, where 0 to 4 are known/);
  refuses(greyOf(4, 4, packed, 3), /depth 3, colour type 0/);
  refuses(greyOf(4, 4, packed, 16, 3), /depth 16, colour type 3/);
  refuses(greyOf(4, 4, packed, 8, 3), /palette has 0 bytes, expected 3 for each of 1 to 256/);
  const two = chunk("PLTE", Uint8Array.of(0, 0, 0, 255, 255, 255));
  const places = deflateSync(Uint8Array.of(0, 0, 1, 1, 0, 0, 0, 1, 1, 2, ...new Uint8Array(10)));
  refuses(greyOf(4, 4, places, 8, 3, two), /its pixel 7 has colour 2 of a palette of 2 colours/);
  refuses(greyOf(4, 4, packed, 8, 0, chunk("ABcD", packed)), /its chunk ABcD .* none of the PNG/);
  const apart = Uint8Array.of(...chunk("IDAT", packed), ...chunk("tEXt", packed));
  refuses(greyOf(4, 4, packed, 8, 0, apart), /its pixels are in two places, the second at offset/);
  refuses(greyOf(0, 4, packed), /announces 0x4 pixels at offset 16/);
  // Refused before a byte is unpacked, so that the memory of it is never taken.
  refuses(greyOf(1 << 30, 11, packed), /announces 1073741824x11 pixels/);
  refuses(greyOf(8192, 8192, packed), /its \d+ packed bytes cannot hold the 67117056 of 8192x8192/);
  refuses(greyOf(8192, 8192, packed, 16, 6), /8192x8192 pixels of 4 x 16 bits.* at most 268435456/);
});

const jpegs = jpegFiles.map(({ jpeg, pixels, ...file }) => ({
  ...file,
  jpeg: Uint8Array.fromBase64(jpeg),
  pixels: Uint8Array.fromBase64(pixels),
}));

Deno.test("decodePicture() gives the pixels of a JPEG that Pillow gives, whatever its name", () => {
  const taken = jpegs.filter(({ name }) => name !== "of print");
  assert.equal(taken.length, 8);
  for (const { name, rows, columns, jpeg, pixels } of taken) {
    const wanted = Float32Array.from(pixels, (level) => level / 255);
    assert.deepEqual(decodePicture(jpeg, "x.png", [rows, columns], 3), wanted, name);
    const grey = decodePicture(jpeg, "x.jpg", [rows, columns], 1);
    grey.forEach((value, i) => {
      const of = luma.reduce((sum, weight, channel) => sum + weight * wanted[3 * i + channel], 0);
      assert.ok(Math.abs(value - of) < 1e-6, `${name}: ${value} for ${of}`);
    });
  }
});

Deno.test("decodePicture() reads a JPEG with zeros before its end as Pillow does", () => {
  for (const { name, rows, columns, jpeg, pixels } of jpegs) {
    if (name === "of print") continue;
    const wanted = Float32Array.from(pixels, (level) => level / 255);
    const filled = (count: number, byte: number, ...behind: number[]) => {
      const fill = new Array<number>(count).fill(byte);
      return Uint8Array.from([...jpeg.subarray(0, -2), ...fill, 0xff, 0xd9, ...behind]);
    };
    for (const bytes of [filled(5, 0), filled(500, 0), filled(16, 0, 1, 2, 3)]) {
      assert.deepEqual(decodePicture(bytes, "x.jpg", [rows, columns], 3), wanted, name);
    }
    // As is left over where damage ends the pixels early.
    assert.throws(() => decodePicture(filled(16, 7), "x.jpg", [4, 4], 1), /extraneous bytes/, name);
  }
});

Deno.test("decodePicture() refuses a JPEG that is cut off, and kinds that it cannot read", () => {
  const refuses = (bytes: Uint8Array, message: RegExp) =>
    assert.throws(
      () => decodePicture(bytes, "x.jpg", [4, 4], 1),
      (error) => error instanceof DatasetError && message.test(error.message),
      String(message),
    );
  const byName = (wanted: string) => jpegs.find(({ name }) => name === wanted)!.jpeg;
  refuses(
    byName("of print"),
    /"x.jpg" of \d+ bytes: its colours are those of print \(CMYK\); convert/,
  );
  for (const { name, jpeg } of jpegs.filter(({ name }) => name !== "of print")) {
    // The last two bytes only say that it ends.
    for (let end = 3; end < jpeg.length - 2; end += 7) refuses(jpeg.subarray(0, end), /x.jpg/);
    refuses(jpeg.subarray(0, jpeg.length >> 1), /complains|cannot read|truncated/);
    assert.doesNotThrow(() => decodePicture(jpeg, "x.jpg", [4, 4], 1), name);
  }
  const frame = byName("grey").slice();
  const at = frame.findIndex((byte, i) => byte === 0xff && frame[i + 1] === 0xc0);
  const view = new DataView(frame.buffer);
  view.setUint16(at + 5, 0);
  refuses(frame, /announces 21x0 pixels/);
  view.setUint16(at + 5, 65535);
  view.setUint16(at + 7, 65535);
  refuses(frame, /announces 65535x65535 pixels at offset \d+, at most 67108864/);
  frame[at + 4] = 12;
  refuses(frame, /a JPEG of a rare kind \(marker c0, 12 bits, 1 components\); convert it to PNG/);
});

Deno.test("decodePicture() says what lies under a picture's name", () => {
  const text = (begin: string) => Uint8Array.from(begin, (character) => character.charCodeAt(0));
  for (
    const [begin, kind] of [
      ...[["GIF89a", "a GIF"], ["BM6", "a BMP"], ["RIFF1234WEBPVP8 ", "a WebP"]],
      ...[["MM\0*", "a TIFF"], ["\0\0\0 ftypavif", "an AVIF"], ["P5 3 3 255", "a PNM"]],
      ...[["\n<!DOCTYPE html>", "a web page"], ["version https://git-lfs.github.com", "a pointer"]],
    ]
  ) {
    assert.throws(
      () => decodePicture(text(begin), "x.png", [4, 4], 1),
      new RegExp(`"x.png" of \\d+ bytes: it does not begin .* at offset 0: it is ${kind}.*; `),
    );
  }
});

Deno.test("checkPicture() and verifyPicture() name a file that is broken, and where", async () => {
  const whole = await Deno.readFile(`${folder}grey.png`);
  const path = await Deno.makeTempFile({ suffix: ".png" });
  const refuses = async (
    operation: (path: string) => Promise<unknown>,
    bytes: Uint8Array,
    message: RegExp,
  ) => {
    await Deno.writeFile(path, bytes);
    await assert.rejects(
      operation(path),
      (error) =>
        error instanceof DatasetError && error.message.includes(path) &&
        message.test(error.message),
    );
  };
  try {
    await Deno.writeFile(path, whole);
    assert.deepEqual(await checkPicture(path), [11, 14]);
    await verifyPicture(path);
    await refuses(
      checkPicture,
      new Uint8Array(0),
      /does not begin as a PNG or a JPEG does, at offset 0/,
    );
    await refuses(
      checkPicture,
      whole.subarray(0, 20),
      /goes on after its 20 bytes; it is truncated/,
    );
    const huge = whole.slice();
    new DataView(huge.buffer).setUint32(16, 1 << 30);
    await refuses(checkPicture, withChecksums(huge), /announces 1073741824x11 pixels/);
    await refuses(verifyPicture, whole.subarray(0, whole.length - 9), /does not end.*truncated/);
    const torn = whole.slice();
    torn.fill(0x55, 50, 90);
    await refuses(verifyPicture, torn, /checksum of its chunk IDAT at offset 33 is [0-9a-f]{8}/);
  } finally {
    await Deno.remove(path);
  }
});
