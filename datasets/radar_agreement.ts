/**
 * Whether the composites of a folder belong together: one product, quantity and grid, and one file
 * for each time. What does not is refused by both names, since no rule could tell which is meant.
 */
import { DatasetError, isBadFile } from "./dataset.ts";
import type { RadarScan } from "./radar_folder.ts";
import type { RadarFrame } from "./radar_frame.ts";
import { minutesText } from "./scan_times.ts";

/** Corners differ by less where one grid was written by two programs. */
const cornerToleranceDegrees = 0.01;
const wayOut =
  "put them into folders of their own, or choose by name with --dataset-options files=PATTERN";

/** What is different about two frames in the same folder, their values aside; else undefined. */
export function disagreement(one: RadarFrame, two: RadarFrame): string | undefined {
  const sizes = [one, two].map(({ rows, columns }) => `${rows} rows x ${columns} columns`);
  if (sizes[0] !== sizes[1]) {
    return `${sizes[0]}, but ${quoted} has ${sizes[1].replaceAll(/ (rows|columns)/g, "")}`;
  }
  const contents = [one, two].map(({ product, content }) => `${content} of ${product}`);
  if (contents[0] !== contents[1]) {
    return `it holds ${contents[0]}, but ${quoted} ${contents[1]}`;
  }
  const relations = [one, two].map(({ calibration: { relation: { a, b } } }) => `Z = ${a} R^${b}`);
  if (relations[0] !== relations[1]) {
    return `its relation is ${relations[0]}, but that of ${quoted} ${relations[1]}`;
  }
  const moved = one.corners?.some((corner, i) =>
    Math.abs(corner - (two.corners?.[i] ?? corner)) > cornerToleranceDegrees
  );
  if (moved) {
    return `its corners lie at ${one.corners?.join(", ")}, but those of ${quoted} at ` +
      `${two.corners?.join(", ")}`;
  }
}

/** Stands for the path of the second one. */
const quoted = '"\0"';

/** @throws {DatasetError} if a frame differs from the first in more than its values */
export function checkAlike(
  frame: RadarFrame,
  first: RadarFrame,
  path: string,
  firstPath: string,
): void {
  const difference = disagreement(frame, first);
  if (difference === undefined) return;
  throw new DatasetError(
    `Cannot use "${path}": ${difference.replace("\0", firstPath)}; ${wayOut}`,
  );
}

export interface UniqueScans {
  readonly scans: readonly RadarScan[];
  /** Both paths for each file that is left out because another one holds the same. */
  readonly repeats: readonly (readonly [leftOut: string, kept: string])[];
  /** Sentences about broken files of times that have a sound one. */
  readonly failures: readonly string[];
}

/**
 * One scan for each time: files of one time that hold the same are one.
 * @throws {DatasetError} if they do not
 */
export async function uniqueScans(
  sorted: readonly RadarScan[],
  decode: (path: string) => Promise<RadarFrame>,
  onBadFile: "stop" | "skip",
): Promise<UniqueScans> {
  const scans: RadarScan[] = [];
  const repeats: [string, string][] = [];
  const failures: string[] = [];
  for (let i = 0; i < sorted.length;) {
    const same = [sorted[i]];
    while (sorted[i + same.length]?.minutes === sorted[i].minutes) {
      same.push(sorted[i + same.length]);
    }
    i += same.length;
    // The plain name is kept, not that of "file (1)".
    same.sort((one, two) => one.path.length - two.path.length);
    if (same.length === 1) {
      scans.push(...same);
      continue;
    }
    let kept: { readonly scan: RadarScan; readonly frame: RadarFrame } | undefined;
    for (const scan of same) {
      const frame = await decode(scan.path).catch((error: unknown) => {
        if (onBadFile === "stop" || !isBadFile(error)) throw error;
        failures.push(error.message);
      });
      if (!frame) continue;
      if (kept === undefined) kept = { scan, frame };
      else {
        checkSame(kept.frame, frame, kept.scan, scan);
        repeats.push([scan.path, kept.scan.path]);
      }
    }
    if (kept) scans.push(kept.scan);
  }
  return { scans, repeats, failures };
}

function checkSame(one: RadarFrame, two: RadarFrame, first: RadarScan, second: RadarScan): void {
  const difference = disagreement(two, one)?.replace("\0", first.path) ?? pixelDifference(two, one);
  if (difference === undefined) return;
  throw new DatasetError(
    `Cannot tell which of "${first.path}" and "${second.path}" to take for ` +
      `${
        minutesText(first.minutes)
      } UTC: of the second, ${difference}; keep one of them, or choose ` +
      "by name with --dataset-options files=PATTERN",
  );
}

function pixelDifference(one: RadarFrame, two: RadarFrame): string | undefined {
  if (JSON.stringify(one.calibration) !== JSON.stringify(two.calibration)) {
    return "codes mean other values";
  }
  let count = 0;
  for (let i = 0; i < one.codes.length; i++) {
    if (!Object.is(one.codes[i], two.codes[i])) count++;
  }
  return count === 0 ? undefined : `${count} of ${one.codes.length} pixels are others`;
}
