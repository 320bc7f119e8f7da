/** Which runs of which tiles are for training, validation and test: blocks of tiles, or of scans. */
import { DatasetError, type Split } from "./dataset.ts";
import type { Tile } from "./radar_tiles.ts";
import { type SplitRanges, splitRanges } from "./split_ranges.ts";

/** A tile for as long as it can be seen. */
export interface TileRun {
  readonly tile: Tile;
  /** Index of the first scan. */
  readonly first: number;
  readonly frames: number;
}

export interface RadarSplitOptions {
  /** Names the data in errors. */
  readonly path: string;
  readonly frameSize: number;
  /** What the splits are blocks of. @default {"area"} */
  readonly split?: "area" | "time";
  /** Of a split by time: the last scans, and those before them; a tenth each where left out. */
  readonly testScans?: number;
  readonly validationScans?: number;
  /**
   * Of a split by time: how many scans before their own those of validation and test also read, to
   * predict their first scans from.
   * @default {0}
   */
  readonly contextScans?: number;
}

export interface SplitRuns {
  readonly ranges: SplitRanges;
  /** What the ranges count, and from where. */
  readonly unit: string;
  /** In the order of time, so that neighbours in the catalogue share decoded composites. */
  runsOf(split: Split): TileRun[];
}

/**
 * @param isWanted whether a run is used, asked before areas are divided and after times are
 * @throws {DatasetError} if nothing is left to train on
 */
export function splitRuns(
  observed: readonly (readonly TileRun[])[],
  scanCount: number,
  options: RadarSplitOptions,
  isWanted: (run: TileRun) => boolean,
): SplitRuns {
  const { path, frameSize, split = "area", contextScans = 0 } = options;
  const { testScans, validationScans } = options;
  const inTime = (runs: TileRun[]) => runs.sort((one, two) => one.first - two.first);
  if (split === "area") {
    const tiles = observed.map((runs) => runs.filter(isWanted)).filter((runs) => runs.length > 0);
    const ranges = splitRanges(
      tiles.length,
      `the fully observed ${frameSize}x${frameSize} tiles of "${path}"`,
    );
    const runsOf = (split: Split) => inTime(tiles.slice(...ranges[split]).flat());
    return { ranges, unit: "from north to south", runsOf };
  }
  const tenth = Math.max(2, Math.floor(scanCount / 10));
  const testFrom = scanCount - (testScans ?? tenth);
  const validationFrom = testFrom - (validationScans ?? tenth);
  if (validationFrom < 2) {
    throw new DatasetError(
      `Cannot split the ${scanCount} scans of "${path}" by time: ${
        scanCount - validationFrom
      } for ` +
        `validation and test leave ${
          Math.max(0, validationFrom)
        } for training, at least 2 are needed`,
    );
  }
  const ranges: SplitRanges = {
    train: [0, validationFrom],
    validation: [validationFrom, testFrom],
    test: [testFrom, scanCount],
  };
  const runsOf = (split: Split) => {
    const [own, before] = ranges[split];
    const from = split === "train" ? own : own - contextScans;
    return inTime(
      observed.flat().flatMap(({ tile, first, frames }) => {
        const start = Math.max(first, from);
        const end = Math.min(first + frames, before);
        const run = { tile, first: start, frames: end - start };
        return run.frames >= 2 && end > own && isWanted(run) ? [run] : [];
      }),
    );
  };
  if (runsOf("train").length === 0) {
    throw new DatasetError(`Cannot train on "${path}": no fully observed tile is left`);
  }
  return { ranges, unit: "by time, in scans,", runsOf };
}
