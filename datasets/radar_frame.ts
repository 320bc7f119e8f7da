/**
 * A radar composite as it is stored: integer codes, and what they mean. Frames are kept in this
 * form, a quarter to a half of the size of their float32 values.
 */
import { valueOfRainRate, valueOfReflectivity, type ZRelation } from "./radar_scale.ts";

export type RadarProduct = "FMI" | "KNMI" | "ODIM";

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

export interface RadarFrame {
  /** Whose layout the file had. */
  readonly product: RadarProduct;
  readonly rows: number;
  readonly columns: number;
  /** [rows, columns], row 0 in the north */
  readonly codes: Uint8Array<ArrayBuffer> | Uint16Array<ArrayBuffer>;
  readonly calibration: Calibration;
}

/** The value in [0, 1] of each code below `codeCount`; NaN where a code means no observation. */
export function valuesOfCodes(calibration: Calibration, codeCount: number): Float32Array {
  const { quantity, gain, offset, missing, undetected = [], relation } = calibration;
  const values = new Float32Array(codeCount);
  for (let code = 0; code < codeCount; code++) {
    const physical = gain * code + offset;
    values[code] = quantity === "dBZ"
      ? valueOfReflectivity(physical)
      : valueOfRainRate(Math.max(0, physical), relation);
  }
  for (const code of undetected) values[code] = 0;
  for (const code of missing) values[code] = NaN;
  return values;
}
