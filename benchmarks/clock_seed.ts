/**
 * Which seed a search for faults begins with unless it is told: another one each time, so that seeds
 * that nobody has tried come up. It is printed, and given by its flag it gives the same faults again.
 */
import { timeOfDay } from "../net/clock.ts";

/** Leaves room below 2 ** 32 for the seeds that follow it. */
const clockSeedMax = 4_000_000_000;

/** @param time in ISO 8601 */
export function clockSeed(time: string = timeOfDay()): number {
  return Date.parse(time) % clockSeedMax;
}
