/**
 * Sums gradients over all ranks: every rank adds the gradients of the shards that it owns, and
 * every rank gets the same total, in the same bits whoever owns what.
 *
 *   add(shard, values) --> partial sums of whole subtrees              own_partials.ts
 *        partial chunk --> the rank that owns that slice of elements,  <prefix>.<name>.reduce.<rank>
 *   all partials there --> combined along the tree, chunk by chunk     canonical_tree.ts
 *          total chunk --> everybody at once,                          <prefix>.<name>.total
 *
 * A partial leaves as soon as its last shard is added, while later shards are being computed, and
 * a chunk's total leaves as soon as its last partial came. Chunks are copied from the message to
 * their place in the callback; all memory is there from the start.
 *
 * One set of buffers is enough although ranks run apart: a rank ends a step only when it holds the
 * totals of every slice. So whoever sends partials of the next step has had our whole slice, and
 * the partials that it was combined from are free; and no total of a step can come before we have
 * sent our own partials of it.
 */
import { bytesOf } from "../net/codec.ts";
import type { Message, TransportError } from "../net/transport.ts";
import { type AllReduceOptions, type CheckedOptions, checkOptions } from "./all_reduce_options.ts";
import { addInto, planTree, type TreePlan } from "./canonical_tree.ts";
import { type Chunk, type ChunkCodec, createChunkCodec } from "./chunk_message.ts";
import { anybody, type DataSubjects, dataSubjects } from "./data_subjects.ts";
import { OwnPartials } from "./own_partials.ts";
import { ReduceProgress } from "./reduce_progress.ts";
import {
  type AllReduce,
  AllReduceError,
  type DroppedMessages,
  type Reduction,
} from "./reduction.ts";
import { type OutgoingMessage, SendWindow } from "./send_window.ts";
import { chunkRange, type Slice, sliceElements } from "./slices.ts";
import { StallTimer } from "./stall_timer.ts";

/**
 * Allocates and subscribes; await `ready` before any rank begins. One rank alone never touches the
 * transport.
 *
 * @throws {RangeError} if the options contradict each other
 */
export function createAllReduce(options: AllReduceOptions): AllReduce {
  return new SlicedAllReduce(checkOptions(options));
}

type DropReason = keyof DroppedMessages;

class SlicedAllReduce implements AllReduce {
  readonly dropped = { malformed: 0, generation: 0, sender: 0, step: 0, duplicate: 0 };
  readonly #options: CheckedOptions;
  readonly #chunkElementsMax: number;
  readonly #subjects: DataSubjects;
  readonly #plan: TreePlan;
  readonly #slices: readonly Slice[];
  readonly #own: OwnPartials;
  /** For each partial and chunk of our slice: where it is put, and combined in place. */
  readonly #operands: readonly (readonly Float32Array[])[];
  readonly #total: Float32Array;
  readonly #progress: ReduceProgress;
  readonly #codec: ChunkCodec;
  readonly #window: SendWindow;
  readonly #stall: StallTimer;
  readonly #unsubscribe: () => void;
  /** Chunks of our slice whose total is to be sent. */
  readonly #totalsToSend: number[] = [];
  /** Own partials to be sent, and how far the first one is. */
  readonly #partialsToSend: number[] = [];
  #partialCursor = 0;
  #step: number;
  #result: PromiseWithResolvers<Float32Array> | undefined;
  #failure: AllReduceError | undefined;

