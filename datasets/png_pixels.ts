/**
 * The pixels of a PNG: its stream unpacked by zlib, which compares the checksum of what it gives, the
 * filter of each row undone, and the seven passes of an interlaced picture laid into each other.
 */
import { Buffer } from "node:buffer";
import { inflateSync } from "node:zlib";
import { PngError, type PngHeader, readPngChunks } from "./png_chunks.ts";

export interface PngPixels extends PngHeader {
  /** [height, width, channels], each from 0 to 2^depth - 1, or places in the palette. */
  readonly samples: Uint8Array | Uint16Array;
  /** Red, green and blue of each entry. */
  readonly palette: Uint8Array | undefined;
}

/** A part of the rows and columns, each packed as a picture of its own. */
interface Pass {
  readonly top: number;
  readonly left: number;
  readonly rowStep: number;
  readonly columnStep: number;
  readonly rows: number;
  readonly columns: number;
  /** Bytes of one row, without the byte that names its filter. */
  readonly rowBytes: number;
}

/** Deflate makes at most 1032 bytes of one, so that shorter streams need not be unpacked. */
const packedRatioMax = 1032;
const adam7 = [
  [0, 0, 8, 8],
  [0, 4, 8, 8],
  [4, 0, 8, 4],
  [0, 2, 4, 4],
  [2, 0, 4, 2],
  [0, 1, 2, 2],
  [1, 0, 2, 1],
] as const;

/** @throws {PngError} if the file is damaged, or no PNG that is taken */
export function decodePng(bytes: Uint8Array): PngPixels {
  const { header, palette, rows, passes } = unpack(bytes);
  let from = 0;
  let to = 0;
  for (const pass of passes) {
    undoFilters(rows, pass, from, to, pixelBytes(header));
    from += pass.rows * (pass.rowBytes + 1);
    to += pass.rows * pass.rowBytes;
  }
  const samples = samplesOf(rows, passes, header);
  if (palette) checkPlaces(samples, palette.length / 3);
  return { ...header, samples, palette };
}

/**
 * Whether `decodePng` gives its pixels, in less time.
 * @throws {PngError} where it does not
 */
export function checkPng(bytes: Uint8Array): PngHeader {
  const { header, rows, passes } = unpack(bytes);
  // Whether all places are in the palette shows only once filters are undone.
  if (header.hasPalette) return decodePng(bytes);
  let at = 0;
  for (const pass of passes) {
    for (let row = 0; row < pass.rows; row++) {
      checkFilter(rows[at]);
      at += pass.rowBytes + 1;
    }
  }
  return header;
}

function unpack(bytes: Uint8Array) {
  const { header, palette, packed } = readPngChunks(bytes);
  const passes = passesOf(header);
  const length = passes.reduce((sum, { rows, rowBytes }) => sum + rows * (rowBytes + 1), 0);
  const packedLength = packed.reduce((sum, part) => sum + part.length, 0);
  if (length > packedRatioMax * packedLength) {
    throw new PngError(
      `its ${packedLength} packed bytes cannot hold the ${length} of ${header.width}x` +
        `${header.height} pixels`,
    );
  }
  const rows = inflate(packed.length === 1 ? packed[0] : Buffer.concat(packed), length);
  if (rows.length < length) {
    throw new PngError(
      `its pixels end after ${rows.length} of ${length} unpacked bytes: the file is damaged`,
    );
  }
  return { header, palette, rows, passes };
}

function inflate(packed: Uint8Array, length: number): Uint8Array {
  try {
    // One buffer for all of it: parts would have to be copied together.
    return inflateSync(packed, { maxOutputLength: length, chunkSize: Math.max(64, length) });
  } catch (cause) {
    const { code, message } = cause as Error & { readonly code?: string };
    throw new PngError(
      code === "ERR_BUFFER_TOO_LARGE"
        ? `its pixels unpack to more than the ${length} bytes that its header announces`
        : `its pixels cannot be unpacked (${message}): the file is damaged`,
      { cause },
    );
  }
}

function passesOf({ width, height, depth, channels, isInterlaced }: PngHeader): Pass[] {
  const steps = isInterlaced ? adam7 : [[0, 0, 1, 1]] as const;
  return steps.flatMap(([top, left, rowStep, columnStep]) => {
    const rows = Math.ceil((height - top) / rowStep);
    const columns = Math.ceil((width - left) / columnStep);
    // Small pictures have nothing in some passes.
    if (rows <= 0 || columns <= 0) return [];
    const rowBytes = Math.ceil(columns * channels * depth / 8);
    return [{ top, left, rowStep, columnStep, rows, columns, rowBytes }];
  });
}

