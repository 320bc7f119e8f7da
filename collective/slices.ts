/**
 * Who totals which part of the gradient, and how the parts are cut into messages. Every rank
 * derives the same numbers from (elements, ranks, chunk length), so none of them is sent.
 */

export interface Slice {
  /** First element. */
  readonly lo: number;
  /** Element after the last one; may equal `lo`. */
  readonly hi: number;
  readonly chunkCount: number;
}

/** A range of elements. */
export interface Range {
  readonly lo: number;
  readonly hi: number;
}

/** Slice of each rank: contiguous and even to one element. */
export function sliceElements(elements: number, ranks: number, chunkElementsMax: number): Slice[] {
  return Array.from({ length: ranks }, (_, rank) => {
    const lo = Math.floor((elements * rank) / ranks);
    const hi = Math.floor((elements * (rank + 1)) / ranks);
    return { lo, hi, chunkCount: Math.ceil((hi - lo) / chunkElementsMax) };
  });
}

/** Elements of chunk `index` of a slice. */
export function chunkRange(slice: Slice, index: number, chunkElementsMax: number): Range {
  const lo = slice.lo + index * chunkElementsMax;
  return { lo, hi: Math.min(lo + chunkElementsMax, slice.hi) };
}
