/**
 * A radar composite as it is stored: codes of 8 or 16 bits and what they mean, a quarter to a half of
 * the size of their values. What is stored in any other form is kept as its values.
 */
import { DatasetError } from "./dataset.ts";
import { valueOfRainRate, valueOfReflectivity, type ZRelation } from "./radar_scale.ts";

export type RadarProduct = "FMI" | "KNMI" | "ODIM";

/**
 * Quantities of rain as ODIM names them, in the order in which they are preferred where a file holds
 * several: what is corrected before what is not.
 */
export const odimQuantities = ["DBZH", "DBZ", "TH", "RATE", "ACRR"] as const;

export interface Calibration {
  /** Of gain * code + offset. */
  readonly quantity: "dBZ" | "mm/h";
  readonly gain: number;
  readonly offset: number;
  /** Codes of pixels that no radar observes. */
  readonly missing: readonly number[];
  /** Codes of pixels in which a radar sees nothing: no rain, whatever gain and offset say. */
  readonly undetected?: readonly number[];
  /** That the maker uses between reflectivity and rain. */
  readonly relation: ZRelation;
}

/** What the file says of itself beside its pixels. */
export interface RadarFrameFacts {
  /** What was measured, e.g. "DBZH (CAPPI)" or "PRECIP_[MM] in 5 min". */
  readonly content: string;
  /** Whether the relation is told by the file, and not the usual one of its maker. */
  readonly relationTold: boolean;
  /** When it was measured, since 1970, UTC. */
  readonly minutes?: number;
  /** Where the grid lies: longitudes and latitudes of corners, in degrees. */
  readonly corners?: readonly number[];
}

export interface RadarFrame extends RadarFrameFacts {
  /** Whose layout the file had. */
  readonly product: RadarProduct;
  readonly rows: number;
  readonly columns: number;
  /**
   * [rows, columns], row 0 in the north. Floats are no codes but values in [0, 1], NaN where not
   * observed.
   */
  readonly codes:
    | Uint8Array<ArrayBuffer>
    | Uint16Array<ArrayBuffer>
    | Float32Array<ArrayBuffer>;
  readonly calibration: Calibration;
}

/** Which of the things that a file holds is wanted, and what it does not say itself. */
export interface RadarChoice {
  /** DBZH, RATE and so on as in ODIM; undefined takes the first by rule. */
  readonly quantity?: string;
  /** The image of a file that holds several, e.g. "dataset2/data1" or "image2". */
  readonly image?: string;
  /** Over which rain was summed, where the file does not say so. */
  readonly accumulationMinutes?: number;
}

/**
 * Over which rain was summed; undefined where neither the file nor an option tells it.
 * @param told by the file; no positive number where it says nothing that makes sense
 * @throws {DatasetError} if the file and the option tell two
 */
export function accumulationMinutes(
  told: number,
  { accumulationMinutes: given }: RadarChoice,
  path: string,
): number | undefined {
  if (!(told > 0)) return given;
  if (given !== undefined && given !== told) {
    throw new DatasetError(
      `Cannot use accumulation-minutes=${given} for "${path}": the file says ${told} minutes; leave ` +
        "the option out",
    );
  }
  return told;
}

/** In [0, 1] of a physical value, as `Calibration` says. */
export function valueOfPhysical(
  physical: number,
  { quantity, relation }: Pick<Calibration, "quantity" | "relation">,
): number {
  return quantity === "dBZ"
    ? valueOfReflectivity(physical)
    : valueOfRainRate(Math.max(0, physical), relation);
}

/** The value in [0, 1] of each code below `codeCount`; NaN where a code means no observation. */
export function valuesOfCodes(calibration: Calibration, codeCount: number): Float32Array {
  const { gain, offset, missing, undetected = [] } = calibration;
  const values = new Float32Array(codeCount);
  for (let code = 0; code < codeCount; code++) {
    values[code] = valueOfPhysical(gain * code + offset, calibration);
  }
  for (const code of undetected) values[code] = 0;
  for (const code of missing) values[code] = NaN;
  return values;
}

/** One of 16 bits has 256 KiB. */
const tablesMax = 64;

/** The values of frames' codes, each frame's by its own calibration. */
export class CodeValues {
  readonly #tables = new Map<string, Float32Array>();

  /** What each code of a frame means; undefined where the frame holds values. */
  of({ codes, calibration }: RadarFrame): Float32Array | undefined {
    if (codes instanceof Float32Array) return undefined;
    const codeCount = 2 ** (8 * codes.BYTES_PER_ELEMENT);
    const key = `${codeCount} ${JSON.stringify(calibration)}`;
    const known = this.#tables.get(key);
    if (known !== undefined) return known;
    if (this.#tables.size === tablesMax) {
      this.#tables.delete(this.#tables.keys().next().value!);
    }
    const values = valuesOfCodes(calibration, codeCount);
    this.#tables.set(key, values);
    return values;
  }
}

/** Values in [0, 1] of a whole frame, NaN where not observed. @param values of `CodeValues` */
export function frameValues(
  { codes }: RadarFrame,
  values: Float32Array | undefined,
): Float32Array<ArrayBuffer> {
  return values === undefined
    ? Float32Array.from(codes)
    : Float32Array.from(codes, (code) => values[code]);
}
