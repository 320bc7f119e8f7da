/**
 * Subjects of the chunks. Each holds the name of its sender, so that a broker which lets every
 * worker publish below its own name alone vouches for it.
 */

export interface DataSubjects {
  /** Pieces of partial sums for one rank. */
  partials(from: string, to: number): string;
  /** Totals for everybody. */
  totals(from: string): string;
  /** Who speaks on `subject`, by its name. */
  senderOf(subject: string): string;
}

/** In place of a name: whoever it is. */
export const anybody = "*";

/** @param prefix begins every subject of the run */
export function dataSubjects(prefix: string): DataSubjects {
  return {
    partials: (from, to) => `${prefix}.${from}.reduce.${to}`,
    totals: (from) => `${prefix}.${from}.total`,
    senderOf(subject) {
      const start = prefix.length + 1;
      return subject.slice(start, subject.indexOf(".", start));
    },
  };
}
