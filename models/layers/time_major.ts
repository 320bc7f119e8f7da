/**
 * Sequences as recurrent layers read them: all lanes of the first frame, then of the second, so that
 * a frame is one run of rows.
 */
import { type Tensor, tf } from "../../engine/tf.ts";

/** [lanes, frames, ...] to [frames * lanes, ...]. */
export function toTimeMajor(sequences: Tensor): Tensor {
  const [lanes, frames, ...sides] = sequences.shape;
  return tf.reshape(swap(sequences), [frames * lanes, ...sides]);
}

/** [frames * lanes, ...] to [lanes, frames, ...]. */
export function toLaneMajor(rows: Tensor, lanes: number): Tensor {
  const [count, ...sides] = rows.shape;
  return swap(tf.reshape(rows, [count / lanes, lanes, ...sides]));
}

/** [a, b, ...] to [b, a, ...]. */
function swap(tensor: Tensor): Tensor {
  const [first, second, ...sides] = tensor.shape;
  // Where one of the sides is 1 the numbers lie as they should.
  if (first === 1 || second === 1) return tf.reshape(tensor, [second, first, ...sides]);
  return tf.transpose(tensor, [1, 0, ...sides.map((_, axis) => axis + 2)]);
}
