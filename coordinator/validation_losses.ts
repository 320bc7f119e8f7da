/** The losses of a validation, from the sums that each worker has of its shards. */
import type { ValidationRequest, ValidationResult } from "../net/messages.ts";

type ShardSums = ValidationRequest["shards"][number];

/** @returns undefined where a worker was stopped before its shards were done */
export function meanLosses(
  workers: readonly (readonly ShardSums[])[],
): Omit<ValidationResult, "step" | "epoch"> | undefined {
  // A stop came in between, and there is no loss to tell.
  if (workers.some((shards) => shards.length === 0)) return undefined;
  // In shard order, so that the sum has the same bits whoever computed which shard.
  const shards = workers.flat().sort((a, b) => a.shard - b.shard);
  const sum = (read: (shard: ShardSums) => number) =>
    shards.reduce((total, shard) => total + read(shard), 0);
  const weight = sum((shard) => shard.weightSum);
  const mean = (read: (shard: ShardSums) => number | undefined, divisor = weight) =>
    shards.every((shard) => read(shard) !== undefined)
      ? sum((shard) => read(shard)!) / divisor
      : undefined;
  // The weight is 0 where no last frame and its truth were both observed anywhere.
  const repeatedWeight = sum((shard) => shard.persistenceWeightSum ?? shard.weightSum);
  const persistenceLoss = repeatedWeight === 0
    ? undefined
    : mean((shard) => shard.persistenceSum, repeatedWeight);
  const accuracy = mean((shard) => shard.correctSum);
  return {
    validationLoss: sum((shard) => shard.lossSum) / weight,
    ...(persistenceLoss === undefined ? {} : { persistenceLoss }),
    ...(accuracy === undefined ? {} : { accuracy }),
  };
}
