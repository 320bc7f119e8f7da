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
  readonly #partialRanks: readonly number[];
  /** Chunks of our slice that have come, for each partial of another rank. */
  readonly #partials: readonly Bitmap[];
  /** How many of those partials have come, for each chunk of our slice. */
  readonly #arrived: Uint16Array;
  readonly #foreignCount: number;
  /** Chunks whose total is here, for each rank's slice. */
  readonly #totals: readonly Bitmap[];
  #ownComplete = false;

  constructor({ rank, partialRanks, chunkCounts }: ReduceProgressOptions) {
    this.#rank = rank;
    this.#partialRanks = partialRanks;
    this.#partials = partialRanks.map(() => new Bitmap(chunkCounts[rank]));
    this.#arrived = new Uint16Array(chunkCounts[rank]);
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

  /** Returns false for one that has come before. */
  addPartial(partial: number, chunk: number): boolean {
    if (!this.#partials[partial].add(chunk)) return false;
    this.#arrived[chunk]++;
    return true;
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
      for (const partial of this.#partials) partial.clear();
    }
    return true;
  }

  nextStep(): void {
    for (const totals of this.#totals) totals.clear();
    // A slice without chunks has not been through `addTotal`.
    this.#ownComplete = false;
  }

  /** Ranks whose chunks are missing, and how many came: partials first, for totals wait on them. */
  missing(): { ranks: number[]; words: string } {
    const late: { rank: number; received: number; expected: number }[] = [];
    for (const rank of this.#totals.keys()) {
      if (rank === this.#rank) continue;
      const awaited = this.isSliceDone
        ? [this.#totals[rank]]
        : this.#partials.filter((_, partial) => this.#partialRanks[partial] === rank);
      const received = awaited.reduce((sum, { count }) => sum + count, 0);
      const expected = awaited.reduce((sum, { length }) => sum + length, 0);
      if (received < expected) late.push({ rank, received, expected });
    }
    const words = late.map(({ rank, received, expected }, i) =>
      i === 0
        ? `received ${received} of ${expected} chunks from worker ${rank}`
        : `${received} of ${expected} from worker ${rank}`
    );
    return { ranks: late.map(({ rank }) => rank), words: words.join(", ") };
  }
}
