/**
 * Adam (Kingma and Ba 2015, algorithm 1) and AdamW (Loshchilov and Hutter 2019), which first shrinks
 * the parameters by learning rate × weight decay.
 *
 * Epsilon (1e-7, as Keras) is added to the corrected root of the second moment, as in the paper and
 * in PyTorch. Keras adds it before the correction: at step 1 that acts as an epsilon 32 times as
 * large, which shows where gradients are about 1e-6.
 */
import { type Tensor, tf } from "../../engine/tf.ts";
import type { Optimizer, OptimizerUpdate, UpdateScalars } from "./optimizer.ts";

const BETA1 = 0.9;
const BETA2 = 0.999;
const EPSILON = 1e-7;

export const adam: Optimizer = {
  name: "adam",
  slots: ["adam/m", "adam/v"],
  biasCorrection: adamBiasCorrection,
  update: adamUpdate,
};

/** @param weightDecay for each step, times the learning rate, on all parameters */
export function adamW(weightDecay: number): Optimizer {
  return {
    name: "adamw",
    slots: ["adamw/m", "adamw/v"],
    biasCorrection: adamBiasCorrection,
    update(parameters, slots, gradient, scalars) {
      const kept = tf.sub(1, tf.mul(scalars.learningRate, weightDecay));
      return adamUpdate(tf.mul(parameters, kept), slots, gradient, scalars);
    },
  };
}

function adamBiasCorrection(step: number): [number, number] {
  return [1 - BETA1 ** step, Math.sqrt(1 - BETA2 ** step)];
}

function adamUpdate(
  parameters: Tensor,
  [m, v]: readonly Tensor[],
  gradient: Tensor,
  { learningRate, biasCorrection }: UpdateScalars,
): OptimizerUpdate {
  const newM = tf.add(m, tf.mul(tf.sub(gradient, m), 1 - BETA1));
  const newV = tf.add(v, tf.mul(tf.sub(tf.square(gradient), v), 1 - BETA2));
  const [first, second] = tf.split(biasCorrection, 2);
  const denominator = tf.add(tf.div(tf.sqrt(newV), second), EPSILON);
  const step = tf.div(tf.mul(newM, tf.div(learningRate, first)), denominator);
  return { parameters: tf.sub(parameters, step), slots: [newM, newV] };
}
