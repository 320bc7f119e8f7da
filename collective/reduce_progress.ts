/**
 * What has come and what is missing in a step: the other ranks' partial sums of our slice, and the
 * totals of every slice. Partials may be those of the next step once our slice is totalled.
 */
import { Bitmap } from "./bitmap.ts";

export interface ReduceProgressOptions {
  readonly rank: number;
  /** Rank that forms each partial. */
  readonly partialRanks: readonly number[];
  /** Chunks of each rank's slice. */
  readonly chunkCounts: readonly number[];
}

export class ReduceProgress {
  readonly #rank: number;
  /** Chunks of our slice. */
  readonly #chunkCount: number;
  readonly #partialRanks: readonly number[];
  /** Place of each partial among those of its rank. */
  readonly #places: readonly number[];
  /** Chunks of our slice that have come from each other rank, one partial of it after the other. */
  readonly #partials: readonly Bitmap[];
  /** How many of the partials have come, for each chunk of our slice. */
  readonly #arrived: Uint16Array;
  readonly #foreignCount: number;
  /** Chunks whose total is here, for each rank's slice. */
  readonly #totals: readonly Bitmap[];
  #ownComplete = false;

  constructor({ rank, partialRanks, chunkCounts }: ReduceProgressOptions) {
    this.#rank = rank;
    this.#chunkCount = chunkCounts[rank];
    this.#partialRanks = partialRanks;
    this.#places = partialRanks.map((each, partial) =>
      partialRanks.slice(0, partial).filter((other) => other === each).length
    );
    this.#partials = chunkCounts.map((_, from) => {
      const partials = from === rank ? 0 : partialRanks.filter((each) => each === from).length;
      return new Bitmap(partials * this.#chunkCount);
    });
    this.#arrived = new Uint16Array(this.#chunkCount);
    this.#foreignCount = partialRanks.filter((each) => each !== rank).length;
    this.#totals = chunkCounts.map((count) => new Bitmap(count));
  }

  /** Every total is here. */
  get isDone(): boolean {
    return this.#totals.every((totals) => totals.isFull);
  }

  /** Our slice is totalled, so the next partials are those of the step after. */
  get isSliceDone(): boolean {
    return this.#totals[this.#rank].isFull;
  }

  /** Which chunks of our slice `rank` has sent, one of its partials after the other. */
  partialsFrom(rank: number): Bitmap {
    return this.#partials[rank];
  }

  /** Which totals `rank` has sent. */
  totalsFrom(rank: number): Bitmap {
    return this.#totals[rank];
  }

  /** Returns false for one that has come before. */
  addPartial(partial: number, chunk: number): boolean {
    if (!this.#partials[this.#partialRanks[partial]].add(this.#bitOf(partial, chunk))) return false;
    this.#arrived[chunk]++;
    return true;
  }

  /** The chunk before this one, which was sent first, has not come. */
  isAfterGap(partial: number, chunk: number): boolean {
    return chunk > 0 &&
      !this.#partials[this.#partialRanks[partial]].has(this.#bitOf(partial, chunk - 1));
  }

  /** All of our own partials are formed. */
  completeOwn(): void {
    this.#ownComplete = true;
  }

  /** All partials of a chunk are here, so that it can be combined. */
  isReady(chunk: number): boolean {
    return this.#ownComplete && this.#arrived[chunk] === this.#foreignCount;
  }

  /** Returns false for one that has come before. */
  addTotal(rank: number, chunk: number): boolean {
    if (!this.#totals[rank].add(chunk)) return false;
    if (rank === this.#rank && this.isSliceDone) {
      this.#ownComplete = false;
      this.#arrived.fill(0);
      for (const partials of this.#partials) partials.clear();
    }
    return true;
  }

  nextStep(): void {
    for (const totals of this.#totals) totals.clear();
    // A slice without chunks has not been through `addTotal`.
    this.#ownComplete = false;
  }

  /** Something of `rank` is missing: partials first, for totals wait on them. */
  isAwaited(rank: number): boolean {
    return rank !== this.#rank && !this.#awaitedFrom(rank).isFull;
  }

  /** Ranks whose chunks are missing, and how many came. */
  missing(): { ranks: number[]; words: string } {
    const ranks = [...this.#totals.keys()].filter((rank) => this.isAwaited(rank));
    const words = ranks.map((rank, i) => {
      const { count, length } = this.#awaitedFrom(rank);
      return i === 0
        ? `received ${count} of ${length} chunks from worker ${rank}`
        : `${count} of ${length} from worker ${rank}`;
    });
    return { ranks, words: words.join(", ") };
  }

  #awaitedFrom(rank: number): Bitmap {
    return this.isSliceDone ? this.#totals[rank] : this.#partials[rank];
  }

  #bitOf(partial: number, chunk: number): number {
    return this.#places[partial] * this.#chunkCount + chunk;
  }
}
