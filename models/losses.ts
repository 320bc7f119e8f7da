/**
 * Losses as sums: a step's loss is sum(weight × error) over all lanes of all shards, and its divisor
 * is known from the plan. So a shard needs no knowledge of the others, and padded frames (weight 0)
 * bias nothing. Where targets may be missing, the divisor is a sum over the shards as the loss is.
 */
import { hkoRelation, valueOfRainRate } from "../datasets/radar_scale.ts";
import { type Tensor, tf } from "../engine/tf.ts";
import type { LossName } from "../net/run_configuration.ts";
import type { ModelOutput } from "./model.ts";

/** Minimized where neither the run nor the model names another. */
export const defaultLoss: LossName = "mse";

/**
 * @throws {RangeError} where the loss is of classes and there are none along the answers' last axis:
 * the softmax of a single number is 1, which is never wrong
 */
export function requireLossFits(loss: LossName, outputShape: readonly number[]): void {
  const classes = outputShape.at(-1) ?? 1;
  if (loss !== "cross-entropy" || classes > 1) return;
  throw new RangeError(
    `Cannot use the loss cross-entropy for answers of shape [${outputShape.join(", ")}]: it ` +
      "compares classes along the last axis, and there is 1; give --loss bce for values in [0, 1]",
  );
}

/** How far the cross-entropies keep predictions from 0 and 1, as Keras. */
const CLIP_EPSILON = 1e-7;

/**
 * Errors that add up to one prediction's: one for each of its values, or for each of its classes'
 * distributions. With it a step's divisor is sum(weight) × this.
 */
export function errorsPerPrediction(loss: LossName, outputShape: readonly number[]): number {
  const counted = loss === "cross-entropy" ? outputShape.slice(0, -1) : outputShape;
  return counted.reduce((product, side) => product * side, 1);
}

/**
 * The sum over all predictions of weight × error, where a prediction's error is summed over all its
 * values: squared difference (`mse`), absolute difference (`mae`), binary cross-entropy in nats with
 * predictions clipped to [1e-7, 1 - 1e-7] (`bce`), or the cross-entropy of the classes along the last
 * axis in nats, with probabilities made to add up to 1 and clipped likewise (`cross-entropy`), as in
 * Keras 3; or of rain, squared and absolute difference weighted by how hard it rains (`balanced`).
 * @param predictions [lanes, predictions, ...outputShape]
 * @param targets of the same shape
 * @param weights [lanes, predictions]
 * @param penalty [lanes, predictions], added to each prediction's error
 * @param observed of the targets' shape, 1 where one counts and 0 where not; a penalty counts where
 *   any of its prediction's targets does
 * @returns a scalar
 */
export function lossSum(
  loss: LossName,
  predictions: Tensor,
  targets: Tensor,
  weights: Tensor,
  penalty?: Tensor,
  observed?: Tensor,
): Tensor {
  const all = errors[loss](predictions, targets);
  if (!observed) return weightedSum(penalty ? tf.add(summed(all), penalty) : summed(all), weights);
  const counts = countedErrors(loss, observed);
  const error = summed(tf.mul(all, counts));
  if (!penalty) return weightedSum(error, weights);
  return weightedSum(tf.add(error, tf.mul(penalty, tf.minimum(summed(counts), 1))), weights);
}

/**
 * What sums of observed errors are divided by: the sum of weight × errors that count, of each
 * prediction. Where all of them count, this is the weight × `errorsPerPrediction`.
 * @returns [lanes, predictions]
 */
export function weightedCounts(loss: LossName, observed: Tensor, weights: Tensor): Tensor {
  return tf.mul(summed(countedErrors(loss, observed)), weights);
}

/** 1 for each error that counts: a class distribution does where all of it is known. */
function countedErrors(loss: LossName, observed: Tensor): Tensor {
  return loss === "cross-entropy" ? tf.min(observed, -1) : observed;
}

/** [lanes, predictions, ...] to [lanes, predictions]. */
function summed(all: Tensor): Tensor {
  const axes = all.shape.map((_, axis) => axis).slice(2);
  return axes.length === 0 ? all : tf.sum(all, axes);
}

function weightedSum(values: Tensor, weights: Tensor): Tensor {
  return tf.sum(tf.mul(values, weights));
}

type Trained = Pick<ModelOutput, "predictions" | "penalty" | "besides">;

/**
 * What training minimizes: `lossSum` of the predictions and of what the model says besides, so that
 * the mean is one over both. Those have the mean weight of the lane's predictions.
 * @returns a scalar
 */
