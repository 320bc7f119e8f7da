/**
 * Radar composites of the Finnish Meteorological Institute: binary PGM (netpbm "P5") with one byte
 * for each pixel, 255 where nothing is observed, else dBZ = (code - 64) / 2.
 */
import { DatasetError } from "./dataset.ts";
import type { Calibration, RadarFrame } from "./radar_frame.ts";
import { fmiRelation } from "./radar_scale.ts";

const calibration: Calibration = {
  quantity: "dBZ",
  gain: 0.5,
  offset: -32,
  missing: [255],
  relation: fmiRelation,
};
/** FMI's header has 0.7 kB of comments. */
const headerBytesMax = 65_536;

/**
 * @param path names the file in errors
 * @throws {DatasetError} with the offset and what was expected there
 */
export function parseFmiComposite(bytes: Uint8Array<ArrayBuffer>, path: string): RadarFrame {
  const { fields, end } = parseHeader(bytes, path);
  const [columns, rows, maximum] = fields;
  if (maximum !== 255) {
    throw new DatasetError(
      `Cannot read "${path}": expected a PGM of one byte for each pixel, maximum 255, ` +
        `found maximum ${maximum}`,
    );
  }
  if (bytes.length - end !== rows * columns) {
    throw new DatasetError(
      `Cannot read "${path}": ${columns} columns x ${rows} rows take ${
        rows * columns
      } bytes from ` +
        `offset ${end} on, found ${bytes.length - end}`,
    );
  }
  return { product: "FMI", rows, columns, codes: bytes.slice(end), calibration };
}

/** Columns, rows and maximum, and where the pixels start: one white space after the maximum. */
function parseHeader(
  bytes: Uint8Array,
  path: string,
): { readonly fields: readonly number[]; readonly end: number } {
  const text = String.fromCharCode(...bytes.subarray(0, 2));
  if (text !== "P5") {
    throw new DatasetError(
      `Cannot read "${path}": expected the magic number P5 of a binary PGM at offset 0, found ` +
        `${JSON.stringify(text)}`,
    );
  }
  const limit = Math.min(bytes.length, headerBytesMax);
  const fields: number[] = [];
  let offset = 2;
  while (fields.length < 3) {
    while (offset < limit && isSpace(bytes[offset])) offset++;
    if (bytes[offset] === hash) {
      while (offset < limit && bytes[offset] !== newline) offset++;
      continue;
    }
    const start = offset;
    while (offset < limit && isDigit(bytes[offset])) offset++;
    const number = Number(
      String.fromCharCode(...bytes.subarray(start, Math.min(offset, start + 9))),
    );
    if (offset === limit || !(number > 0) || !isSpace(bytes[offset])) {
      throw new DatasetError(
        `Cannot read "${path}": expected the ${["width", "height", "maximum"][fields.length]} of ` +
          `a PGM at offset ${start}, a positive number`,
      );
    }
    fields.push(number);
  }
  return { fields, end: offset + 1 };
}

const hash = 0x23;
const newline = 0x0a;

function isSpace(byte: number): boolean {
  return byte === 0x20 || (byte >= 0x09 && byte <= 0x0d);
}

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39;
}
