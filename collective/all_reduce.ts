/**
 * Sums gradients over all ranks: every rank adds the gradients of the shards that it owns, and
 * every rank gets the same total, in the same bits whoever owns what.
 *
 *   add(shard, values) --> partial sums of whole subtrees              own_partials.ts
 *        partial chunk --> the rank that owns that slice of elements,  <prefix>.<name>.reduce.<rank>
 *   all partials there --> combined along the tree, chunk by chunk     canonical_tree.ts
 *          total chunk --> everybody at once,                          <prefix>.<name>.total
 *
 *             lost chunks --> sent again when a credit shows them,         outgoing_chunks.ts
 *                 credits --> who sent us chunks: which of them we hold,   <prefix>.<name>.credit.<rank>
 *
 * A partial leaves as soon as its last shard is added, while later shards are being computed, and
 * a chunk's total leaves as soon as its last partial came. Chunks are copied from the message to
 * their place in the callback; all memory is there from the start.
 *
 * One set of buffers is enough although ranks run apart and chunks may be sent again, because every
 * rank forms a partial and none can do without any:
 * - Whoever sends partials of the next step has ended this one, and so had our whole slice: the
 *   partials that it was combined from are free.
 * - We end a step only with the totals of every slice, whose owners have had all our partials by then:
 *   those need not be sent again, and the next step may overwrite them.
 * - Others may lack totals of ours when we go on to the next step. A chunk of them is overwritten
 *   when the next step's partials of it have come from every rank. Each of those has ended this step,
 *   and so lacks nothing.
 * - No total of a step can come before we have sent our own partials of it, so nothing is
 *   overwritten that the caller still reads.
 * What comes again or late is known by its step and the bit of its chunk, and dropped.
 */
import { bytesOf } from "../net/codec.ts";
import type { TransportError } from "../net/transport.ts";
import { type AllReduceOptions, type CheckedOptions, checkOptions } from "./all_reduce_options.ts";
import { planTree, type TreePlan } from "./canonical_tree.ts";
import { type Chunk, headerBytesMax } from "./chunk_message.ts";
import type { Credit } from "./credit_message.ts";
import { DataMessages, type DropReason } from "./data_messages.ts";
import { OutgoingChunks } from "./outgoing_chunks.ts";
import { OwedCredits } from "./owed_credits.ts";
import { OwnPartials } from "./own_partials.ts";
import { OwnSlice } from "./own_slice.ts";
import { ReduceProgress } from "./reduce_progress.ts";
import {
  type AllReduce,
  AllReduceError,
  type DroppedMessages,
  type Reduction,
  type Waiting,
} from "./reduction.ts";
import { type OutgoingMessage, SendWindow } from "./send_window.ts";
import { chunkRange, type Slice, sliceElements } from "./slices.ts";
import { RepeatingTimer } from "./repeating_timer.ts";
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

class SlicedAllReduce implements AllReduce {
  readonly #options: CheckedOptions;
  readonly #chunkElementsMax: number;
  readonly #plan: TreePlan;
  readonly #slices: readonly Slice[];
  readonly #own: OwnPartials;
  readonly #ownSlice: OwnSlice;
  readonly #total: Float32Array;
  readonly #progress: ReduceProgress;
  readonly #outgoing: OutgoingChunks;
  readonly #owed: OwedCredits;
  readonly #messages: DataMessages;
  readonly #window: SendWindow;
  readonly #stall: StallTimer;
  readonly #asking: RepeatingTimer;
  readonly #unsubscribe: () => void;
  #step: number;
  #result: PromiseWithResolvers<Float32Array> | undefined;
  #failure: AllReduceError | undefined;

