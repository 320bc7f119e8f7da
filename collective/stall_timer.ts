/**
 * Notices that nothing new has come for a while. One timer at a time, set again only when it runs
 * out, because progress is noted for every chunk.
 */
import type { Clock } from "../net/clock.ts";

export class StallTimer {
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #onStall: () => void;
  #progressAtMs = 0;
  #cancel: (() => void) | undefined;

  constructor(clock: Clock, timeoutMs: number, onStall: () => void) {
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
    this.#onStall = onStall;
  }

  start(): void {
    this.#progressAtMs = this.#clock.nowMs();
    this.#wait(this.#timeoutMs);
  }

  /** For how long nothing new has come; undefined while nobody waits. */
  get silentMs(): number | undefined {
    return this.#cancel && this.#clock.nowMs() - this.#progressAtMs;
  }

  noteProgress(): void {
    if (this.#cancel !== undefined) this.#progressAtMs = this.#clock.nowMs();
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #wait(delayMs: number): void {
    this.#cancel = this.#clock.after(delayMs, () => {
      const leftMs = this.#progressAtMs + this.#timeoutMs - this.#clock.nowMs();
      if (leftMs > 0) {
        this.#wait(leftMs);
      } else {
        this.#cancel = undefined;
        this.#onStall();
      }
    });
  }
}
