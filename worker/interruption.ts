/**
 * What may end everything that waits: a newer generation, the end of the run, a lost connection. A
 * promise would keep a reaction of every wait until it settles, and a generation may last for
 * millions of them; here, who has stopped waiting is forgotten.
 */
export class Interruption {
  readonly #listeners = new Set<(reason: Error) => void>();
  #reason: Error | undefined;

  /** Undefined for as long as nothing has happened. */
  get reason(): Error | undefined {
    return this.#reason;
  }

  /** The first reason is the one that counts. */
  interrupt(reason: Error): void {
    if (this.#reason) return;
    this.#reason = reason;
    const listeners = [...this.#listeners];
    this.#listeners.clear();
    for (const listener of listeners) listener(reason);
  }

  /** Calls `listener` once, at once where it has happened; the returned function takes it back. */
  onInterrupt(listener: (reason: Error) => void): () => void {
    if (this.#reason) listener(this.#reason);
    else this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Waits for `work`. @throws {Error} the reason, as soon as there is one */
  async race<T>(work: Promise<T>): Promise<T> {
    const { promise, reject } = Promise.withResolvers<never>();
    const forget = this.onInterrupt(reject);
    try {
      return await Promise.race([work, promise]);
    } finally {
      forget();
    }
  }
}
