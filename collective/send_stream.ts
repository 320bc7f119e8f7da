/**
 * What one rank has been sent and which of it it holds, as far as its credits tell.
 *
 * Messages are numbered, and a broker keeps the order of each publisher: when the receiver has heard
 * of a message, those before it have come or never will. So a chunk is lost if it went with a message
 * up to the last one heard of and is not among those held, however slow the way is; nothing is sent
 * twice because time has passed. Where order is not kept a chunk may be sent once more than needed,
 * and is ignored there.
 */
import { Bitmap } from "./bitmap.ts";
import type { Credit } from "./credit_message.ts";

/** The chunks of one kind that one rank gets in a step. */
export class SentChunks {
  readonly #held: Bitmap;
  /** Number of the message that carried each chunk last; 0 while it is still to be sent. */
  readonly #sentAs: Float64Array;
  /** Each at most once: it is sent again before it can be lost again. */
  readonly #lost: number[] = [];
  #step: number;

  constructor(count: number, firstStep: number) {
    this.#held = new Bitmap(count);
    this.#sentAs = new Float64Array(count);
    this.#step = firstStep;
  }

  get step(): number {
    return this.#step;
  }

  /** Those of the step before are held by their receiver, or of no use to it any more. */
  begin(step: number): void {
    this.#step = step;
    this.#held.clear();
    this.#sentAs.fill(0);
    this.#lost.length = 0;
  }

  /** The first chunk that has to be sent again. */
  get firstLost(): number | undefined {
    while (this.#lost.length > 0 && this.#held.has(this.#lost[0])) this.#lost.shift();
    return this.#lost[0];
  }

  noteSent(chunk: number, sequence: number): void {
    this.#sentAs[chunk] = sequence;
    if (this.#lost[0] === chunk) this.#lost.shift();
  }

  /** @param step the one that the receiver waits for; of those before it holds everything */
  credit(step: number, bits: Uint8Array, heardSequence: number): void {
    if (step < this.#step) return;
    if (step > this.#step) {
      this.#lost.length = 0;
      this.#sentAs.fill(0);
      return;
    }
    this.#held.addAll(bits);
    for (const [chunk, sequence] of this.#sentAs.entries()) {
      if (sequence === 0 || sequence > heardSequence) continue;
      this.#sentAs[chunk] = 0;
      if (!this.#held.has(chunk)) this.#lost.push(chunk);
    }
  }

  /** Bytes that `bits` of these chunks take. */
  get bitBytes(): number {
    return this.#held.bytes.length;
  }
}

export interface SendStreamOptions {
  /** Our partials times the chunks of the receiver's slice. */
  readonly partialChunks: number;
  /** Chunks of our slice. */
  readonly totalChunks: number;
  /** What may be under way to the receiver. */
  readonly windowBytes: number;
  readonly firstStep: number;
}

export class SendStream {
  readonly partials: SentChunks;
  readonly totals: SentChunks;
  readonly #windowBytes: number;
  readonly #underWay: { readonly sequence: number; readonly bytes: number }[] = [];
  #inFlightBytes = 0;
  #lastSequence = 0;

  constructor({ partialChunks, totalChunks, windowBytes, firstStep }: SendStreamOptions) {
    this.partials = new SentChunks(partialChunks, firstStep);
    this.totals = new SentChunks(totalChunks, firstStep);
    this.#windowBytes = windowBytes;
  }

  /** Bytes of messages that the receiver has not been heard to have had, or to have missed. */
  get inFlightBytes(): number {
    return this.#inFlightBytes;
  }

  /** The last message to this receiver; 0 before the first. */
  get lastSequence(): number {
    return this.#lastSequence;
  }

  hasRoom(bytes: number): boolean {
    return this.#inFlightBytes + bytes <= this.#windowBytes;
  }

  noteSent(chunks: SentChunks, chunk: number, sequence: number, bytes: number): void {
    chunks.noteSent(chunk, sequence);
    this.#underWay.push({ sequence, bytes });
    this.#inFlightBytes += bytes;
    this.#lastSequence = sequence;
  }

  /** Returns whether something has come or is known to be lost since; undefined for nonsense. */
  credit(
    [, , , , heard, partialStep, partialBits, totalStep, totalBits]: Credit,
  ): boolean | undefined {
    if (heard > this.#lastSequence) return undefined;
    if (partialBits.length !== this.partials.bitBytes) return undefined;
    if (totalBits.length !== this.totals.bitBytes) return undefined;
    const before = this.#underWay.length;
    while (this.#underWay.length > 0 && this.#underWay[0].sequence <= heard) {
      this.#inFlightBytes -= this.#underWay.shift()!.bytes;
    }
    this.partials.credit(partialStep, partialBits, heard);
    this.totals.credit(totalStep, totalBits, heard);
    return this.#underWay.length < before;
  }
}
