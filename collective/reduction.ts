/**
 * What the trainer asks of an all-reduce, and how it fails. `all_reduce.ts` does the work.
 */

export interface AllReduce {
  /** Resolves when this rank will miss nothing; only then may any other rank begin. */
  ready(): Promise<void>;
  /** Opens a step; the one before must be finished. */
  begin(step: number): Reduction;
  /** Of a sum to which this rank has added all; undefined where none waits. */
  readonly waiting: Waiting | undefined;
  /** Messages that were not used, by reason. */
  readonly dropped: Readonly<DroppedMessages>;
  /** Stops listening; a reduction that is under way fails. */
  close(): void;
}

export interface Waiting {
  /** For how long nothing new has come. */
  readonly silentMs: number;
  /** Whose chunks, or whose word that ours have come, are missing. */
  readonly ranks: readonly number[];
}

/** The sum of one step. */
export interface Reduction {
  /**
   * Adds the gradient of an owned shard, once for each, in any order. `values` stays the caller's
   * and may change afterwards.
   */
  add(shard: number, values: Float32Array): void;
  /**
   * The sum over the shards of all ranks. It belongs to the all-reduce: read it before the next
   * `begin`.
   *
   * @throws {AllReduceError} if a rank or the connection fails
   */
  total(): Promise<Float32Array>;
}

export interface DroppedMessages {
  /** Not a chunk, or one of a wrong length, or from who has sent too many of those. */
  readonly malformed: number;
  /** Of another membership. */
  readonly generation: number;
  /** From a rank that has no such chunk to send, or under another's name. */
  readonly sender: number;
  /** Of a step that is over or has not begun. */
  readonly step: number;
  readonly duplicate: number;
}

/** A sum could not be completed; this all-reduce is over. */
export class AllReduceError extends Error {
  override readonly name = "AllReduceError";
  readonly step: number;
  /** Those whose chunks are late; empty where the failure has another cause. */
  readonly missingRanks: readonly number[];

  constructor(
    step: number,
    why: string,
    { missingRanks = [], cause }: { missingRanks?: readonly number[]; cause?: unknown } = {},
  ) {
    super(`Cannot all-reduce step ${step}: ${why}`, { cause });
    this.step = step;
    this.missingRanks = missingRanks;
  }
}
