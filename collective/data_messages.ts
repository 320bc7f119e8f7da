/**
 * What the ranks of one generation send each other: encodes it, and passes on what comes once it is
 * seen to be whole, of this generation, and from the member that it claims to be from. Everything
 * else is counted and dropped. What is late or comes twice is nobody's fault; a member of which too
 * much comes that no sound one sends, as the broker vouches for its name, is told of and heard no more.
 */
import { bytesOf, encode } from "../net/codec.ts";
import { createStrikes } from "../net/strikes.ts";
import type { CheckedOptions } from "./all_reduce_options.ts";
import { type Chunk, type ChunkCodec, createChunkCodec } from "./chunk_message.ts";
import { createCreditCodec, type Credit, type CreditCodec } from "./credit_message.ts";
import { type DataSubjects, dataSubjects } from "./data_subjects.ts";
import { generationOf } from "./message_generation.ts";
import type { OutgoingChunk } from "./outgoing_chunks.ts";
import type { DroppedMessages } from "./reduction.ts";
import type { OutgoingMessage } from "./send_window.ts";

export type DropReason = keyof DroppedMessages;

/** Each says why it did not use what came, or nothing. */
export interface DataHandlers {
  partial(chunk: Chunk): DropReason | undefined;
  total(chunk: Chunk): DropReason | undefined;
  credit(credit: Credit): DropReason | undefined;
}

/** A credit without its generation and sender. */
export type CreditBody = Credit extends [number, number, ...infer Body] ? Body : never;

export class DataMessages {
  readonly dropped = { malformed: 0, generation: 0, sender: 0, step: 0, duplicate: 0 };
  readonly #options: CheckedOptions;
  readonly #subjects: DataSubjects;
  readonly #chunks: ChunkCodec;
  readonly #credits: CreditCodec;
  readonly #strikes = createStrikes();

  /**
   * @param creditChunksMax most chunks of one kind that a credit tells of
   * @throws {RangeError} if a credit is too long for the broker
   */
  constructor(options: CheckedOptions, creditChunksMax: number) {
    const { chunkBytesMax, subjectPrefix, life, transport, worldSize } = options;
    this.#options = options;
    this.#subjects = dataSubjects(subjectPrefix, life);
    this.#chunks = createChunkCodec(chunkBytesMax);
    this.#credits = createCreditCodec(creditChunksMax);
    const { bytesMax } = this.#credits;
    if (worldSize > 1 && bytesMax > transport.payloadBytesMax) {
      throw new RangeError(
        `Cannot send credits of ${bytesMax} bytes: the broker takes at most ${transport.payloadBytesMax} in one message; use longer chunks`,
      );
    }
  }

  /** Room that the longest chunk takes. */
  get bufferBytes(): number {
    return this.#chunks.bufferBytes;
  }

  /** Returns what ends it. */
  listen(handlers: DataHandlers): () => void {
    const { transport, rank, members } = this.#options;
    const { partials, totals, totalsAgain, credits } = this.#subjects;
    // Each by its name: what anybody else sends costs the broker, and no member of the generation.
    const subscriptions = members.flatMap((from, sender) => {
      if (sender === rank) return [];
      const to = <M extends Chunk | Credit>(
        subject: string,
        decode: (data: Uint8Array) => M,
        use: (message: M) => DropReason | undefined,
      ) => transport.subscribe(subject, ({ data }) => this.#receive(sender, data, decode, use));
      return [
        to(partials(from, rank), this.#chunks.decode, handlers.partial),
        to(totals(from), this.#chunks.decode, handlers.total),
        to(totalsAgain(from, rank), this.#chunks.decode, handlers.total),
        to(credits(from, rank), this.#credits.decode, handlers.credit),
      ];
    });
    return () => {
      for (const subscription of subscriptions) subscription.unsubscribe();
    };
  }

  /** Into `buffer`. */
  chunk(
    buffer: Uint8Array,
    { kind, to, step, sequence, partial, index }: OutgoingChunk,
    values: Float32Array,
  ): OutgoingMessage {
    const { generation, rank, members } = this.#options;
    const header = [generation, rank, sequence, step, partial, index] as const;
    const data = this.#chunks.encode(buffer, [...header, bytesOf(values)]);
    const { partials, totals, totalsAgain } = this.#subjects;
    const name = members[rank];
    if (to === undefined) return { subject: totals(name), data };
    return { subject: kind === "total" ? totalsAgain(name, to) : partials(name, to), data };
  }

  /** In memory of its own, which is short. */
  credit(to: number, body: CreditBody): OutgoingMessage {
    const { generation, rank, members } = this.#options;
    const credit: Credit = [generation, rank, ...body];
    return { subject: this.#subjects.credits(members[rank], to), data: encode(credit) };
  }

  #receive<M extends Chunk | Credit>(
    sender: number,
    data: Uint8Array,
    decode: (data: Uint8Array) => M,
    use: (message: M) => DropReason | undefined,
  ): void {
    const { members, clock, onBadSender } = this.#options;
    const name = members[sender];
    const isOut = this.#strikes.whyOut(name) !== undefined;
    const reason = isOut ? "malformed" : this.#use(sender, data, decode, use);
    if (reason === undefined) return;
    this.dropped[reason]++;
    if (isOut || (reason !== "malformed" && reason !== "sender")) return;
    if (this.#strikes.add(name, clock.nowMs())) onBadSender(sender);
  }

  #use<M extends Chunk | Credit>(
    sender: number,
    data: Uint8Array,
    decode: (data: Uint8Array) => M,
    use: (message: M) => DropReason | undefined,
  ): DropReason | undefined {
    const { generation } = this.#options;
    let message: M;
    try {
      message = decode(data);
    } catch {
      // Of other members, other lengths are right.
      const other = generationOf(data);
      return other === undefined || other === generation ? "malformed" : "generation";
    }
    if (message[0] !== generation) return "generation";
    return message[1] === sender ? use(message) : "sender";
  }
}
