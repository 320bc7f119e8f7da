/**
 * The partial sums that one rank forms: each owned shard's gradient goes into the subtree that it
 * belongs to, and a subtree whose last shard came is ready to be sent.
 */
import { Bitmap } from "./bitmap.ts";
import type { Partial } from "./canonical_tree.ts";
import { BufferPool, SubtreeSum } from "./subtree_sum.ts";

export class OwnPartials {
  readonly #elements: number;
  readonly #partials: readonly Partial[];
  readonly #sums: readonly (SubtreeSum | undefined)[];
  readonly #added: Bitmap;
  readonly #ownedCount: number;

  constructor(
    { partials, rank, elements }: { partials: readonly Partial[]; rank: number; elements: number },
  ) {
    const pool = new BufferPool(elements);
    this.#elements = elements;
    this.#partials = partials;
    this.#sums = partials.map((partial) =>
      partial.rank === rank ? new SubtreeSum(partial, new Float32Array(elements), pool) : undefined
    );
    this.#added = new Bitmap(Math.max(...partials.map(({ hi }) => hi)));
    this.#ownedCount = partials
      .filter((partial) => partial.rank === rank)
      .reduce((count, { lo, hi }) => count + hi - lo, 0);
  }

  /** Every owned shard has been added. */
  get isComplete(): boolean {
    return this.#added.count === this.#ownedCount;
  }

  get missingCount(): number {
    return this.#ownedCount - this.#added.count;
  }

  /** The sum of a partial, or undefined if another rank owns it. */
  sumOf(partial: number): Float32Array | undefined {
    return this.#sums[partial]?.result;
  }

  /** Returns the partial that this shard completes, if it does. */
  add(shard: number, values: Float32Array): number | undefined {
    const partial = this.#partials.findIndex(({ lo, hi }) => lo <= shard && shard < hi);
    const sum = this.#sums[partial];
    if (sum === undefined) throw new RangeError(`Cannot add shard ${shard}: it is not ours`);
    if (values.length !== this.#elements) {
      throw new RangeError(
        `Cannot add shard ${shard}: it has ${values.length} elements, expected ${this.#elements}`,
      );
    }
    if (!this.#added.add(shard)) throw new Error(`Cannot add shard ${shard} twice in one step`);
    sum.add(shard, values);
    return sum.isComplete ? partial : undefined;
  }

  /** Begins the next step. */
  clear(): void {
    for (const sum of this.#sums) sum?.clear();
    this.#added.clear();
  }
}
