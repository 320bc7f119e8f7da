/** Reads outside the catalogue are programming errors, the same in every dataset. */
import type { ReadRequest, SequenceEntry } from "./dataset.ts";

/**
 * The entry that a request reads from.
 * @throws {RangeError} if the sequence or its frames do not exist
 */
export function requestedEntry(
  entries: readonly SequenceEntry[],
  request: ReadRequest,
): SequenceEntry {
  const entry = entries[request.sequence];
  if (entry === undefined) {
    throw new RangeError(
      `Cannot read sequence ${request.sequence} of ${request.split}: ` +
        `it has ${entries.length} sequences`,
    );
  }
  const { offset, frames } = request;
  if (!(offset >= 0 && frames > 0 && offset + frames <= entry.frames)) {
    throw new RangeError(
      `Cannot read ${frames} frames at ${offset} of "${entry.id}": it has ${entry.frames} frames`,
    );
  }
  return entry;
}
