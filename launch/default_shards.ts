/**
 * Into how many shards lanes are cut where nobody says. Shards are the units that workers share: with
 * few of them few workers can take part, and each one more costs a call.
 */
import type { RunConfiguration } from "../net/run_configuration.ts";
import type { GivenFlags } from "./flags.ts";

/** Enough for a handful of workers, and not so many that calls cost more than they bring. */
const wanted = { min: 4, max: 12 } as const;
/** More shards than wanted are still better than too few, up to this many. */
const shardsMax = 128;

/**
 * The most shards up to 12 that divide the lanes; where there are fewer than 4 of those, as for prime
 * numbers of lanes, the fewest above 12.
 */
export function defaultShards(lanes: number): number {
  const divides = (shards: number) => lanes % shards === 0;
  const ascending = Array.from({ length: Math.min(lanes, shardsMax) }, (_, index) => index + 1);
  const few = ascending.slice(0, wanted.max).findLast(divides)!;
  if (few >= wanted.min) return few;
  return ascending.slice(wanted.max).find(divides) ?? few;
}

/**
 * What a run's owner should know of shards that nobody asked for, where few workers can share them.
 * @returns undefined where many can
 */
export function shardsWarning(given: GivenFlags, run: RunConfiguration): string | undefined {
  const { lanes, shards } = run;
  if (given.shards !== undefined || shards >= Math.min(lanes, wanted.min)) return undefined;
  const near = Math.ceil(lanes / wanted.max) * wanted.max;
  const [cut, most] = shards === 1 ? ["shard", "worker"] : ["shards", "workers"];
  return `${lanes} lanes divide into ${shards} equal ${cut} only, so no more than ${shards} ` +
    `${most} can share them; --lanes ${near} would make ${defaultShards(near)}`;
}
