/**
 * Square patches of an image as channels of a smaller one, and back (Shi et al. 2015, section 4;
 * TensorFlow's space_to_depth): 64×64×1 in patches of 4 is 16×16×16.
 */
import { type Tensor, tf } from "../../engine/tf.ts";

/**
 * [n, height, width, channels] to [n, height / size, width / size, size * size * channels], a
 * patch's pixels row by row, each with its channels.
 * @throws {RangeError} where the sides are no multiples of `size`
 */
export function imagesToPatches(images: Tensor, size: number): Tensor {
  if (size === 1) return images;
  const [count, height, width, channels] = images.shape;
  const [rows, columns] = patchGrid([height, width, channels], size);
  // [image and patch row, row in the patch, patch column, column in the patch with its channels]
  const cut = tf.reshape(images, [count * rows, size, columns, size * channels]);
  return tf.reshape(tf.transpose(cut, [0, 2, 1, 3]), [
    count,
    rows,
    columns,
    size * size * channels,
  ]);
}

/** The inverse of `imagesToPatches`. */
export function patchesToImages(patches: Tensor, size: number): Tensor {
  if (size === 1) return patches;
  const [count, rows, columns, depth] = patches.shape;
  const channels = depth / (size * size);
  const cut = tf.reshape(patches, [count * rows, columns, size, size * channels]);
  return tf.reshape(tf.transpose(cut, [0, 2, 1, 3]), [
    count,
    rows * size,
    columns * size,
    channels,
  ]);
}

/**
 * Shape of an image cut into patches: [rows, columns, size * size * channels].
 * @throws {RangeError} where the sides are no multiples of `size`
 */
export function patchGrid(
  [height, width, channels]: readonly [number, number, number],
  size: number,
): [number, number, number] {
  if (height % size !== 0 || width % size !== 0) {
    throw new RangeError(
      `Cannot cut ${height} × ${width} pixels into patches of ${size} × ${size}: both sides must ` +
        "be multiples of the patch",
    );
  }
  return [height / size, width / size, size * size * channels];
}
