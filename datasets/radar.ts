/** Rain in [0, 1] of `radar_scale.ts`: recorded composites where a path is given, else synthetic. */
import type { RadarChoice } from "./radar_frame.ts";
import type { RainDataset } from "./rain_dataset.ts";
import { openRecordedRadar } from "./recorded_radar.ts";
import { syntheticRain, type SyntheticRainOptions } from "./synthetic_rain.ts";

const cacheBytesMaxDefault = 256 * 1024 * 1024;

export interface RadarOptions extends SyntheticRainOptions {
  /** Folder of FMI PGM, KNMI HDF5 or ODIM HDF5 composites; null generates rain. */
  readonly path: string | null;
  /**
   * Decoded composites kept in memory, about 1 MB each.
   * @default {256 MiB}
   */
  readonly cacheBytesMax?: number;
  /** Pattern of * and ? for the names of the recorded composites that are used. */
  readonly files?: string;
  /** What is read of each file of recorded composites. */
  readonly choice?: RadarChoice;
  /** What becomes of a composite that cannot be decoded. @default {"stop"} */
  readonly onBadFile?: "stop" | "skip";
  /** How recorded composites are split, see `RadarSplitOptions`. @default {"area"} */
  readonly split?: "area" | "time";
  readonly testScans?: number;
  readonly validationScans?: number;
  readonly contextScans?: number;
  /** Of recorded composites: pixels from one tile to the next. @default {frameSize} */
  readonly tileStep?: number;
  /** Recorded sequences with rain on a smaller share of their pixels are left out. @default {0} */
  readonly wetShareMin?: number;
  /** Recorded tiles are left out of scans that observe less of them. @default {1} */
  readonly observedShareMin?: number;
}

/** @throws {DatasetError} if an option is out of range or the data cannot be read */
export async function openRadar(options: RadarOptions, seed: number): Promise<RainDataset> {
  const { path, cacheBytesMax = cacheBytesMaxDefault } = options;
  if (path === null) return syntheticRain(options, seed);
  return await openRecordedRadar({ ...options, path, cacheBytesMax });
}
