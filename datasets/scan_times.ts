/** Scans in time: when each one was taken, and where their row is broken. */
/**
 * A date and a time of day with separators or without, seconds or without: 201609281445,
 * 2016-09-28T14:45:00, 20160928-1445, and of folders 2016/09/28/1445.
 */
const timePattern =
  /(?<!\d)((?:19|20)\d\d)([-_./]?)(\d\d)\2(\d\d)[-_.T@ /]?(\d\d)[-_.:h/]?(\d\d)(?:[-_.:]?(\d\d))?(?:\+(\d\d):?(\d\d))?(?![\dx])/gi;

/**
 * Minutes since 1970 of each time that a file's name or path tells, in UTC where it tells no offset;
 * seconds are dropped. More than one where it tells two, e.g. start and end.
 */
export function minutesTold(text: string): number[] {
  const found = Array.from(text.matchAll(timePattern), ([, year, , month, day, ...rest]) => {
    const [hour, minute, , hoursAhead = "0", minutesAhead = "0"] = rest;
    const minutes = minutesOf({ year, month, day, hour, minute });
    return minutes === undefined
      ? undefined
      : minutes - Number(hoursAhead) * 60 - Number(minutesAhead);
  });
  return [...new Set(found.filter((minutes) => minutes !== undefined))];
}

interface DateParts {
  readonly year: string;
  readonly month: string;
  readonly day: string;
  readonly hour: string;
  readonly minute: string;
}

/** Since 1970; undefined where there is no such date or time of day. */
export function minutesOf(parts: DateParts): number | undefined {
  const [year, month, day, hour, minute] = [
    parts.year,
    parts.month,
    parts.day,
    parts.hour,
    parts.minute,
  ].map(Number);
  const time = Date.UTC(year, month - 1, day, hour, minute);
  const same = new Date(time);
  const exists = same.getUTCMonth() === month - 1 && same.getUTCDate() === day &&
    same.getUTCHours() === hour && same.getUTCMinutes() === minute;
  return exists ? time / 60_000 : undefined;
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
