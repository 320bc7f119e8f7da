/**
 * The slice of elements that this rank totals: a place for each partial's part of it, in chunks. What
 * comes from others is put into memory for it; our own partials are used where they were summed. A
 * chunk's partials are combined in place, along the canonical tree.
 */
import { addInto, type TreePlan } from "./canonical_tree.ts";
import type { OwnPartials } from "./own_partials.ts";
import { chunkRange, type Slice } from "./slices.ts";

export class OwnSlice {
  readonly #plan: TreePlan;
  /** For each partial and chunk. */
  readonly #operands: readonly (readonly Float32Array[])[];

  constructor(
    { plan, slice, chunkElementsMax, own }: {
      plan: TreePlan;
      slice: Slice;
      chunkElementsMax: number;
      own: OwnPartials;
    },
  ) {
    this.#plan = plan;
    this.#operands = plan.partials.map((_, partial) => {
      const values = own.sumOf(partial)?.subarray(slice.lo, slice.hi) ??
        new Float32Array(slice.hi - slice.lo);
      return Array.from({ length: slice.chunkCount }, (_, index) => {
        const { lo, hi } = chunkRange(slice, index, chunkElementsMax);
        return values.subarray(lo - slice.lo, hi - slice.lo);
      });
    });
  }

  /** Where a chunk of a partial is put; undefined if there is no such chunk. */
  operand(partial: number, index: number): Float32Array | undefined {
    return this.#operands[partial][index];
  }

  /** The total of one chunk, whose partials are all here; valid until they are written again. */
  combine(index: number): Float32Array {
    for (const { left, right } of this.#plan.combinations) {
      addInto(this.#operands[left][index], this.#operands[right][index]);
    }
    return this.#operands[0][index];
  }
}
