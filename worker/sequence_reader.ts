/** Frames and answers of one sequence of a split, as a predictor asks for them. */
import type { Dataset, ReadRequest, Split } from "../datasets/dataset.ts";
import type { SequenceSpan } from "./sequence_predictor.ts";

/** @param sequence its place in the split's catalogue */
export function sequenceReader(
  { dataset, split }: { readonly dataset: Dataset; readonly split: Split },
  sequence: number,
): (offset: number, frames: number) => Promise<SequenceSpan> {
  return async (offset, frames) => {
    const request: ReadRequest = { split, epoch: 0, sequence, offset, frames };
    const [read, targets] = await Promise.all([
      dataset.read(request),
      dataset.readTargets?.(request),
    ]);
    return { frames: read, ...(targets ? { targets } : {}) };
  };
}
