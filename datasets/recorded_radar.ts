/**
 * Radar composites of a folder as many sequences: the area is cut into a grid of tiles, and a
 * sequence is a tile for as long as scans follow each other without a gap and the tile is observed
 * in full, or as much as is asked for. One composite covers a whole country, so even a few hours make hundreds of streams.
 *
 * Opening decodes every file once, in the decode worker: that finds the observed tiles, and a
 * broken file stops a run before it starts, or counts as a gap in time.
 *
 * Splits are contiguous blocks of tiles, from north to south, because tiles of the same hours are not
 * independent but neighbours are the least so; or of scans, the last ones for test: a forecast is
 * for hours that nobody has seen.
 */
import { ByteLimitedCache } from "./byte_limited_cache.ts";
import { DatasetError, type SequenceEntry, type Split } from "./dataset.ts";
import { Decoder } from "./decoder.ts";
import { type UniqueScans, uniqueScans } from "./radar_agreement.ts";
import { describeRadar } from "./radar_description.ts";
import { listRadarScans, type RadarFolder } from "./radar_folder.ts";
import { frameValues, type RadarChoice } from "./radar_frame.ts";
import { radarUnit } from "./radar_scale.ts";
import { type RadarSplitOptions, splitRuns } from "./radar_splits.ts";
import { type RadarFrames, type RadarSurvey, surveyScans } from "./radar_survey.ts";
import { cutTile } from "./radar_tiles.ts";
import type { RainDataset } from "./rain_dataset.ts";
import { requestedEntry } from "./requested_entry.ts";
import { minutesText } from "./scan_times.ts";

export interface RecordedRadarOptions extends RadarSplitOptions {
  /** Folder of composites: FMI PGM, KNMI HDF5 or ODIM HDF5, perhaps in folders of its own. */
  readonly path: string;
  /** Pattern of * and ? for the names of the files that are used. @default {all} */
  readonly files?: string;
  /** What is read of each file. */
  readonly choice?: RadarChoice;
  /** Rows and columns of a tile. */
  readonly frameSize: number;
  /** Pixels from one tile to the next, less than its size where they overlap. @default {frameSize} */
  readonly tileStep?: number;
  /** Decoded composites kept in memory, about 1 MB each. */
  readonly cacheBytesMax: number;
  /** With "skip", a file that cannot be decoded ends sequences as a missing one does. */
  readonly onBadFile?: "stop" | "skip";
  /**
   * Sequences in which a smaller share of the pixels has rain of 0.1 mm/h or more are left out.
   * @default {0}
   */
  readonly wetShareMin?: number;
  /**
   * A tile is left out of scans that observe a smaller share of its pixels; what is missing is NaN.
   * @default {1}
   */
  readonly observedShareMin?: number;
}

/** @throws {DatasetError} if a file is broken or differs from the first, or too few tiles are left */
export async function openRecordedRadar(options: RecordedRadarOptions): Promise<RainDataset> {
  const { path, frameSize, cacheBytesMax, onBadFile = "stop", observedShareMin = 1 } = options;
  if (!Number.isSafeInteger(frameSize) || frameSize < 1) {
    throw new DatasetError(
      `Cannot cut tiles from "${path}": frameSize must be a whole number of at least 1, ` +
        `found ${frameSize}`,
    );
  }
  const { tileStep = frameSize, split = "area" } = options;
  if (split === "area" && tileStep < frameSize) {
    throw new DatasetError(
      `Cannot split overlapping tiles of "${path}" by area: training would see parts of the test ` +
        `area; split by time, or let tiles lie ${frameSize} pixels apart, not ${tileStep}`,
    );
  }
  const decoder = new Decoder();
  try {
    const missingMax = Math.floor((1 - observedShareMin) * frameSize ** 2 + 1e-9);
    const decode = (path: string) => decoder.decode("radar", { path, choice: options.choice });
    const minutesOf = (path: string) => decoder.decode("radarMinutes", { path });
    const listed = await listRadarScans(path, { files: options.files, onBadFile, minutesOf });
    const unique = await uniqueScans(listed.scans, decode, onBadFile);
    const { scans } = unique;
    if (scans.length < 2) throw tooFew(scans.length, listed.scans.length, options.path);
    const frames: RadarFrames = new ByteLimitedCache({
      load: (scan) => decode(scans[scan].path),
      bytesOf: (frame) => frame.codes.byteLength,
    }, cacheBytesMax);
    const failures = [...listed.failures, ...unique.failures];
    const survey = await surveyScans(scans, frames, {
      frameSize,
      tileStep,
      onBadFile,
      missingMax,
      failures,
    });
    return datasetOf({ options, listed, unique, frames, survey, close: () => decoder.close() });
  } catch (error) {
    decoder.close();
    throw error;
  }
}

