/**
 * The way between a process and the broker, each direction of which may be blocked: what is on its way
 * without a connection that holds it then waits here.
 */
export class Link {
  upBlocked = false;
  downBlocked = false;
  /** Counts the blockages, to tell one that lasts from the next. */
  blockage = 0;
  readonly #late: (() => void)[] = [];
  readonly #untold: (() => void)[] = [];

  /** What a connection that has ended had sent arrives when the way is free. */
  arriveLate(action: () => void): void {
    if (this.upBlocked) this.#late.push(action);
    else action();
  }

  /** What the server says last is heard when the way is free, or when nobody waits for it any more. */
  tell(action: () => void): void {
    if (this.downBlocked) this.#untold.push(action);
    else action();
  }

  tellAll(): void {
    for (const action of this.#untold.splice(0)) action();
  }

  unblock(): void {
    this.upBlocked = this.downBlocked = false;
    this.blockage++;
    for (const action of this.#late.splice(0)) action();
    this.tellAll();
  }
}
