/** Parts of a window's frames. */
import { type Tensor, tf } from "../engine/tf.ts";

/** Frames [start, start + count) of [lanes, frames, ...]. */
export function frameSpan(frames: Tensor, start: number, count: number): Tensor {
  const [lanes, , ...sides] = frames.shape;
  const none = sides.map(() => 0);
  return tf.slice(frames, [0, start, ...none], [lanes, count, ...sides]);
}

/** One frame of [lanes, frames, ...], repeated: [lanes, count, ...]. */
export function repeatFrame(frames: Tensor, at: number, count: number): Tensor {
  const frame = frameSpan(frames, at, 1);
  return tf.tile(frame, frame.shape.map((_, axis) => axis === 1 ? count : 1));
}