  constructor(options: CheckedOptions) {
    const { rank, owners, elements, worldSize, windowBytes, firstStep, clock } = options;
    this.#options = options;
    this.#step = firstStep;
    this.#chunkElementsMax = Math.floor(options.chunkBytesMax / 4);
    this.#plan = planTree(owners);
    this.#slices = sliceElements(elements, worldSize, this.#chunkElementsMax);
    this.#own = new OwnPartials({ partials: this.#plan.partials, rank, elements });
    this.#ownSlice = new OwnSlice({
      plan: this.#plan,
      slice: this.#slices[rank],
      chunkElementsMax: this.#chunkElementsMax,
      own: this.#own,
    });
    this.#total = new Float32Array(elements);
    this.#progress = new ReduceProgress({
      rank,
      partialRanks: this.#plan.partials.map((partial) => partial.rank),
      chunkCounts: this.#slices.map(({ chunkCount }) => chunkCount),
    });
    this.#outgoing = new OutgoingChunks({
      rank,
      slices: this.#slices,
      chunkElementsMax: this.#chunkElementsMax,
      ownPartials: this.#partialsOf(rank),
      windowBytes,
      firstStep,
    });
    this.#owed = new OwedCredits({ rank, worldSize, windowBytes });
    // The last slice is one of the longest.
    const { chunkCount } = this.#slices[worldSize - 1];
    const partialsMax = Math.max(...this.#slices.map((_, each) => this.#partialsOf(each).length));
    this.#messages = new DataMessages(options, partialsMax * chunkCount);
    this.#window = new SendWindow({
      transport: options.transport,
      bufferBytes: this.#messages.bufferBytes,
      inFlightBytesMax: options.inFlightBytesMax,
      next: (buffer) => this.#nextCredit() ?? this.#nextChunk(buffer),
      onError: (cause) => this.#fail(cause.message, { cause }),
    });
    this.#stall = new StallTimer(clock, options.timeoutMs, () => this.#timeOut());
    this.#asking = new RepeatingTimer(clock, options.askAfterMs, () => {
      this.#owed.askTheSilent((each) => this.#progress.isAwaited(each));
      this.#window.pump();
    });
    this.#unsubscribe = worldSize === 1 ? () => {} : this.#listen();
  }

  get dropped(): Readonly<DroppedMessages> {
    return this.#messages.dropped;
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
    this.#outgoing.beginPartials(step);
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
        if (this.#result === result) {
          this.#stall.start();
          this.#asking.start();
        }
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
    if (this.#options.worldSize > 1) this.#outgoing.addPartial(partial);
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
    const unsubscribe = this.#messages.listen({
      partial: (chunk) => this.#receiveChunk(chunk, () => this.#receivePartial(chunk)),
      total: (chunk) => this.#receiveChunk(chunk, () => this.#receiveTotal(chunk)),
      credit: (credit) => this.#receiveCredit(credit),
    });
    // The transport outlives us and keeps this callback: it must not keep our buffers as well.
    let onClosed: ((cause: TransportError | undefined) => void) | undefined = (cause) =>
      this.#fail(cause?.message ?? "the connection was closed", { cause });
    this.#options.transport.closed.then((cause) => onClosed?.(cause));
    return () => {
      onClosed = undefined;
      unsubscribe();
    };
  }

  #receiveChunk(
    [, sender, sequence, , , , bytes]: Chunk,
    use: () => DropReason | undefined,
  ): DropReason | undefined {
    if (this.#failure !== undefined) return undefined;
    this.#owed.noteChunk(sender, sequence, bytes.length + headerBytesMax);
    const reason = use();
    this.#window.pump();
    this.#finishIfDone();
    return reason;
  }

  #receiveCredit(credit: Credit): DropReason | undefined {
    if (this.#failure !== undefined) return undefined;
    const [, sender, asks, sentSequence] = credit;
    if (sender === this.#options.rank) return "sender";
    const isNew = this.#outgoing.credit(sender, credit);
    if (isNew === undefined) return "malformed";
    this.#owed.noteCredit(sender, sentSequence, asks === 1);
    // Who waits for room to send is not stalled as long as others take what was sent.
    if (isNew) this.#stall.noteProgress();
    this.#window.pump();
  }

  #receivePartial([, sender, , step, partial, index, bytes]: Chunk): DropReason | undefined {
    if (step !== this.#awaitedPartialStep) return "step";
    const owner = this.#plan.partials[partial]?.rank;
    if (owner !== sender || sender === this.#options.rank) return "sender";
    const target = this.#ownSlice.operand(partial, index);
    if (target?.byteLength !== bytes.length) return "malformed";
    if (this.#progress.isAfterGap(partial, index)) this.#owed.owe(sender);
    if (!this.#progress.addPartial(partial, index)) return "duplicate";
    bytesOf(target).set(bytes);
    this.#stall.noteProgress();
    if (this.#progress.isReady(index)) this.#combine(index);
  }

  #receiveTotal([, sender, , step, , index, bytes]: Chunk): DropReason | undefined {
    // Our own comes back where the connection echoes.
    if (sender === this.#options.rank) return undefined;
    if (step !== this.#step || this.#result === undefined) return "step";
    if (index >= this.#slices[sender].chunkCount) return "malformed";
    const target = this.#totalChunk(sender, index);
    if (target.byteLength !== bytes.length) return "malformed";
    if (index > 0 && !this.#progress.totalsFrom(sender).has(index - 1)) this.#owed.owe(sender);
    if (!this.#progress.addTotal(sender, index)) return "duplicate";
    bytesOf(target).set(bytes);
    this.#stall.noteProgress();
  }

  /** Adds up one chunk of our slice, whose partials are all here. */
  #combine(index: number): void {
    const { rank, worldSize } = this.#options;
    this.#totalChunk(rank, index).set(this.#ownSlice.combine(index));
    this.#progress.addTotal(rank, index);
    if (worldSize > 1) this.#outgoing.addTotal(this.#step, index);
  }

  #nextCredit(): OutgoingMessage | undefined {
    const owed = this.#owed.next();
    if (owed === undefined) return undefined;
    return this.#messages.credit(owed.to, [
      owed.asks ? 1 : 0,
      this.#outgoing.lastSequence(owed.to),
      owed.heardSequence,
      this.#awaitedPartialStep,
      this.#progress.partialsFrom(owed.to).bytes,
      this.#step,
      this.#progress.totalsFrom(owed.to).bytes,
    ]);
  }

  #nextChunk(buffer: Uint8Array): OutgoingMessage | undefined {
    const next = this.#outgoing.next();
    if (next === undefined) return undefined;
    const { kind, to, partial, index } = next;
    // Where a window was full, this may be all that the step has waited for.
    if (to === undefined) queueMicrotask(() => this.#finishIfDone());
    const values = kind === "total"
      ? this.#totalChunk(this.#options.rank, index)
      : this.#own.sumOf(partial)!.subarray(...this.#elementsOf(to!, index));
    return this.#messages.chunk(buffer, next, values);
  }

  #finishIfDone(): void {
    if (this.#result === undefined || !this.#progress.isDone) return;
    if (this.#outgoing.hasNewTotals || !this.#own.isComplete) return;
    const { resolve } = this.#result;
    this.#result = undefined;
    this.#stall.stop();
    this.#asking.stop();
    this.#progress.nextStep();
    this.#step++;
    resolve(this.#total);
  }

  get waiting(): Waiting | undefined {
    const { silentMs } = this.#stall;
    return silentMs === undefined ? undefined : { silentMs, ranks: this.#missing().ranks };
  }

  #timeOut(): void {
    const { ranks, words } = this.#missing();
    this.#fail(`${words} within ${this.#options.timeoutMs} ms`, { missingRanks: ranks });
  }

  #missing(): { ranks: number[]; words: string } {
    const missing = this.#progress.missing();
    const blocking = this.#outgoing.blocking();
    const words = [
      missing.words,
      ...blocking.map(({ rank, inFlightBytes }) =>
        `worker ${rank} has not confirmed ${inFlightBytes} bytes of ours`
      ),
    ].filter((each) => each !== "");
    return {
      ranks: [...new Set([...missing.ranks, ...blocking.map(({ rank }) => rank)])],
      words: words.join(", ") || "the broker did not take our totals",
    };
  }

  #fail(why: string, details: { missingRanks?: readonly number[]; cause?: unknown } = {}): void {
    if (this.#failure !== undefined) return;
    this.#failure = new AllReduceError(this.#step, why, details);
    this.#stall.stop();
    this.#asking.stop();
    this.#window.stop();
    this.#unsubscribe();
    this.#result?.reject(this.#failure);
    this.#result = undefined;
  }

  /** Partials of the next step may come once our slice is totalled. */
  get #awaitedPartialStep(): number {
    return this.#step + (this.#progress.isSliceDone ? 1 : 0);
  }

  #partialsOf(rank: number): number[] {
    return this.#plan.partials.flatMap((partial, index) => partial.rank === rank ? [index] : []);
  }

  #totalChunk(rank: number, index: number): Float32Array {
    return this.#total.subarray(...this.#elementsOf(rank, index));
  }

  #elementsOf(rank: number, index: number): [number, number] {
    const { lo, hi } = chunkRange(this.#slices[rank], index, this.#chunkElementsMax);
    return [lo, hi];
  }
}
