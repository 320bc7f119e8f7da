/**
 * Subjects of chunks and credits. Each holds the name of its sender, so that a broker which lets
 * every worker publish below its own name alone vouches for it.
 */

export interface DataSubjects {
  /** Pieces of partial sums, for the rank that totals them. */
  partials(from: string, to: number): string;
  /** Totals for everybody. */
  totals(from: string): string;
  /** Totals that one rank has lost. */
  totalsAgain(from: string, to: number): string;
  /** What the sender holds of the chunks of one rank. */
  credits(from: string, to: number): string;
}

/**
 * @param prefix begins every subject of the run
 * @param life of its coordinator, where another one may have the same name
 */
export function dataSubjects(prefix: string, life?: string): DataSubjects {
  const own = life === undefined ? "" : `.${life}`;
  return {
    partials: (from, to) => `${prefix}.${from}${own}.reduce.${to}`,
    totals: (from) => `${prefix}.${from}${own}.total`,
    totalsAgain: (from, to) => `${prefix}.${from}${own}.total.${to}`,
    credits: (from, to) => `${prefix}.${from}${own}.credit.${to}`,
  };
}
