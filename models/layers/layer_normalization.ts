/** Layer normalization (Ba, Kiros and Hinton 2016), as Keras' LayerNormalization. */
import { tf } from "../../engine/tf.ts";
import type { Layer } from "./layer.ts";

export interface LayerNormalizationOptions {
  readonly name: string;
  /** Sides of the axes that are normalized together: the last ones of the input. */
  readonly shape: readonly number[];
  /** 1e-3 in Keras, 1e-5 in PyTorch. @default {1e-3} */
  readonly epsilon?: number;
}

/** Mean 0 and variance 1 over the last axes of each example, then scaled and shifted. */
export function layerNormalization(
  { name, shape, epsilon = 1e-3 }: LayerNormalizationOptions,
): Layer {
  return {
    parameters: [
      { name: `${name}/scale`, shape, initial: "ones" },
      { name: `${name}/offset`, shape, initial: "zeros" },
    ],
    apply([scale, offset], input) {
      const axes = shape.map((_, index) => input.rank - shape.length + index);
      const centred = tf.sub(input, tf.mean(input, axes, true));
      const variance = tf.mean(tf.square(centred), axes, true);
      const normal = tf.mul(centred, tf.rsqrt(tf.add(variance, epsilon)));
      return tf.add(tf.mul(normal, scale), offset);
    },
  };
}
