/**
 * Time as an argument. Everything that waits takes a `Clock`, so that tests can run on virtual
 * time; this is the one file that reads the real clock or sets a real timer.
 */
export interface Clock {
  /** Milliseconds on a monotonic clock; only differences mean something. */
  nowMs(): number;
  /** Calls `action` once after `delayMs`; the returned function cancels it. */
  after(delayMs: number, action: () => void): () => void;
}

export const systemClock: Clock = {
  nowMs: () => performance.now(),
  after(delayMs, action) {
    const timer = setTimeout(action, delayMs);
    return () => clearTimeout(timer);
  },
};

/** The time of day in ISO 8601, for records that people read; nothing is decided by it. */
export function timeOfDay(): string {
  return new Date().toISOString();
}

/** Resolves after `delayMs` of the clock's time. */
export function delay(clock: Clock, delayMs: number): Promise<void> {
  return new Promise((resolve) => void clock.after(delayMs, resolve));
}
