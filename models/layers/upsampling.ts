/** Images enlarged by a whole factor; as Keras' UpSampling2D. */
import { type Tensor, tf } from "../../engine/tf.ts";
import { type Layer, stateless } from "./layer.ts";

export type Interpolation = "nearest" | "bilinear";

/** [n, height, width, channels] to [n, height * factor, width * factor, channels]. */
export function upsampling2d(factor: number, interpolation: Interpolation = "nearest"): Layer {
  return stateless((input) => {
    const [, height, width] = input.shape;
    if (interpolation === "nearest") {
      const size: [number, number] = [height * factor, width * factor];
      return tf.image.resizeNearestNeighbor(input as tf.Tensor4D, size);
    }
    // Two matrix products: the gradient of tfjs-node's resizing drops `halfPixelCenters`.
    return stretchWidth(stretchHeight(input, factor), factor);
  });
}

function stretchHeight(input: Tensor, factor: number): Tensor {
  const [count, height, width, channels] = input.shape;
  const columns = tf.reshape(input, [count, height, width * channels]) as tf.Tensor3D;
  const weights = tf.tile(tf.expandDims(bilinearWeights(height, factor), 0), [count, 1, 1]);
  const stretched = tf.matMul(weights as tf.Tensor3D, columns);
  return tf.reshape(stretched, [count, height * factor, width, channels]);
}

function stretchWidth(input: Tensor, factor: number): Tensor {
  const [count, height, width, channels] = input.shape;
  const rows = tf.reshape(input, [count * height, width, channels]) as tf.Tensor3D;
  const weights = tf.tile(tf.expandDims(bilinearWeights(width, factor), 0), [count * height, 1, 1]);
  const stretched = tf.matMul(weights as tf.Tensor3D, rows);
  return tf.reshape(stretched, [count, height, width * factor, channels]);
}

/** [side * factor, side]: what each output pixel takes of each input pixel, centres at half pixels. */
function bilinearWeights(side: number, factor: number): Tensor {
  const weights = new Float32Array(side * factor * side);
  for (let output = 0; output < side * factor; output++) {
    const place = Math.min(Math.max((output + 0.5) / factor - 0.5, 0), side - 1);
    const before = Math.floor(place);
    const after = Math.min(before + 1, side - 1);
    weights[output * side + before] += 1 - (place - before);
    weights[output * side + after] += place - before;
  }
  return tf.tensor(weights, [side * factor, side]);
}
