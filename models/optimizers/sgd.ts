/** Stochastic gradient descent, with momentum as Keras has it: the learning rate is in the velocity. */
import { tf } from "../../engine/tf.ts";
import { noBiasCorrection, type Optimizer } from "./optimizer.ts";

/** @param momentum 0 for none, which then needs no slot */
export function sgd(momentum: number): Optimizer {
  return {
    name: "sgd",
    slots: momentum === 0 ? [] : ["sgd/velocity"],
    biasCorrection: noBiasCorrection,
    update(parameters, [velocity], gradient, { learningRate }) {
      const step = tf.mul(gradient, learningRate);
      if (velocity === undefined) return { parameters: tf.sub(parameters, step), slots: [] };
      const newVelocity = tf.sub(tf.mul(velocity, momentum), step);
      return { parameters: tf.add(parameters, newVelocity), slots: [newVelocity] };
    },
  };
}