function tooFew(times: number, files: number, path: string): DatasetError {
  return new DatasetError(
    `Cannot make sequences from "${path}": its ${files} composites are of ${times} ` +
      `time${times === 1 ? "" : "s"}, at least 2 are needed`,
  );
}

interface Recorded {
  readonly options: RecordedRadarOptions;
  readonly listed: RadarFolder;
  readonly unique: UniqueScans;
  readonly frames: RadarFrames;
  readonly survey: RadarSurvey;
  close(): void;
}

function datasetOf({ options, listed, unique, frames, survey, close }: Recorded): RainDataset {
  const { scans } = unique;
  const { first, intervalMinutes, values } = survey;
  const { path, frameSize, tileStep = frameSize, cacheBytesMax, wetShareMin = 0 } = options;
  const { observedShareMin = 1 } = options;
  const { ranges, unit, runsOf } = splitRuns(
    survey.tiles,
    scans.length,
    options,
    (run) => survey.wetShare(run) >= wetShareMin,
  );
  const runs = { train: runsOf("train"), validation: runsOf("validation"), test: runsOf("test") };
  const entriesOf = (split: Split): SequenceEntry[] =>
    runs[split].map(({ tile, first, frames }) => ({
      id: `${survey.first.product.toLowerCase()}/${minutesText(scans[first].minutes)}/` +
        `tile-${tile.row}-${tile.column}`,
      frames,
    }));
  const catalogue = {
    train: entriesOf("train"),
    validation: entriesOf("validation"),
    test: entriesOf("test"),
  };
  const contextOf = (split: Split) => split === "train" ? 0 : options.contextScans ?? 0;
  const heldMax = Math.floor(cacheBytesMax / first.codes.byteLength);
  const counts = Object.values(ranges).map(([first, end]) => end - first);
  return {
    name: "radar",
    frameShape: [frameSize, frameSize, 1],
    description: describeRadar({
      ...{
        path,
        first,
        scans,
        intervalMinutes,
        frameSize,
        tileStep,
        wetShareMin,
        observedShareMin,
      },
      tileCount: survey.tiles.length,
      split: `split ${unit} into ${counts[0]} for training, ${counts[1]} for validation, ` +
        `${counts[2]} for test`,
      failures: survey.failures,
      notes: listed.notes,
      repeats: unique.repeats,
      loneScans: survey.loneScans,
      otherTimes: survey.otherTimes,
    }),
    files: scans.map((scan) => scan.path),
    unit: radarUnit,
    relation: first.calibration.relation,
    ...(observedShareMin < 1 && { hasMissing: true }),
    ...(options.split === "time" && {
      composites: {
        rows: first.rows,
        columns: first.columns,
        intervalMinutes,
        minutes: scans.map((scan) => scan.minutes),
        scans: (split) => [Math.max(0, ranges[split][0] - contextOf(split)), ranges[split][1]],
        read: async (scan) => {
          const frame = await frames.get(scan);
          return frameValues(frame, values.of(frame));
        },
      },
    }),
    frameMinutes: intervalMinutes,
    catalogue: (split) => catalogue[split],
    async read(request) {
      const entry = requestedEntry(catalogue[request.split], request);
      const { tile, first } = runs[request.split][request.sequence];
      const start = first + request.offset;
      const composites = await Promise.all(
        Array.from({ length: request.frames }, (_, i) => frames.get(start + i)),
      );
      // The next window of this sequence, where both fit into the cache: decoded by then.
      const next = Math.min(entry.frames - request.offset - request.frames, request.frames);
      for (let i = 0; i < next && request.frames + next <= heldMax; i++) {
        frames.get(start + request.frames + i).catch(() => {});
      }
      const pixels = frameSize * frameSize;
      const result = new Float32Array(request.frames * pixels);
      composites.forEach((composite, i) =>
        cutTile(
          composite,
          tile,
          values.of(composite),
          result.subarray(i * pixels, (i + 1) * pixels),
        )
      );
      return result;
    },
    close,
  };
}
