/**
 * Which class was taken for which, where frames or pixels are classified: one row for each true class,
 * one column for each predicted one. Tables of parts are added.
 */

export interface ConfusionTable {
  readonly classes: number;
  /** [true class, predicted class] */
  readonly counts: Float64Array;
}

export function emptyConfusion(classes: number): ConfusionTable {
  return { classes, counts: new Float64Array(classes * classes) };
}

/**
 * The most likely class against the true one, over all frames and pixels.
 * @param probabilities [..., classes]
 * @param truth one-hot, of the same shape; where it is 0 in every class, nothing is counted
 * @throws {RangeError} where the shapes differ
 */
export function countClasses(
  probabilities: Float32Array,
  truth: Float32Array,
  classes: number,
): ConfusionTable {
  if (probabilities.length !== truth.length || truth.length % classes !== 0) {
    throw new RangeError(
      `Cannot compare classes: ${probabilities.length} probabilities and ${truth.length} targets ` +
        `for ${classes} classes`,
    );
  }
  const table = emptyConfusion(classes);
  for (let start = 0; start < truth.length; start += classes) {
    const actual = indexOfLargest(truth, start, classes);
    if (!(truth[start + actual] > 0)) continue;
    table.counts[actual * classes + indexOfLargest(probabilities, start, classes)]++;
  }
  return table;
}

export function addConfusion(one: ConfusionTable, two: ConfusionTable): ConfusionTable {
  return { classes: one.classes, counts: one.counts.map((count, i) => count + two.counts[i]) };
}

export interface ClassScores {
  /** Share of what was classified rightly; null where nothing was. */
  readonly accuracy: number | null;
  /** For each class; null where it was never predicted, never true, or neither. */
  readonly precision: readonly (number | null)[];
  readonly recall: readonly (number | null)[];
  /** Intersection over union, as segmentations are scored. */
  readonly overlap: readonly (number | null)[];
}

export function classScores({ classes, counts }: ConfusionTable): ClassScores {
  const indices = Array.from({ length: classes }, (_, index) => index);
  const right = indices.map((index) => counts[index * classes + index]);
  const total = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0);
  const actual = indices.map((row) =>
    total(indices.map((column) => counts[row * classes + column]))
  );
  const predicted = indices.map((column) =>
    total(indices.map((row) => counts[row * classes + column]))
  );
  const quotient = (part: number, whole: number) => whole === 0 ? null : part / whole;
  return {
    accuracy: quotient(total(right), total(actual)),
    precision: indices.map((index) => quotient(right[index], predicted[index])),
    recall: indices.map((index) => quotient(right[index], actual[index])),
    overlap: indices.map((index) =>
      quotient(right[index], actual[index] + predicted[index] - right[index])
    ),
  };
}

function indexOfLargest(values: Float32Array, start: number, length: number): number {
  let largest = 0;
  for (let i = 1; i < length; i++) if (values[start + i] > values[start + largest]) largest = i;
  return largest;
}
