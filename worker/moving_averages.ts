/**
 * Moving averages among a model's parameters, as batch normalization has them. They lie in the same
 * flat vector as what is trained: in the sum over all shards their places hold the shards' statistics,
 * each weighted by its share of the step's predictions, so that the sum is the step's mean, added in the
 * canonical order. The update moves the averages towards it and leaves them out of the optimizer. So
 * they have the same bits at any number of workers, and are hashed and saved with the rest.
 */
import { type Tensor, tf } from "../engine/tf.ts";
import type { Model } from "../models/model.ts";
import { sizeOf } from "./window_batch.ts";

export interface MovingAverages {
  /** [lanes, predictions]: 1 where a prediction has a weight. */
  counts(weights: Tensor): Tensor;
  /** The parameters that are trained. */
  trained(parameters: readonly Tensor[]): Tensor[];
  /** All parameters, with these in place of those that are trained. */
  withTrained(parameters: readonly Tensor[], trained: readonly Tensor[]): Tensor[];
  /**
   * What is summed over all shards, in the order of the parameters.
   * @param share of the shard in the step's predictions, a scalar
   */
  summands(
    gradients: readonly Tensor[],
    statistics: readonly Tensor[],
    share: Tensor,
  ): Tensor[];
  /** The flat sum with zeros in place of the statistics, for the optimizer. */
  gradient(sum: Tensor): Tensor;
  /** The flat parameters after the optimizer, with the averages moved. */
  moved(before: Tensor, after: Tensor, sum: Tensor): Tensor;
}

/** @returns undefined for a model that has none, which is computed as it is without this */
export function movingAverages({ parameters }: Model): MovingAverages | undefined {
  const isAverage = parameters.map(({ momentum }) => momentum !== undefined);
  if (!isAverage.includes(true)) return undefined;
  // A value for each element of the flat vector. It is made anew at each call: an engine that
  // records nothing asks for it at each step.
  const elements = (value: (momentum: number | undefined) => number) => {
    const values = new Float32Array(parameters.reduce((sum, { shape }) => sum + sizeOf(shape), 0));
    let offset = 0;
    for (const { shape, momentum } of parameters) {
      const end = offset + sizeOf(shape);
      values.fill(value(momentum), offset, end);
      offset = end;
    }
    return () => tf.tensor1d(values);
  };
  const keeping = elements((momentum) => momentum ?? 0);
  const isTrained = elements((momentum) => momentum === undefined ? 1 : 0);
  return {
    counts: (weights) => tf.cast(tf.greater(weights, 0), "float32"),
    trained: (all) => all.filter((_, index) => !isAverage[index]),
    withTrained(all, trained) {
      let next = 0;
      return all.map((each, index) => isAverage[index] ? each : trained[next++]);
    },
    summands(gradients, statistics, share) {
      let [nextGradient, nextStatistic] = [0, 0];
      return isAverage.map((is) =>
        is ? tf.mul(statistics[nextStatistic++], share) : gradients[nextGradient++]
      );
    },
    gradient: (sum) => tf.mul(sum, isTrained()),
    moved(before, after, sum) {
      const keeps = keeping();
      const moved = tf.add(tf.mul(before, keeps), tf.mul(sum, tf.sub(1, keeps)));
      return tf.where(tf.cast(isTrained(), "bool"), after, moved);
    },
  };
}