  constructor(options: CheckedOptions) {
    const { rank, owners, elements, worldSize, clock, timeoutMs } = options;
    this.#options = options;
    this.#subjects = dataSubjects(options.subjectPrefix);
    this.#step = options.firstStep;
    this.#chunkElementsMax = Math.floor(options.chunkBytesMax / 4);
    this.#plan = planTree(owners);
    this.#slices = sliceElements(elements, worldSize, this.#chunkElementsMax);
    this.#own = new OwnPartials({ partials: this.#plan.partials, rank, elements });
    this.#operands = this.#plan.partials.map((_, partial) => this.#operandChunks(partial));
    this.#total = new Float32Array(elements);
    this.#progress = new ReduceProgress({
      rank,
      partialRanks: this.#plan.partials.map((partial) => partial.rank),
      chunkCounts: this.#slices.map(({ chunkCount }) => chunkCount),
    });
    this.#codec = createChunkCodec(this.#chunkElementsMax * 4);
    this.#window = new SendWindow({
      transport: options.transport,
      bufferBytes: this.#codec.bufferBytes,
      inFlightBytesMax: options.inFlightBytesMax,
      next: (buffer) => this.#nextTotal(buffer) ?? this.#nextPartial(buffer),
      onError: (cause) => this.#fail(cause.message, { cause }),
    });
    this.#stall = new StallTimer(clock, timeoutMs, () => this.#timeOut());
    this.#unsubscribe = worldSize === 1 ? () => {} : this.#listen();
  }

  async ready(): Promise<void> {
    if (this.#options.worldSize > 1) await this.#options.transport.flush();
  }

  begin(step: number): Reduction {
    if (this.#failure !== undefined) throw this.#failure;
    if (step !== this.#step || this.#result !== undefined) {
      const state = this.#result === undefined ? "comes next" : "is not finished";
      throw new RangeError(`Cannot begin step ${step}: step ${this.#step} ${state}`);
    }
    this.#own.clear();
    const result = Promise.withResolvers<Float32Array>();
    // A failure may come before anybody awaits the total.
    result.promise.catch(() => {});
    this.#result = result;
    return {
      add: (shard, values) => {
        if (this.#failure !== undefined) throw this.#failure;
        if (this.#step !== step) throw new Error(`Cannot add to step ${step}: it is finished`);
        this.#add(shard, values);
      },
      total: async () => {
        if (this.#result === result && !this.#own.isComplete) {
          throw new Error(
            `Cannot total step ${step}: ${this.#own.missingCount} shards to be added`,
          );
        }
        if (this.#result === result) this.#stall.start();
        return await result.promise;
      },
    };
  }

  close(): void {
    this.#fail("it was closed");
  }

  #add(shard: number, values: Float32Array): void {
    const partial = this.#own.add(shard, values);
    if (partial === undefined) return;
    if (this.#options.worldSize > 1) this.#partialsToSend.push(partial);
    if (this.#own.isComplete) {
      this.#progress.completeOwn();
      const { chunkCount } = this.#slices[this.#options.rank];
      for (let chunk = 0; chunk < chunkCount; chunk++) {
        if (this.#progress.isReady(chunk)) this.#combine(chunk);
      }
    }
    this.#window.pump();
    this.#finishIfDone();
  }

  #listen(): () => void {
    const { transport, rank } = this.#options;
    const subscriptions = [
      transport.subscribe(this.#subjects.partials(anybody, rank), (message) => {
        this.#receive(message, (chunk) => this.#receivePartial(chunk));
      }),
      transport.subscribe(this.#subjects.totals(anybody), (message) => {
        this.#receive(message, (chunk) => this.#receiveTotal(chunk));
      }),
    ];
    // The transport outlives us and keeps this callback: it must not keep our buffers as well.
    let onClosed: ((cause: TransportError | undefined) => void) | undefined = (cause) =>
      this.#fail(cause?.message ?? "the connection was closed", { cause });
    transport.closed.then((cause) => onClosed?.(cause));
    return () => {
      onClosed = undefined;
      for (const subscription of subscriptions) subscription.unsubscribe();
    };
  }

  #receive(
    { subject, data }: Message,
    use: (chunk: Chunk) => DropReason | undefined,
  ): void {
    if (this.#failure !== undefined) return;
    let chunk: Chunk;
    try {
      chunk = this.#codec.decode(data);
    } catch {
      this.dropped.malformed++;
      return;
    }
    const reason = this.#strangerOf(subject, chunk) ?? use(chunk);
    if (reason !== undefined) this.dropped[reason]++;
  }

  /** Why a message is not from one of us. */
  #strangerOf(subject: string, [generation, , sender]: Chunk): DropReason | undefined {
    if (generation !== this.#options.generation) return "generation";
    const name = this.#options.members[sender];
    return name === this.#subjects.senderOf(subject) ? undefined : "sender";
  }

  #receivePartial([, step, sender, partial, index, bytes]: Chunk): DropReason | undefined {
    if (step !== this.#step + (this.#progress.isSliceDone ? 1 : 0)) return "step";
    const owner = this.#plan.partials[partial]?.rank;
    if (owner !== sender || sender === this.#options.rank) return "sender";
    const target = this.#operands[partial][index];
    if (target?.byteLength !== bytes.length) return "malformed";
    if (!this.#progress.addPartial(partial, index)) return "duplicate";
    bytesOf(target).set(bytes);
    this.#stall.noteProgress();
    if (this.#progress.isReady(index)) {
      this.#combine(index);
      this.#window.pump();
      this.#finishIfDone();
    }
  }

  #receiveTotal([, step, sender, , index, bytes]: Chunk): DropReason | undefined {
    // Our own comes back where the connection echoes.
    if (sender === this.#options.rank) return undefined;
    if (step !== this.#step || this.#result === undefined) return "step";
    if (index >= this.#slices[sender].chunkCount) return "malformed";
    const target = this.#totalChunk(sender, index);
    if (target.byteLength !== bytes.length) return "malformed";
    if (!this.#progress.addTotal(sender, index)) return "duplicate";
    bytesOf(target).set(bytes);
    this.#stall.noteProgress();
    this.#finishIfDone();
  }

  /** Adds up one chunk of our slice, whose partials are all here. */
  #combine(index: number): void {
    for (const { left, right } of this.#plan.combinations) {
      addInto(this.#operands[left][index], this.#operands[right][index]);
    }
    this.#totalChunk(this.#options.rank, index).set(this.#operands[0][index]);
    this.#progress.addTotal(this.#options.rank, index);
    if (this.#options.worldSize > 1) this.#totalsToSend.push(index);
  }

  /** Totals go before partials: others need them to end the step. */
  #nextTotal(buffer: Uint8Array): OutgoingMessage | undefined {
    const { rank, members } = this.#options;
    const index = this.#totalsToSend.shift();
    if (index === undefined) return undefined;
    // Where the window was full, this may be all that the step has waited for.
    if (this.#totalsToSend.length === 0) queueMicrotask(() => this.#finishIfDone());
    return {
      subject: this.#subjects.totals(members[rank]),
      data: this.#encode(buffer, 0, index, this.#totalChunk(rank, index)),
    };
  }

  /** Each chunk goes to every other rank in turn, so that all of them have work early. */
  #nextPartial(buffer: Uint8Array): OutgoingMessage | undefined {
    const { rank, worldSize, members } = this.#options;
    // The last slice is one of the longest.
    const messages = this.#slices[worldSize - 1].chunkCount * (worldSize - 1);
    while (this.#partialsToSend.length > 0) {
      const partial = this.#partialsToSend[0];
      while (this.#partialCursor < messages) {
        const index = Math.floor(this.#partialCursor / (worldSize - 1));
        const to = (rank + 1 + (this.#partialCursor % (worldSize - 1))) % worldSize;
        this.#partialCursor++;
        if (index >= this.#slices[to].chunkCount) continue;
        const { lo, hi } = chunkRange(this.#slices[to], index, this.#chunkElementsMax);
        const values = this.#own.sumOf(partial)!.subarray(lo, hi);
        return {
          subject: this.#subjects.partials(members[rank], to),
          data: this.#encode(buffer, partial, index, values),
        };
      }
      this.#partialsToSend.shift();
      this.#partialCursor = 0;
    }
    return undefined;
  }

  #encode(buffer: Uint8Array, partial: number, index: number, values: Float32Array): Uint8Array {
    const { generation, rank } = this.#options;
    const header = [generation, this.#step, rank, partial, index] as const;
    return this.#codec.encode(buffer, [...header, bytesOf(values)]);
  }

  #finishIfDone(): void {
    if (this.#result === undefined || !this.#progress.isDone) return;
    if (this.#totalsToSend.length > 0 || !this.#own.isComplete) return;
    const { resolve } = this.#result;
    this.#result = undefined;
    this.#stall.stop();
    this.#progress.nextStep();
    this.#step++;
    resolve(this.#total);
  }

  #timeOut(): void {
    const { ranks, words } = this.#progress.missing();
    const why = words === "" ? "the broker did not take our totals" : words;
    this.#fail(`${why} within ${this.#options.timeoutMs} ms`, { missingRanks: ranks });
  }

  #fail(why: string, details: { missingRanks?: readonly number[]; cause?: unknown } = {}): void {
    if (this.#failure !== undefined) return;
    this.#failure = new AllReduceError(this.#step, why, details);
    this.#stall.stop();
    this.#window.stop();
    this.#unsubscribe();
    this.#result?.reject(this.#failure);
    this.#result = undefined;
  }

  #totalChunk(rank: number, index: number): Float32Array {
    const { lo, hi } = chunkRange(this.#slices[rank], index, this.#chunkElementsMax);
    return this.#total.subarray(lo, hi);
  }

  /** Our slice of a partial, in chunks: of our own sum in place, of another's in memory for it. */
  #operandChunks(partial: number): Float32Array[] {
    const slice = this.#slices[this.#options.rank];
    const own = this.#own.sumOf(partial);
    const values = own?.subarray(slice.lo, slice.hi) ?? new Float32Array(slice.hi - slice.lo);
    return Array.from({ length: slice.chunkCount }, (_, index) => {
      const { lo, hi } = chunkRange(slice, index, this.#chunkElementsMax);
      return values.subarray(lo - slice.lo, hi - slice.lo);
    });
  }
}