export function trainingLossSum(
  loss: LossName,
  output: Trained,
  targets: Tensor,
  weights: Tensor,
  observed?: Tensor,
): Tensor {
  const { predictions, penalty, besides } = output;
  if (!besides) return lossSum(loss, predictions, targets, weights, penalty, observed);
  const { shared, ofEach } = dividedWeights(output, weights);
  return tf.add(
    lossSum(loss, predictions, targets, shared, penalty, observed),
    lossSum(
      ...[loss, besides.predictions, besides.targets, ofEach] as const,
      ...[undefined, besides.observed] as const,
    ),
  );
}

/** As `weightedCounts`, of all that `trainingLossSum` adds up: [lanes, predictions and besides]. */
export function trainingCounts(
  loss: LossName,
  output: Trained,
  observed: Tensor,
  weights: Tensor,
): Tensor {
  if (!output.besides) return weightedCounts(loss, observed, weights);
  const { shared, ofEach } = dividedWeights(output, weights);
  return tf.concat([
    weightedCounts(loss, observed, shared),
    weightedCounts(loss, output.besides.observed!, ofEach),
  ], 1);
}

/** Weights of the predictions, `shared`, and of each prediction besides these, `ofEach`. */
function dividedWeights({ predictions, besides }: Trained, weights: Tensor) {
  const [count, more] = [predictions.shape[1]!, besides!.predictions.shape[1]!];
  const shared = tf.mul(weights, count / (count + more));
  return { shared, ofEach: tf.tile(tf.mean(shared, 1, true), [1, more]) };
}

/**
 * The sum of weight × answers whose likeliest class is the true one, for predictions with classes
 * along the last axis.
 * @returns a scalar
 */
export function correctSum(
  predictions: Tensor,
  targets: Tensor,
  weights: Tensor,
  observed?: Tensor,
): Tensor {
  const isCorrect = tf.cast(
    tf.equal(tf.argMax(predictions, -1), tf.argMax(targets, -1)),
    "float32",
  );
  const counted = observed ? tf.mul(isCorrect, tf.min(observed, -1)) : isCorrect;
  return weightedSum(summed(counted), weights);
}

const errors: { readonly [loss in LossName]: (predictions: Tensor, targets: Tensor) => Tensor } = {
  mse: (predictions, targets) => tf.squaredDifference(predictions, targets),
  mae: (predictions, targets) => absolute(tf.sub(predictions, targets)),
  bce: binaryCrossEntropy,
  "cross-entropy": categoricalCrossEntropy,
  balanced,
};

/**
 * HKO-7's B-MSE + B-MAE (X. Shi et al. 2017, section 3.3), for values in [0, 1] of -10 to 60 dBZ. Its
 * weights of 1, 2, 5, 10 and 30 begin at 0, 2, 5, 10 and 30 mm/h by its Z-R relation; at other places
 * the same reflectivity is another rate, but as rare.
 */
function balanced(predictions: Tensor, targets: Tensor): Tensor {
  const difference = tf.sub(predictions, targets);
  const error = tf.add(absolute(difference), tf.square(difference));
  let weight: Tensor = tf.onesLike(targets);
  for (const [value, more] of balancedSteps) {
    const isReached = tf.cast(tf.greaterEqual(targets, value), "float32");
    weight = tf.add(weight, tf.mul(isReached, more));
  }
  return tf.mul(weight, error);
}

/** From which value on, and how much it adds to the weight of what is below. */
const balancedSteps = ([[2, 1], [5, 3], [10, 5], [30, 20]] as const)
  .map(([rate, more]) => [valueOfRainRate(rate, hkoRelation), more] as const);

/** TensorFlow.js says that |x| falls with slope -1 at 0; PyTorch and TensorFlow take slope 0. */
const absolute = tf.customGrad((x, save) => {
  (save as tf.GradSaveFunc)([x as Tensor]);
  return {
    value: tf.abs(x as Tensor),
    gradFunc: (dy: Tensor, [saved]: Tensor[]) => tf.mul(dy, tf.sign(saved)),
  };
});

function binaryCrossEntropy(predictions: Tensor, targets: Tensor): Tensor {
  const clipped = tf.clipByValue(predictions, CLIP_EPSILON, 1 - CLIP_EPSILON);
  const ones = tf.mul(targets, tf.log(clipped));
  const zeros = tf.mul(tf.sub(1, targets), tf.log(tf.sub(1, clipped)));
  return tf.neg(tf.add(ones, zeros));
}

function categoricalCrossEntropy(predictions: Tensor, targets: Tensor): Tensor {
  const shares = tf.div(predictions, tf.sum(predictions, -1, true));
  const clipped = tf.clipByValue(shares, CLIP_EPSILON, 1 - CLIP_EPSILON);
  return tf.neg(tf.sum(tf.mul(targets, tf.log(clipped)), -1));
}