/** Filters look back by whole bytes. */
function pixelBytes({ depth, channels }: PngHeader): number {
  return Math.max(1, depth * channels / 8);
}

function checkFilter(filter: number): void {
  if (filter > 4) throw new PngError(`a row has filter ${filter}, where 0 to 4 are known`);
}

/**
 * In place: rows lie from `from` on behind a byte of their filter, and from `to` on without it
 * afterwards, which is never after where they are read.
 */
function undoFilters(
  bytes: Uint8Array,
  { rows, rowBytes }: Pass,
  from: number,
  to: number,
  back: number,
): void {
  for (let row = 0; row < rows; row++, to += rowBytes, from += rowBytes + 1) {
    const filter = bytes[from];
    checkFilter(filter);
    undoFilter(bytes, { filter, from: from + 1, to, length: rowBytes, back, isFirst: row === 0 });
  }
}

interface FilteredRow {
  readonly filter: number;
  readonly from: number;
  readonly to: number;
  readonly length: number;
  readonly back: number;
  readonly isFirst: boolean;
}

function undoFilter(
  bytes: Uint8Array,
  { filter, from, to, length, back, isFirst }: FilteredRow,
): void {
  const above = to - length;
  // Above the first row, and before the first pixel of each, all is 0.
  if (filter === 0 || (filter === 2 && isFirst)) {
    bytes.copyWithin(to, from, from + length);
  } else if (filter === 1 || (filter === 4 && isFirst)) {
    for (let i = 0; i < back; i++) bytes[to + i] = bytes[from + i];
    for (let i = back; i < length; i++) bytes[to + i] = bytes[from + i] + bytes[to + i - back];
  } else if (filter === 2) {
    for (let i = 0; i < length; i++) bytes[to + i] = bytes[from + i] + bytes[above + i];
  } else if (filter === 3) {
    for (let i = 0; i < length; i++) {
      const left = i < back ? 0 : bytes[to + i - back];
      const up = isFirst ? 0 : bytes[above + i];
      bytes[to + i] = bytes[from + i] + ((left + up) >> 1);
    }
  } else {
    for (let i = 0; i < back; i++) bytes[to + i] = bytes[from + i] + bytes[above + i];
    for (let i = back; i < length; i++) {
      const left = bytes[to + i - back];
      const up = bytes[above + i];
      const corner = bytes[above + i - back];
      const fromLeft = Math.abs(up - corner);
      const fromUp = Math.abs(left - corner);
      const fromCorner = Math.abs(left + up - corner - corner);
      bytes[to + i] = bytes[from + i] +
        (fromLeft <= fromUp && fromLeft <= fromCorner ? left : fromUp <= fromCorner ? up : corner);
    }
  }
}

function samplesOf(
  rows: Uint8Array,
  passes: readonly Pass[],
  header: PngHeader,
): Uint8Array | Uint16Array {
  const { width, height, depth, channels, isInterlaced } = header;
  const count = width * height * channels;
  if (depth === 8 && !isInterlaced) return rows.subarray(0, count);
  const samples = depth === 16 ? new Uint16Array(count) : new Uint8Array(count);
  let from = 0;
  for (const { top, left, rowStep, columnStep, rows: passRows, columns, rowBytes } of passes) {
    for (let row = 0; row < passRows; row++, from += rowBytes) {
      const first = ((top + row * rowStep) * width + left) * channels;
      for (let sample = 0; sample < columns * channels; sample++) {
        const column = channels === 1 ? sample : Math.floor(sample / channels);
        const to = first + column * columnStep * channels + sample - column * channels;
        samples[to] = sampleAt(rows, from, sample, depth);
      }
    }
  }
  return samples;
}

/** Samples of less than a byte are packed from its high bits on, those of two have the high first. */
function sampleAt(rows: Uint8Array, from: number, index: number, depth: number): number {
  if (depth === 8) return rows[from + index];
  if (depth === 16) return (rows[from + 2 * index] << 8) | rows[from + 2 * index + 1];
  const bit = index * depth;
  return (rows[from + (bit >> 3)] >> (8 - depth - (bit & 7))) & ((1 << depth) - 1);
}

function checkPlaces(samples: Uint8Array | Uint16Array, colours: number): void {
  const beyond = samples.findIndex((place) => place >= colours);
  if (beyond === -1) return;
  throw new PngError(
    `its pixel ${beyond} has colour ${samples[beyond]} of a palette of ${colours} colours`,
  );
}
