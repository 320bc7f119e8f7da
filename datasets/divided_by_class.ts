/**
 * A split of each class on its own, so that every class is in every split: folders come in the order
 * of their names, and without it the last 10 % of all sequences would be of the last class alone.
 */
import type { Split } from "./dataset.ts";
import { orAllForTest, splitRanges } from "./split_ranges.ts";

interface Classed {
  readonly className?: string;
}

/**
 * The first 80 % of each class train, in their order; one of each class after the other.
 * @param what names the sequences in errors, e.g. "images"
 * @throws {DatasetError} if there are fewer than 3 of a class
 */
export function dividedByClass<T extends Classed>(
  all: readonly T[],
  what: string,
  path: string,
): Readonly<Record<Split, T[]>> {
  const parts: Record<Split, T[]> = { train: [], validation: [], test: [] };
  for (const ofClass of byClass(all)) {
    const { className } = ofClass[0];
    const of = className === undefined ? "" : `of class "${className}" `;
    const ranges = splitRanges(ofClass.length, `the ${what} ${of}in "${path}"`, orAllForTest);
    for (const split of Object.keys(parts) as Split[]) {
      parts[split].push(...ofClass.slice(...ranges[split]));
    }
  }
  return {
    train: classesInTurn(parts.train),
    validation: classesInTurn(parts.validation),
    test: classesInTurn(parts.test),
  };
}

/** One of each class after the other, so that the first few show them all. */
export function classesInTurn<T extends Classed>(all: readonly T[]): T[] {
  const classes = byClass(all);
  const most = classes.reduce((most, { length }) => Math.max(most, length), 0);
  return Array.from({ length: most }, (_, index) => index)
    .flatMap((index) => classes.flatMap((some) => some.slice(index, index + 1)));
}

function byClass<T extends Classed>(all: readonly T[]): T[][] {
  return [...Map.groupBy(all, ({ className }) => className).values()];
}
