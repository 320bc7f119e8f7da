/**
 * What the pixels of an ODIM image mean. Codes of 8 and 16 bits stay codes; anything else becomes
 * values. A number that the file does not explain is refused: missing data must never be weather.
 */
import { DatasetError } from "./dataset.ts";
import type { Hdf5Pixels } from "./hdf5_image.ts";
import { type Calibration, type RadarFrame, valueOfPhysical } from "./radar_frame.ts";

export interface StoredPixels extends Pick<Calibration, "quantity" | "gain" | "offset"> {
  readonly relation: Calibration["relation"];
  /** Stored where no radar observes; undefined where the file has no such number. */
  readonly nodata: number | undefined;
  /** Stored where a radar sees nothing. */
  readonly undetect: number | undefined;
}

type Pixels = Pick<RadarFrame, "codes" | "calibration">;

/** Far outside of what a radar measures, so that a number there can only be a special one. */
const physicalRange = { "dBZ": [-200, 150], "mm/h": [-1, 20_000] } as const;

/** @throws {DatasetError} if codes may mean missing data of which the file says nothing */
export function wholePixels(
  codes: Extract<Hdf5Pixels, Uint8Array | Uint16Array>,
  { quantity, gain, offset, relation, nodata, undetect }: StoredPixels,
  path: string,
): Pixels {
  const bits = 8 * codes.BYTES_PER_ELEMENT;
  const most = 2 ** bits - 1;
  checkWrapped(codes, nodata, bits, path);
  if (nodata === undefined) {
    const count = countOf(codes, most);
    if (count > 0) {
      throw new DatasetError(
        `Cannot tell what ${most} means in "${path}": ${count} pixels hold this largest code, which ` +
          "is where others store missing data, and the file has no what/nodata; add it",
      );
    }
  }
  // A special value that no code has, e.g. -1, is how a file says that it has none.
  const codesOf = (value: number | undefined) =>
    value !== undefined && Number.isInteger(value) && value >= 0 && value <= most ? [value] : [];
  return {
    codes: codes instanceof Uint8Array ? new Uint8Array(codes) : new Uint16Array(codes),
    calibration: {
      ...{ quantity, relation, gain, offset },
      missing: codesOf(nodata),
      undetected: codesOf(undetect),
    },
  };
}

/** @throws {DatasetError} at a number that is neither special nor one that a radar can measure */
export function realPixels(pixels: Hdf5Pixels, stored: StoredPixels, path: string): Pixels {
  const { quantity, gain, offset, relation } = stored;
  if (!(pixels instanceof Float32Array || pixels instanceof Float64Array)) {
    checkWrapped(pixels, stored.nodata, 8 * pixels.BYTES_PER_ELEMENT, path);
  }
  // A special value is compared as the image can hold it.
  const asStored = (value: number | undefined) =>
    value !== undefined && pixels instanceof Float32Array ? Math.fround(value) : value;
  const [nodata, undetect] = [asStored(stored.nodata), asStored(stored.undetect)];
  const [least, most] = physicalRange[quantity];
  const calibration = {
    ...{ quantity, relation, gain, offset },
    missing: [],
    undetected: [],
  };
  const values = new Float32Array(pixels.length);
  for (let i = 0; i < pixels.length; i++) {
    const number = Number(pixels[i]);
    // Not a number is not observed, whether the file says so or not.
    if (number === nodata || Number.isNaN(number)) {
      values[i] = NaN;
      continue;
    }
    // In dBZ, minus infinity is the logarithm of no rain.
    if (number === undetect || (quantity === "dBZ" && number === -Infinity)) continue;
    const physical = gain * number + offset;
    if (!(physical >= least && physical <= most)) {
      throw new DatasetError(
        `Cannot tell what ${number} means in "${path}": it would be ${physical} ${quantity}, and is ` +
          `neither what/nodata (${stored.nodata ?? "not said"}) nor what/undetect ` +
          `(${stored.undetect ?? "not said"}); mend these`,
      );
    }
    values[i] = valueOfPhysical(physical, calibration);
  }
  return { codes: values, calibration };
}

/** Refuses -1 where nodata is 65535 and the like: the same bits, read with or without a sign. */
function checkWrapped(
  pixels: Exclude<Hdf5Pixels, Float32Array | Float64Array>,
  nodata: number | undefined,
  bits: number,
  path: string,
): void {
  if (nodata === undefined || !Number.isInteger(nodata) || bits > 32) return;
  const isSigned = pixels instanceof Int8Array || pixels instanceof Int16Array ||
    pixels instanceof Int32Array;
  const span = 2 ** bits;
  const [least, before] = isSigned ? [-span / 2, span / 2] : [0, span];
  if (nodata >= least && nodata < before) return;
  const wrapped = nodata < least ? nodata + span : nodata - span;
  const count = wrapped >= least && wrapped < before ? countOf(pixels, wrapped) : 0;
  if (count > 0) {
    throw new DatasetError(
      `Cannot tell what ${wrapped} means in "${path}": ${count} pixels hold it, and what/nodata is ` +
        `${nodata}, which has the same ${bits} bits but ${isSigned ? "no" : "a"} sign; mend it`,
    );
  }
}

function countOf(pixels: Hdf5Pixels, wanted: number): number {
  let count = 0;
  for (let i = 0; i < pixels.length; i++) if (pixels[i] === wanted) count++;
  return count;
}
