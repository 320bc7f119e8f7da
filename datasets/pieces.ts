/**
 * Long work as a generator that yields between pieces of some milliseconds: whoever has nobody to answer
 * does it at once, and others with pauses in between. The result is the same.
 */
export type Pieces<T> = Generator<void, T>;

/** Sequences, or their windows, in a piece. */
export const pieceItems = 16_384;

export function atOnce<T>(pieces: Pieces<T>): T {
  for (;;) {
    const { done, value } = pieces.next();
    if (done) return value;
  }
}

/** @param pause awaited between pieces; not at all where there is one */
export async function inTurns<T>(pieces: Pieces<T>, pause: () => Promise<void>): Promise<T> {
  for (;;) {
    const { done, value } = pieces.next();
    if (done) return value;
    await pause();
  }
}
