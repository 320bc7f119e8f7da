/** Whether the seeds have drawn every fault often enough to have shown something. */
import { ambushActions, ambushSubjects, faultKinds } from "./scenario.ts";
import { journalPoints } from "./simulated_machine.ts";

/** So many seeds must have seen each fault so many times. */
export const seedsForCoverage = 1000;
export const faultCountMin = 10;

/** Each fault by the name that it is counted under. */
export const faultPoints: readonly string[] = [
  ...faultKinds,
  ...journalPoints.map((point) => `journal: ${point}`),
  ...ambushActions.map((action) => `ambush: ${action}`),
  ...ambushSubjects.map((subject) => `at ${subject}`),
  // What the network does because of them, and by itself.
  "held",
  "stale",
  "lost",
  "lost gradient",
  "missed announcement",
  "duplicated",
  "overtaken",
  "publisher stalled",
  "slow consumer",
  "write deadline",
  "stuck disk operation",
  "operation on a full disk",
  "operation on a broken disk",
  "resumed after a failure of the disk",
  "garbage sender excluded",
  "step left out",
  "passing NaN",
  "went back for a step",
  "time of day jumped",
];

export function rareFaults(counts: Readonly<Record<string, number>>): string[] {
  return faultPoints.filter((what) => (counts[what] ?? 0) < faultCountMin);
}
