/** What an evaluation comes to: the sums of its shards, each divided by the weight of all. */
import type { ShardLoss } from "./opened_run.ts";

export interface MeanLosses {
  readonly loss: number;
  /**
   * Loss of repeating the last frame; left out where the model forecasts nothing, or where no last
   * frame and its truth were both observed.
   */
  readonly persistenceLoss?: number;
  /** Share of answers whose class is right; left out where there are no classes. */
  readonly accuracy?: number;
}

/** In the order of the shards, as a run's coordinator adds them. */
export function meanLosses(shards: readonly ShardLoss[]): MeanLosses {
  const sum = (read: (shard: ShardLoss) => number) =>
    shards.reduce((total, shard) => total + read(shard), 0);
  const weight = sum((shard) => shard.weightSum);
  const has = (name: "persistenceSum" | "correctSum") =>
    shards.every((shard) => shard[name] !== undefined);
  const repeatedWeight = sum((shard) => shard.persistenceWeightSum ?? shard.weightSum);
  return {
    loss: sum((shard) => shard.lossSum) / weight,
    ...(has("persistenceSum") && repeatedWeight > 0
      ? { persistenceLoss: sum((shard) => shard.persistenceSum!) / repeatedWeight }
      : {}),
    ...(has("correctSum") ? { accuracy: sum((shard) => shard.correctSum!) / weight } : {}),
  };
}
