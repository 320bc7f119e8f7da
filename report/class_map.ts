/** Classes of pixels as numbers, which the scale of classes gives a colour each. */

/**
 * The likeliest of each row of `classes` values: of one-hot answers the class itself, and NaN where it
 * is not known.
 */
export function classMap(values: Float32Array, classes: number): Float32Array {
  return Float32Array.from({ length: values.length / classes }, (_, index) => {
    const row = values.subarray(index * classes, (index + 1) * classes);
    const likeliest = row.indexOf(Math.max(...row));
    return likeliest < 0 ? NaN : likeliest;
  });
}
