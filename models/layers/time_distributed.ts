/** A layer applied to each frame of each lane by itself; as Keras' TimeDistributed. */
import { tf } from "../../engine/tf.ts";
import type { Layer } from "./layer.ts";

/** [lanes, frames, ...] to [lanes, frames, ...]: time is folded into the batch, and out again. */
export function timeDistributed(layer: Layer): Layer {
  return {
    parameters: layer.parameters,
    apply(parameters, input) {
      const [lanes, frames, ...sides] = input.shape;
      const output = layer.apply(parameters, tf.reshape(input, [lanes * frames, ...sides]));
      return tf.reshape(output, [lanes, frames, ...output.shape.slice(1)]);
    },
  };
}
