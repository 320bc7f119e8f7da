/**
 * What a run is to do after a worker was killed: take its next step soon. It is said at the end and
 * fails nothing, for a machine with other work on it decides it too.
 */
import { percentile } from "./turns.ts";

/** From the kill to the next step of the run, at the 95th percentile of all kills. */
export const nextStepMsMax = 3_000;

export interface KillTarget {
  readonly nextStepMsMax: number;
  /** Kills that the run had to go back for; who stands by is missed by nobody. */
  readonly kills: number;
  /** Null where there were none. */
  readonly nextStepP95Ms: number | null;
  readonly isMet: boolean | null;
}

/** @param nextStepMs of each kill; null where the run had not to go back for it */
export function judgeKills(nextStepMs: readonly (number | null)[]): KillTarget {
  const found = nextStepMs.filter((ms) => ms !== null);
  const nextStepP95Ms = found.length === 0 ? null : percentile(found, 0.95);
  const isMet = nextStepP95Ms === null ? null : nextStepP95Ms <= nextStepMsMax;
  return { nextStepMsMax, kills: found.length, nextStepP95Ms, isMet };
}

export function targetInWords({ nextStepMsMax, kills, nextStepP95Ms, isMet }: KillTarget): string {
  const wanted = `the next step within ${nextStepMsMax / 1000} s of a worker's kill at the p95`;
  if (nextStepP95Ms === null) return `Target not measured, ${wanted}: no kill was timed`;
  return `Target ${isMet ? "met" : "missed"}, ${wanted}: ` +
    `${(nextStepP95Ms / 1000).toFixed(2)} s over ${kills} ${kills === 1 ? "kill" : "kills"}`;
}
