/**
 * A broker in virtual time that does to messages what the all-reduce must get over: loses them,
 * delivers them twice, late, out of order, or as slowly as a thin line to one receiver does.
 */
import type { Clock } from "../../net/clock.ts";
import type { Random } from "../../net/random.ts";
import { subjectMatches } from "../../net/subjects.ts";
import type { Message, Subscription, Transport } from "../../net/transport.ts";
import { VirtualTime } from "../simulation/virtual_time.ts";

export interface NetworkOptions {
  readonly draw: Random;
  /** Share of the deliveries that never happen. */
  readonly lossShare?: number;
  /** Share of the deliveries that happen twice. */
  readonly duplicateShare?: number;
  /** Mean time of a delivery. */
  readonly delayMs?: number;
  /** Whether messages of one publisher may overtake each other. */
  readonly reorders?: boolean;
  /** Decides on single messages: false for one that is lost. */
  readonly passes?: (message: Envelope) => boolean;
  /** What each receiver's line carries. */
  readonly bytesPerMs?: (rank: number) => number;
}

export interface Envelope {
  readonly from: number;
  readonly to: number;
  readonly subject: string;
  readonly data: Uint8Array;
}

interface Interest {
  readonly rank: number;
  readonly pattern: string;
  readonly callback: (message: Message) => void;
}

export class LossyNetwork {
  readonly time = new VirtualTime();
  readonly clock: Clock = {
    nowMs: () => this.time.nowMs,
    after: (delayMs, action) => this.time.after(delayMs, action),
  };
  readonly published: {
    readonly from: number;
    readonly subject: string;
    readonly bytes: number;
  }[] = [];
  /** Most bytes ever on their way from one rank to another, by "from>to". */
  readonly underWayMax = new Map<string, number>();
  readonly #underWay = new Map<string, number>();
  readonly #options: NetworkOptions;
  readonly #interests = new Set<Interest>();
  readonly #lastArrivalMs = new Map<string, number>();
  readonly #lineFreeMs = new Map<number, number>();

  constructor(options: NetworkOptions) {
    this.#options = options;
  }

  connect(rank: number): Transport {
    return {
      payloadBytesMax: 1 << 20,
      closed: new Promise(() => {}),
      publish: (subject, data) => this.#publish(rank, subject, data),
      subscribe: (pattern, callback): Subscription => {
        const interest = { rank, pattern, callback };
        this.#interests.add(interest);
        return { unsubscribe: () => this.#interests.delete(interest) };
      },
      request: () => Promise.reject(new Error("Nobody asks here")),
      flush: () => new Promise((resolve) => this.time.after(0.1, resolve)),
      close: () => Promise.resolve(),
    };
  }

  /** Lets time pass until all of `promises` are settled, or nothing happens any more. */
  async run<T>(promises: readonly Promise<T>[], untilMs = 10_000_000): Promise<T[]> {
    let isOver = false;
    const all = Promise.all(promises).finally(() => isOver = true);
    all.catch(() => {});
    await this.pass(untilMs, () => isOver);
    if (!isOver) throw new Error(`Nothing happens any more at ${this.time.nowMs} ms`);
    return await all;
  }

  /** Lets time pass. Virtual time has to be driven from a task of the event loop. */
  async pass(untilMs: number, isOver = () => false): Promise<void> {
    await new Promise<void>((resolve) =>
      setTimeout(() => {
        this.time.run(untilMs, isOver);
        resolve();
      }, 0)
    );
  }

  #publish(from: number, subject: string, data: Uint8Array): void {
    this.published.push({ from, subject, bytes: data.length });
    for (const interest of this.#interests) {
      if (interest.rank === from || !subjectMatches(interest.pattern, subject)) continue;
      this.#deliver(interest, { from, to: interest.rank, subject, data: data.slice() });
    }
  }

  #deliver(interest: Interest, envelope: Envelope): void {
    const { draw, lossShare = 0, duplicateShare = 0, passes = () => true } = this.#options;
    const isLost = draw.uniform() < lossShare || !passes(envelope);
    const copies = draw.uniform() < duplicateShare ? 2 : 1;
    for (let copy = 0; copy < copies; copy++) {
      const atMs = this.#arrivalMs(envelope);
      this.#count(envelope, envelope.data.length);
      this.time.after(atMs - this.time.nowMs, () => {
        this.#count(envelope, -envelope.data.length);
        if (isLost || !this.#interests.has(interest)) return;
        const data = envelope.data.slice();
        interest.callback({ subject: envelope.subject, data, respond: () => {} });
        // It was valid during the callback only.
        data.fill(0xa5);
      });
    }
  }

  #arrivalMs({ from, to, data }: Envelope): number {
    const { draw, delayMs = 1, reorders = false, bytesPerMs } = this.#options;
    let atMs = this.time.nowMs - Math.log(1 - draw.uniform()) * delayMs;
    if (reorders) return atMs;
    const way = `${from}>${to}`;
    atMs = Math.max(atMs, this.#lastArrivalMs.get(way) ?? 0);
    if (bytesPerMs !== undefined) {
      atMs = Math.max(atMs, this.#lineFreeMs.get(to) ?? 0) + data.length / bytesPerMs(to);
      this.#lineFreeMs.set(to, atMs);
    }
    this.#lastArrivalMs.set(way, atMs);
    return atMs;
  }

  #count({ from, to }: Envelope, bytes: number): void {
    const way = `${from}>${to}`;
    const underWay = (this.#underWay.get(way) ?? 0) + bytes;
    this.#underWay.set(way, underWay);
    this.underWayMax.set(way, Math.max(underWay, this.underWayMax.get(way) ?? 0));
  }
}
