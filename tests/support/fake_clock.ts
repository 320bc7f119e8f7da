/** Time that stands still until a test moves it. */
import type { Clock } from "../../net/clock.ts";

export class FakeClock implements Clock {
  #now = 0;
  #timers: { atMs: number; action: () => void }[] = [];

  get pendingCount(): number {
    return this.#timers.length;
  }

  nowMs(): number {
    return this.#now;
  }

  after(delayMs: number, action: () => void): () => void {
    const timer = { atMs: this.#now + delayMs, action };
    this.#timers.push(timer);
    return () => this.#timers = this.#timers.filter((each) => each !== timer);
  }

  /** Moves on by `ms` and runs what falls due, in order. */
  advance(ms: number): void {
    const until = this.#now + ms;
    for (;;) {
      const due = this.#timers.filter(({ atMs }) => atMs <= until);
      if (due.length === 0) break;
      const next = due.reduce((a, b) => b.atMs < a.atMs ? b : a);
      this.#timers = this.#timers.filter((each) => each !== next);
      this.#now = next.atMs;
      next.action();
    }
    this.#now = until;
  }
}
