/**
 * Radar composites of the Finnish Meteorological Institute: binary PGM (netpbm "P5") with one byte
 * for each pixel, 255 where nothing is observed, else dBZ = (code - 64) / 2. What is measured is said
 * by comments of the header, e.g. "# param CorrectedReflectivity": rain rates, echo tops and others
 * come in the same layout with other codes.
 */
import { DatasetError } from "./dataset.ts";
import type { Calibration, RadarChoice, RadarFrame, RadarFrameFacts } from "./radar_frame.ts";
import { fmiRelation } from "./radar_scale.ts";
import { minutesTold } from "./scan_times.ts";

const calibration: Calibration = {
  quantity: "dBZ",
  gain: 0.5,
  offset: -32,
  missing: [255],
  relation: fmiRelation,
};
/** FMI's header has 0.7 kB of comments. */
const headerBytesMax = 65_536;
const reflectivity = /^(corrected|uncorrected)?(reflectivity|dbz|dbzh|th)$/i;

/**
 * @param path names the file in errors
 * @throws {DatasetError} with the offset and what was expected there, or if it is no reflectivity
 */
export function parseFmiComposite(
  bytes: Uint8Array<ArrayBuffer>,
  path: string,
  choice: RadarChoice = {},
): RadarFrame {
  const { fields, comments, end } = parseHeader(bytes, path);
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
  const facts = factsOf(comments, path, choice);
  return { product: "FMI", rows, columns, codes: bytes.slice(end), calibration, ...facts };
}

/** When it was measured, in minutes since 1970; undefined where the header does not say so. */
export function fmiMinutes(bytes: Uint8Array, path: string): number | undefined {
  return obstime(parseHeader(bytes, path).comments);
}

type Comments = ReadonlyMap<string, string>;

function obstime(comments: Comments): number | undefined {
  const [minutes, ...more] = minutesTold(comments.get("obstime") ?? "");
  return more.length === 0 ? minutes : undefined;
}

function factsOf(comments: Comments, path: string, { quantity }: RadarChoice): RadarFrameFacts {
  const told = comments.get("param");
  if (told === undefined && quantity === undefined) {
    throw new DatasetError(
      `Cannot tell what "${path}" holds: its header has no "# param", e.g. CorrectedReflectivity; ` +
        "if its codes are dBZ = (code - 64) / 2, say so with --dataset-options quantity=DBZH",
    );
  }
  const parameter = told ?? quantity!;
  const asked = quantity ?? "DBZH";
  if (![parameter, asked].every((name) => reflectivity.test(name.replaceAll(/[\s_-]/g, "")))) {
    throw new DatasetError(
      `Cannot use "${path}": its parameter is ${
        JSON.stringify(parameter)
      }, of FMI's PGM files only ` +
        `those of reflectivity can be used, e.g. CorrectedReflectivity${
          quantity === undefined ? "" : `, and ${quantity} was asked for`
        }`,
    );
  }
  const unit = comments.get("unit") ?? comments.get("units") ?? "dBZ";
  if (unit.toLowerCase() !== "dbz") {
    throw new DatasetError(
      `Cannot use "${path}": its unit is ${
        JSON.stringify(unit)
      }, of FMI's PGM files only those of ` +
        "reflectivity in dBZ can be used",
    );
  }
  const names = ["producttype", "productname"].map((name) => comments.get(name) ?? "");
  const named = names.filter((name) => name !== "").join(" ");
  const corners = ["bottomleft", "topright"]
    .flatMap((corner) => (comments.get(corner) ?? "").split(/\s+/).map(Number));
  const minutes = obstime(comments);
  return {
    content: `${parameter}${named === "" ? "" : ` (${named})`}`,
    relationTold: false,
    ...(minutes !== undefined && { minutes }),
    ...(corners.length === 4 && corners.every(Number.isFinite) && { corners }),
  };
}

/** Columns, rows and maximum, and where the pixels start: one white space after the maximum. */
function parseHeader(
  bytes: Uint8Array,
  path: string,
): { readonly fields: readonly number[]; readonly comments: Comments; readonly end: number } {
  const text = String.fromCharCode(...bytes.subarray(0, 2));
  if (text !== "P5") {
    throw new DatasetError(
      `Cannot read "${path}": expected the magic number P5 of a binary PGM at offset 0, found ` +
        `${JSON.stringify(text)}`,
    );
  }
  const limit = Math.min(bytes.length, headerBytesMax);
  const fields: number[] = [];
  const comments = new Map<string, string>();
  let offset = 2;
  while (fields.length < 3) {
    while (offset < limit && isSpace(bytes[offset])) offset++;
    if (bytes[offset] === hash) {
      const from = offset + 1;
      while (offset < limit && bytes[offset] !== newline) offset++;
      const [name, ...words] = ascii(bytes.subarray(from, offset)).trim().split(/\s+/);
      if (!comments.has(name)) comments.set(name, words.join(" "));
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
  return { fields, comments, end: offset + 1 };
}

function ascii(bytes: Uint8Array): string {
  return new TextDecoder("latin1").decode(bytes);
}

const hash = 0x23;
const newline = 0x0a;

function isSpace(byte: number): boolean {
  return byte === 0x20 || (byte >= 0x09 && byte <= 0x0d);
}

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39;
}
