/**
 * Which chunk leaves next, and to whom: no rank is sent more than its window holds before it says
 * what it has had. Totals go before partials, for others need them to end the step, and what was lost
 * goes first. A total for everybody waits for the slowest of them; a partial only for its own rank.
 */
import type { Credit } from "./credit_message.ts";
import { headerBytesMax } from "./chunk_message.ts";
import { SendStream } from "./send_stream.ts";
import { chunkRange, type Slice } from "./slices.ts";

export interface OutgoingChunksOptions {
  readonly rank: number;
  readonly slices: readonly Slice[];
  readonly chunkElementsMax: number;
  /** The partials that we form. */
  readonly ownPartials: readonly number[];
  /** What may be under way to each other rank. */
  readonly windowBytes: number;
  readonly firstStep: number;
}

export interface OutgoingChunk {
  readonly kind: "partial" | "total";
  /** Undefined for everybody. */
  readonly to: number | undefined;
  readonly step: number;
  readonly sequence: number;
  readonly partial: number;
  readonly index: number;
}

/** The way to one other rank. */
interface Receiver {
  readonly rank: number;
  readonly stream: SendStream;
  /** Chunks of partials that it was sent for the first time. */
  cursor: number;
}

export class OutgoingChunks {
  readonly #options: OutgoingChunksOptions;
  /** From the next rank on, so that not all begin with the same one. */
  readonly #receivers: readonly Receiver[];
  /** Places in `ownPartials` of those that are formed, in the order in which they were. */
  readonly #formed: number[] = [];
  /** Chunks of our slice whose total is to be sent to everybody. */
  readonly #newTotals: number[] = [];
  #totalStep: number;
  #sequence = 0;
  /** Who gets a partial next. */
  #turn = 0;

  constructor(options: OutgoingChunksOptions) {
    const { rank, slices, ownPartials, windowBytes, firstStep } = options;
    this.#options = options;
    this.#totalStep = firstStep;
    this.#receivers = slices.slice(1).map((_, index) => {
      const to = (rank + 1 + index) % slices.length;
      const stream = new SendStream({
        partialChunks: ownPartials.length * slices[to].chunkCount,
        totalChunks: slices[rank].chunkCount,
        windowBytes,
        firstStep,
      });
      return { rank: to, stream, cursor: 0 };
    });
  }

  /** Some total has not been sent to everybody. */
  get hasNewTotals(): boolean {
    return this.#newTotals.length > 0;
  }

  /** The partials of the step before are of no use to anybody now; its totals still may be. */
  beginPartials(step: number): void {
    this.#formed.length = 0;
    for (const receiver of this.#receivers) {
      receiver.cursor = 0;
      receiver.stream.partials.begin(step);
    }
  }

  addPartial(partial: number): void {
    this.#formed.push(this.#options.ownPartials.indexOf(partial));
  }

  addTotal(step: number, index: number): void {
    if (step !== this.#totalStep) {
      this.#totalStep = step;
      for (const { stream } of this.#receivers) stream.totals.begin(step);
    }
    this.#newTotals.push(index);
  }

  /** What is to be sent now; it counts as sent. */
  next(): OutgoingChunk | undefined {
    return this.#lostTotal() ?? this.#newTotal() ?? this.#partial();
  }

  /** The last message to a rank. */
  lastSequence(to: number): number {
    return this.#streamOf(to).lastSequence;
  }

  /** Returns whether it says something new; undefined for nonsense. */
  credit(from: number, credit: Credit): boolean | undefined {
    return this.#streamOf(from).credit(credit);
  }

  /** Ranks whose windows are full while a total waits, and the bytes that they have not had. */
  blocking(): { rank: number; inFlightBytes: number }[] {
    if (!this.hasNewTotals) return [];
    const bytes = this.#messageBytes(this.#options.rank, this.#newTotals[0]);
    return this.#receivers
      .filter(({ stream }) => !stream.hasRoom(bytes))
      .map(({ rank, stream: { inFlightBytes } }) => ({ rank, inFlightBytes }));
  }

  #lostTotal(): OutgoingChunk | undefined {
    for (const { rank: to, stream } of this.#receivers) {
      const index = stream.totals.firstLost;
      if (index === undefined) continue;
      const bytes = this.#messageBytes(this.#options.rank, index);
      if (!stream.hasRoom(bytes)) continue;
      const sequence = ++this.#sequence;
      stream.noteSent(stream.totals, index, sequence, bytes);
      return { kind: "total", to, step: this.#totalStep, sequence, partial: 0, index };
    }
  }

  #newTotal(): OutgoingChunk | undefined {
    const index = this.#newTotals[0];
    if (index === undefined) return undefined;
    const bytes = this.#messageBytes(this.#options.rank, index);
    if (!this.#receivers.every(({ stream }) => stream.hasRoom(bytes))) return undefined;
    this.#newTotals.shift();
    const sequence = ++this.#sequence;
    for (const { stream } of this.#receivers) {
      stream.noteSent(stream.totals, index, sequence, bytes);
    }
    return { kind: "total", to: undefined, step: this.#totalStep, sequence, partial: 0, index };
  }

  /** Each chunk goes to every other rank in turn, so that all of them have work early. */
  #partial(): OutgoingChunk | undefined {
    const { ownPartials, slices } = this.#options;
    for (let i = 0; i < this.#receivers.length; i++) {
      const at = (this.#turn + i) % this.#receivers.length;
      const receiver = this.#receivers[at];
      const { rank: to, stream } = receiver;
      const { chunkCount } = slices[to];
      const lost = stream.partials.firstLost;
      const chunk = lost ?? this.#nextNew(receiver);
      if (chunk === undefined) continue;
      const index = chunk % chunkCount;
      const bytes = this.#messageBytes(to, index);
      if (!stream.hasRoom(bytes)) continue;
      if (lost === undefined) receiver.cursor++;
      this.#turn = (at + 1) % this.#receivers.length;
      const sequence = ++this.#sequence;
      stream.noteSent(stream.partials, chunk, sequence, bytes);
      const partial = ownPartials[Math.floor(chunk / chunkCount)];
      return { kind: "partial", to, step: stream.partials.step, sequence, partial, index };
    }
  }

  #nextNew({ rank, cursor }: Receiver): number | undefined {
    const { chunkCount } = this.#options.slices[rank];
    if (cursor >= this.#formed.length * chunkCount) return undefined;
    return this.#formed[Math.floor(cursor / chunkCount)] * chunkCount + cursor % chunkCount;
  }

  #messageBytes(owner: number, index: number): number {
    const { slices, chunkElementsMax } = this.#options;
    const { lo, hi } = chunkRange(slices[owner], index, chunkElementsMax);
    return 4 * (hi - lo) + headerBytesMax;
  }

  #streamOf(rank: number): SendStream {
    const { rank: own, slices } = this.#options;
    return this.#receivers[(rank - own - 1 + slices.length) % slices.length].stream;
  }
}
