/** Does something again and again for as long as something is awaited. */
import type { Clock } from "../net/clock.ts";

/** Does something again and again for as long as something is awaited. */
export class RepeatingTimer {
  readonly #clock: Clock;
  readonly #intervalMs: number;
  readonly #action: () => void;
  #cancel: (() => void) | undefined;

  constructor(clock: Clock, intervalMs: number, action: () => void) {
    this.#clock = clock;
    this.#intervalMs = intervalMs;
    this.#action = action;
  }

  start(): void {
    this.#cancel ??= this.#clock.after(this.#intervalMs, () => {
      this.#cancel = undefined;
      this.start();
      this.#action();
    });
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }
}
