/**
 * What goes wrong in a chaos run, and when: a seeded deck of faults dealt over the run's steps, so
 * that the same seed gives the same faults at the same places, whatever the machine's speed.
 */
import { random } from "../net/random.ts";
import type { Direction } from "./faulty_proxy.ts";

export type FaultKind =
  | "kill worker"
  | "stop worker"
  | "kill coordinator"
  | "kill broker"
  | "stop broker"
  | "partition"
  | "cut"
  | "slow link"
  | "join"
  | "leave";

export interface Fault {
  readonly kind: FaultKind;
  /** Comes once this step is applied, and this much later: in the middle of a step. */
  readonly step: number;
  readonly delayMs: number;
  /** Picks the victim among those who are there: a fraction of 1. */
  readonly victim: number;
  /** For faults that pass. */
  readonly durationMs: number;
  readonly directions: readonly Direction[];
}

/** One deck, dealt again and again: 25 faults. */
const deck: readonly (readonly [FaultKind, number])[] = [
  ["kill worker", 7],
  ["stop worker", 3],
  ["kill coordinator", 2],
  ["kill broker", 2],
  ["stop broker", 1],
  ["partition", 3],
  ["cut", 2],
  ["slow link", 1],
  ["join", 2],
  ["leave", 2],
];

const cuts: readonly (readonly Direction[])[] = [
  ["toServer", "toClient"],
  ["toServer"],
  ["toClient"],
];

const delayMsMax = 150;
/** Longer than a silent worker is waited for, so that it comes back as one that was given up. */
const durationMsMin = 3_000;
const durationMsMax = 5_000;

/** @param stepsApart from one fault to the next */
export function planFaults(count: number, seed: number, stepsApart: number): Fault[] {
  const faults: Fault[] = [];
  for (let round = 0; faults.length < count; round++) {
    const draw = random(seed, "chaos", round);
    const kinds = draw.shuffle(deck.flatMap(([kind, times]) => Array<FaultKind>(times).fill(kind)));
    for (const kind of kinds.slice(0, count - faults.length)) {
      faults.push({
        kind,
        step: (faults.length + 1) * stepsApart,
        delayMs: draw.integer(delayMsMax),
        victim: draw.uniform(),
        durationMs: durationMsMin + draw.integer(durationMsMax - durationMsMin),
        directions: cuts[draw.integer(cuts.length)],
      });
    }
  }
  return faults;
}
