/**
 * Reads that run ahead of their use, so that the trainer finds its windows ready. Bounded: reads
 * under way and reads waiting to be taken are together never more than `aheadMax`.
 */

export interface PrefetchOptions {
  /** Reads started and not yet taken, at most. */
  readonly aheadMax: number;
}

/**
 * Yields the results of `reads` in their order. The first reads start when the first result is
 * asked for; taking a result starts the next read. A failure is thrown in its turn, after the
 * results before it. When the consumer stops early, no further read starts, and stopping waits for
 * those under way, so that their files can be closed.
 * @throws {RangeError} if `aheadMax` is not a positive whole number
 */
export async function* prefetch<T>(
  reads: Iterable<() => Promise<T>>,
  { aheadMax }: PrefetchOptions,
): AsyncGenerator<T, void, undefined> {
  if (!Number.isSafeInteger(aheadMax) || aheadMax < 1) {
    throw new RangeError(`Cannot prefetch: aheadMax must be at least 1, found ${aheadMax}`);
  }
  const iterator = reads[Symbol.iterator]();
  const ahead: Promise<T>[] = [];
  let exhausted = false;
  const fill = () => {
    while (!exhausted && ahead.length < aheadMax) {
      const next = iterator.next();
      if (next.done) {
        exhausted = true;
        return;
      }
      const read = next.value;
      const result = (async () => await read())();
      // It is thrown in its turn; until then it must not count as unhandled.
      result.catch(() => {});
      ahead.push(result);
    }
  };
  try {
    fill();
    while (ahead.length > 0) {
      const result = await ahead[0];
      ahead.shift();
      fill();
      yield result;
    }
  } finally {
    if (!exhausted) iterator.return?.();
    await Promise.allSettled(ahead);
  }
}
