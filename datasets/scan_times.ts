/** Scans in time: when each one was taken, and where their row is broken. */
import { DatasetError } from "./dataset.ts";

/**
 * Minutes since 1970 of a file name that holds YYYYMMDDHHMM in UTC, as FMI's and KNMI's do, or with
 * seconds, as OPERA's do.
 * @throws {DatasetError} if there is no such time in it
 */
export function scanMinutes(name: string, path: string): number {
  const [, ...digits] = /(?<!\d)(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(?:\d\d)?(?!\d)/.exec(name) ?? [];
  const [year, month, day, hour, minute] = digits.map(Number);
  const time = Date.UTC(year, month - 1, day, hour, minute);
  const same = new Date(time);
  if (
    Number.isNaN(time) || same.getUTCMonth() !== month - 1 || same.getUTCDate() !== day ||
    same.getUTCHours() !== hour || same.getUTCMinutes() !== minute
  ) {
    throw new DatasetError(
      `Cannot tell the time of "${path}": expected YYYYMMDDHHMM (UTC) in the file name`,
    );
  }
  return time / 60_000;
}

/** As ISO 8601 to the minute, e.g. "2016-09-28T14:45". */
export function minutesText(minutes: number): string {
  return new Date(minutes * 60_000).toISOString().slice(0, 16);
}

/** The commonest difference between neighbours, the smaller of two as common. */
export function scanInterval(sortedMinutes: readonly number[]): number {
  const counts = new Map<number, number>();
  for (let i = 1; i < sortedMinutes.length; i++) {
    const difference = sortedMinutes[i] - sortedMinutes[i - 1];
    counts.set(difference, (counts.get(difference) ?? 0) + 1);
  }
  // A duplicate is a fault, never an interval.
  counts.delete(0);
  const ranked = [...counts].sort(([a, countA], [b, countB]) => countB - countA || a - b);
  return ranked[0]?.[0] ?? 0;
}

/** Scans `first` to before `end`. */
export interface ScanRun {
  readonly first: number;
  readonly end: number;
}

/**
 * The longest runs of at least 2 scans that follow each other by `interval` and that are all
 * `usable`; a missing scan or a duplicate ends a run.
 */
export function scanRuns(
  sortedMinutes: readonly number[],
  interval: number,
  usable: (scan: number) => boolean,
): ScanRun[] {
  const runs: ScanRun[] = [];
  let first = 0;
  for (let scan = 0; scan <= sortedMinutes.length; scan++) {
    const inside = scan < sortedMinutes.length && usable(scan);
    const follows = scan > first && sortedMinutes[scan] - sortedMinutes[scan - 1] === interval;
    if (inside && follows) continue;
    if (scan - first >= 2) runs.push({ first, end: scan });
    first = inside ? scan : scan + 1;
  }
  return runs;
}
