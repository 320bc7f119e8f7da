/** Classes of pixels as numbers, which the scale of classes gives a colour each. */

/** The likeliest of each row of `classes` values: of one-hot answers the class itself. */
export function classMap(values: Float32Array, classes: number): Float32Array {
  return Float32Array.from({ length: values.length / classes }, (_, index) => {
    const row = values.subarray(index * classes, (index + 1) * classes);
    return row.indexOf(Math.max(...row));
  });
}
