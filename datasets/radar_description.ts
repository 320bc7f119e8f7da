/** One sentence about recorded radar: what the files hold, what is used of them and what is not. */
import type { RadarScan } from "./radar_folder.ts";
import type { RadarFrame } from "./radar_frame.ts";
import { minutesText } from "./scan_times.ts";

export interface RadarFindings {
  readonly path: string;
  /** That all others agree with. */
  readonly first: RadarFrame;
  readonly scans: readonly RadarScan[];
  readonly intervalMinutes: number;
  readonly tileCount: number;
  readonly frameSize: number;
  readonly tileStep: number;
  readonly wetShareMin: number;
  readonly observedShareMin: number;
  /** In words. */
  readonly split: string;
  /** What was done about links in the folder. */
  readonly notes: readonly string[];
  /** Why each file that is left out cannot be decoded. */
  readonly failures: readonly string[];
  /** Both paths for each file that is left out because another one holds the same. */
  readonly repeats: readonly (readonly [leftOut: string, kept: string])[];
  /** Scans that follow or precede none. */
  readonly loneScans: number;
  /** Path and own time of each file that says another time than its name. */
  readonly otherTimes: readonly string[];
}

export function describeRadar(findings: RadarFindings): string {
  const { path, first, scans, intervalMinutes, frameSize, tileStep, wetShareMin } = findings;
  const { observedShareMin } = findings;
  const [from, to] = [scans[0], scans[scans.length - 1]].map(({ minutes }) => minutesText(minutes));
  const isWhole = observedShareMin === 1;
  return [
    `${first.product} radar composites of ${contentWords(first)}, from ${path}`,
    `, ${scans.length} scans every ${intervalMinutes} min from ${from} to ${to} UTC`,
    `, ${findings.tileCount} ${isWhole ? "fully observed " : ""}tiles of ${frameSize}x${frameSize}`,
    ` pixels${tileStep === frameSize ? "" : ` every ${tileStep}`}`,
    isWhole ? "" : ` of which each scan observes at least ${observedShareMin * 100} %`,
    wetShareMin === 0
      ? ""
      : `, sequences with rain on at least ${wetShareMin * 100} % of their pixels`,
    `, ${findings.split}`,
    ...leftOutWords(findings),
  ].join("");
}

/** What was measured, and by which relation it becomes rain. */
function contentWords({ content, product, relationTold, calibration }: RadarFrame): string {
  const { a, b } = calibration.relation;
  const origin = relationTold
    ? "told by the files"
    : product === "ODIM"
    ? "Marshall and Palmer's, the files tell none"
    : `${product}'s`;
  return `${content}, Z = ${a} R^${b} (${origin})`;
}

function leftOutWords(
  { notes, failures, repeats, loneScans, otherTimes }: RadarFindings,
): string[] {
  const words = notes.map((note) => `; ${note}`);
  if (failures.length > 0) {
    const files = failures.length === 1 ? "1 file" : `${failures.length} files`;
    words.push(`; left out ${files} that cannot be decoded, e.g.: ${failures[0].slice(0, 300)}`);
  }
  if (repeats.length > 0) {
    const files = repeats.length === 1 ? "1 file" : `${repeats.length} files`;
    const [leftOut, kept] = repeats[0];
    words.push(`; left out ${files} that repeat another, e.g. "${leftOut}" is "${kept}" again`);
  }
  if (loneScans > 0) {
    words.push(`; in no sequence are ${loneScans} scans without a neighbour in time`);
  }
  if (otherTimes.length > 0) {
    words.push(
      `; ${otherTimes.length} files say another time than their names, which are believed, e.g. ` +
        otherTimes[0],
    );
  }
  return words;
}
