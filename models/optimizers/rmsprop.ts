/** RMSProp (Tieleman and Hinton 2012), not centered, with Keras' momentum and place of epsilon. */
import { tf } from "../../engine/tf.ts";
import { noBiasCorrection, type Optimizer } from "./optimizer.ts";

const RHO = 0.9;
const EPSILON = 1e-7;

/** @param momentum 0 for none, which then needs no slot of its own */
export function rmsProp(momentum: number): Optimizer {
  return {
    name: "rmsprop",
    slots: ["rmsprop/meanSquare", ...(momentum === 0 ? [] : ["rmsprop/velocity"])],
    biasCorrection: noBiasCorrection,
    update(parameters, [meanSquare, velocity], gradient, { learningRate }) {
      const newMeanSquare = tf.add(
        tf.mul(meanSquare, RHO),
        tf.mul(tf.square(gradient), 1 - RHO),
      );
      const root = tf.sqrt(tf.add(newMeanSquare, EPSILON));
      const step = tf.div(tf.mul(gradient, learningRate), root);
      if (velocity === undefined) {
        return { parameters: tf.sub(parameters, step), slots: [newMeanSquare] };
      }
      const newVelocity = tf.add(tf.mul(velocity, momentum), step);
      return { parameters: tf.sub(parameters, newVelocity), slots: [newMeanSquare, newVelocity] };
    },
  };
}
