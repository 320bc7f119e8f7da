/**
 * What all scans of a folder say together: that they belong together, which tiles are observed when,
 * and where it rains. Every file is decoded once, a broken one stops or counts as a gap in time.
 */
import type { ByteLimitedCache } from "./byte_limited_cache.ts";
import { DatasetError, isBadFile } from "./dataset.ts";
import { prefetch } from "./prefetch.ts";
import { checkAlike } from "./radar_agreement.ts";
import type { RadarScan } from "./radar_folder.ts";
import { CodeValues, type RadarFrame } from "./radar_frame.ts";
import { valueOfRainRate } from "./radar_scale.ts";
import type { TileRun } from "./radar_splits.ts";
import { observedPixels, tileGrid, wetPixels } from "./radar_tiles.ts";
import { minutesText, scanInterval, scanRuns } from "./scan_times.ts";

/** Files read and decoded at a time. */
const decodesAheadMax = 4;

/** In mm/h. */
const wetRate = 0.1;

/** Decoded composites by the number of their scan. */
export type RadarFrames = ByteLimitedCache<number, RadarFrame>;

export interface RadarSurvey {
  /** That all others agree with. */
  readonly first: RadarFrame;
  readonly intervalMinutes: number;
  readonly values: CodeValues;
  /** Scans that can be decoded and follow or precede none. */
  readonly loneScans: number;
  /** Path and own time of each file that says another time than its name. */
  readonly otherTimes: readonly string[];
  /** Why each file that is left out cannot be decoded. */
  readonly failures: readonly string[];
  /** Each tile that is observed enough in 2 scans that follow each other, and its runs. */
  readonly tiles: readonly (readonly TileRun[])[];
  /** Share of a run's observed pixels with rain. */
  wetShare(run: TileRun): number;
}

/** @throws {DatasetError} if a file is broken or differs from the first */
export async function surveyScans(
  scans: readonly RadarScan[],
  frames: RadarFrames,
  { frameSize, tileStep, onBadFile, missingMax, failures: earlier }: {
    readonly frameSize: number;
    readonly tileStep: number;
    readonly onBadFile: "stop" | "skip";
    /** Pixels of a tile that a scan may miss. */
    readonly missingMax: number;
    readonly failures: readonly string[];
  },
): Promise<RadarSurvey> {
  const failures = [...earlier];
  const decode = async (scan: number): Promise<RadarFrame | undefined> => {
    try {
      return await frames.get(scan);
    } catch (error) {
      if (onBadFile === "stop" || !isBadFile(error)) throw error;
      failures.push(error.message);
    }
  };
  let firstScan = 0;
  let first = await decode(0);
  while (first === undefined) {
    if (++firstScan === scans.length) {
      throw new DatasetError(
        `Cannot use any of ${scans.length} files, the first because: ${failures[0]}`,
      );
    }
    first = await decode(firstScan);
  }
  const { calibration, rows, columns } = first;
  const values = new CodeValues();
  const otherTimes: string[] = [];
  const tiles = tileGrid(rows, columns, frameSize, tileStep);
  const wetFrom = valueOfRainRate(wetRate, calibration.relation);
  const nothing = new Int32Array(tiles.length).fill(-1);
  const wet: Int32Array[] = scans.slice(0, firstScan).map(() => nothing);
  const observed: Int32Array[] = [...wet];
  const whole = nothing.map(() => frameSize ** 2);
  const reads = scans.slice(firstScan).map((_, index) => () => decode(firstScan + index));
  for await (const frame of prefetch(reads, { aheadMax: decodesAheadMax })) {
    const { path, minutes } = scans[wet.length];
    if (frame) checkAlike(frame, first, path, scans[firstScan].path);
    if (frame?.minutes !== undefined && frame.minutes !== minutes) {
      otherTimes.push(`"${path}" ${minutesText(frame.minutes)}`);
    }
    const own = frame && values.of(frame);
    wet.push(frame ? wetPixels(frame, tiles, frameSize, own, wetFrom, missingMax) : nothing);
    observed.push(
      frame && missingMax > 0 ? observedPixels(frame, tiles, frameSize, own) : whole,
    );
  }
  const minutes = scans.map((scan) => scan.minutes);
  const intervalMinutes = scanInterval(minutes);
  const runs = tiles.map((tile, index) =>
    scanRuns(minutes, intervalMinutes, (scan) => wet[scan][index] >= 0)
      .map(({ first, end }) => ({ tile, first, frames: end - first }))
  );
  const indexes = new Map(tiles.map((tile, index) => [tile, index]));
  const sumOf = (counts: readonly Int32Array[], { tile, first, frames }: TileRun) => {
    const index = indexes.get(tile)!;
    return counts.slice(first, first + frames).reduce((sum, scan) => sum + scan[index], 0);
  };
  const decoded = (scan: number) => wet[scan] !== nothing;
  const inRuns = scanRuns(minutes, intervalMinutes, decoded)
    .reduce((count, { first, end }) => count + end - first, 0);
  return {
    first,
    intervalMinutes,
    values,
    loneScans: wet.filter((each) => each !== nothing).length - inRuns,
    otherTimes,
    failures,
    tiles: runs.filter((tileRuns) => tileRuns.length > 0),
    wetShare: (run) => sumOf(wet, run) / sumOf(observed, run),
  };
}
