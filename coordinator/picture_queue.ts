/** Pictures that wait to be drawn, one after the other. */
import type { PictureRequest } from "../net/messages.ts";
import { picturedSequences } from "./pictured_sequences.ts";
import type { RunReport } from "./run_report.ts";

export interface PictureQueue {
  /**
   * Resolves when it is drawn.
   * @throws {RangeError} at once for what cannot be drawn, and where too many wait
   */
  draw(request: PictureRequest): Promise<void>;
}

/** A generation waits for its picture; of those that are over, so many may still be drawn. */
const picturesWaitingMax = 4;

/** @param take the vector of a name, as it was written */
export function createPictureQueue(
  report: Pick<RunReport, "picture">,
  take: (name: string) => Float32Array,
): PictureQueue {
  let drawing: Promise<void> = Promise.resolve();
  let picturesWaiting = 0;
  return {
    draw(request) {
      const sequences = picturedSequences(request, take);
      if (picturesWaiting >= picturesWaitingMax) {
        throw new RangeError(`${picturesWaiting} pictures are being drawn already`);
      }
      picturesWaiting++;
      // One after the other: each is drawn in a thread with memory of its own.
      const own = drawing.then(() =>
        report.picture(request.step, sequences, request.isLast, request.answers)
      )
        .finally(() => picturesWaiting--);
      drawing = own.catch(() => {});
      return own;
    },
  };
}
