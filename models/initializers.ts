/**
 * Initial weights, drawn in JavaScript from named streams: the same on every machine and engine.
 * Glorot & Bengio 2010 (uniform) for kernels and orthogonal (Saxe et al. 2014) for recurrent
 * kernels, as Keras' ConvLSTM2D has them.
 */
import type { Random } from "../net/random.ts";

/**
 * Uniform in ±sqrt(6 / (fanIn + fanOut)); for a kernel [height, width, in, out] the fans count the
 * receptive field.
 */
export function glorotUniform(shape: readonly number[], stream: Random): Float32Array {
  const size = shape.reduce((product, side) => product * side, 1);
  const [inputs, outputs] = shape.slice(-2);
  const field = size / (inputs * outputs);
  const limit = Math.sqrt(6 / (field * (inputs + outputs)));
  return Float32Array.from({ length: size }, () => (2 * stream.uniform() - 1) * limit);
}

/**
 * A kernel whose matrix [product of the leading sides, last side] has orthonormal columns, or
 * orthonormal rows where it is wider than tall.
 */
export function orthogonal(shape: readonly number[], stream: Random): Float32Array {
  const columns = shape[shape.length - 1];
  const rows = shape.slice(0, -1).reduce((product, side) => product * side, 1);
  const [count, length] = rows >= columns ? [columns, rows] : [rows, columns];
  const vectors: Float64Array[] = [];
  while (vectors.length < count) {
    const vector = Float64Array.from({ length }, () => stream.normal());
    // Gram-Schmidt twice is enough for orthogonality to rounding (Giraud et al. 2005).
    for (let pass = 0; pass < 2; pass++) {
      for (const other of vectors) {
        const projection = dot(vector, other);
        for (let i = 0; i < length; i++) vector[i] -= projection * other[i];
      }
    }
    const norm = Math.sqrt(dot(vector, vector));
    vectors.push(vector.map((value) => value / norm));
  }
  const kernel = new Float32Array(rows * columns);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      kernel[row * columns + column] = rows >= columns
        ? vectors[column][row]
        : vectors[row][column];
    }
  }
  return kernel;
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}
