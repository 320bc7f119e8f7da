/**
 * Time that passes as fast as there is something to do. Events run in the order of their times and,
 * at the same time, in the order in which they were planned; after each one, everything that awaits
 * has its turn until nothing moves any more. So a simulation is a pure function of its seed.
 */
import type { Clock } from "../../net/clock.ts";

interface Event {
  readonly atMs: number;
  readonly order: number;
  action: (() => void) | undefined;
}

export class VirtualTime {
  #nowMs = 0;
  #order = 0;
  readonly #heap: Event[] = [];

  get nowMs(): number {
    return this.#nowMs;
  }

  /** Events so far. */
  get planned(): number {
    return this.#order;
  }

  /** Calls `action` once after `delayMs`; the returned function cancels it. */
  after(delayMs: number, action: () => void): () => void {
    const event: Event = {
      atMs: this.#nowMs + Math.max(0, delayMs),
      order: this.#order++,
      action,
    };
    this.#push(event);
    return () => event.action = undefined;
  }

  /**
   * Runs events until `isOver` says so, nothing is left, or `untilMs` has come. To be called from
   * a task of the event loop, never from within a promise's reaction.
   */
  run(untilMs: number, isOver: () => boolean): void {
    runMicrotasks();
    while (!isOver()) {
      const event = this.#heap[0];
      if (event === undefined || event.atMs > untilMs) {
        this.#nowMs = Math.max(this.#nowMs, untilMs);
        return;
      }
      this.#pop();
      if (event.action === undefined) continue;
      this.#nowMs = event.atMs;
      event.action();
      runMicrotasks();
    }
  }

  #push(event: Event): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(event);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(event, heap[parent])) break;
      heap[at] = heap[parent];
      at = parent;
    }
    heap[at] = event;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1], heap[child])) child++;
      if (!isBefore(heap[child], last)) break;
      heap[at] = heap[child];
      at = child;
    }
    heap[at] = last;
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}

/** Runs all promise reactions that are due, and those that follow from them, before it returns. */
export const runMicrotasks: () => void = (() => {
  const { internal } = Deno as unknown as { readonly internal: symbol };
  const { core } = (Deno as unknown as Record<symbol, { core: { runMicrotasks: () => void } }>)[
    internal
  ];
  return core.runMicrotasks;
})();

/**
 * One process: its events happen only while it lives, and late when it was frozen. A frozen one
 * (SIGSTOP) hears and does nothing, while its connections stay open and fill.
 */
export class SimulatedProcess implements Clock {
  readonly name: string;
  readonly #time: VirtualTime;
  /** Monotonic clocks of different processes have nothing in common. */
  readonly #originMs: number;
  /** Milliseconds of its clock for one of true time. */
  readonly #rate: number;
  #isAlive = true;
  #isFrozen = false;
  readonly #deferred: (() => void)[] = [];
  readonly #onKilled: (() => void)[] = [];

  constructor(name: string, time: VirtualTime, { originMs = 0, rate = 1 } = {}) {
    this.name = name;
    this.#time = time;
    this.#originMs = originMs;
    this.#rate = rate;
  }

  get isAlive(): boolean {
    return this.#isAlive;
  }

  get isFrozen(): boolean {
    return this.#isFrozen;
  }

  nowMs(): number {
    return this.#time.nowMs * this.#rate + this.#originMs;
  }

  after(delayMs: number, action: () => void): () => void {
    let isWanted = true;
    const cancel = this.#time.after(delayMs / this.#rate, () => {
      this.enter(() => {
        if (isWanted) action();
      });
    });
    return () => {
      isWanted = false;
      cancel();
    };
  }

  /** Does something in this process, once it runs. */
  enter(action: () => void): void {
    if (!this.#isAlive) return;
    if (this.#isFrozen) this.#deferred.push(action);
    else action();
  }

  onKilled(action: () => void): void {
    this.#onKilled.push(action);
  }

  /** SIGKILL, or its own end: nothing of it happens any more. */
  kill(): void {
    if (!this.#isAlive) return;
    this.#isAlive = false;
    this.#deferred.length = 0;
    for (const action of this.#onKilled) action();
  }

  freeze(): void {
    this.#isFrozen = true;
  }

  thaw(): void {
    if (!this.#isFrozen) return;
    this.#isFrozen = false;
    for (const action of this.#deferred.splice(0)) {
      this.#time.after(0, () => this.enter(action));
    }
  }
}
