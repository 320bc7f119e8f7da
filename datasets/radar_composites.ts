/** Whole radar composites, beside the tiles that are cut from them: what a forecaster has on hand. */
import type { Split } from "./dataset.ts";

export interface RadarComposites {
  readonly rows: number;
  readonly columns: number;
  readonly intervalMinutes: number;
  /** When each scan was taken, in minutes since 1970. */
  readonly minutes: readonly number[];
  /** Scans of a split and those that it reads as input: from the first to before the second. */
  scans(split: Split): readonly [from: number, before: number];
  /** Values in [0, 1], [rows, columns], NaN where not observed. */
  read(scan: number): Promise<Float32Array>;
}
