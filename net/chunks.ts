/**
 * Cuts bytes that are longer than one message into chunks, and puts them together again in
 * whatever order they come. Both sides know the whole length beforehand, so that a chunk's place
 * and length follow from its index alone and a wrong one is recognised.
 */

/** Number of chunks for `bytes` bytes; none for none. */
export function chunkCount(bytes: number, chunkBytesMax: number): number {
  return Math.ceil(bytes / chunkBytesMax);
}

/** Chunk `index` as a view of `data`. */
export function chunkOf(data: Uint8Array, index: number, chunkBytesMax: number): Uint8Array {
  return data.subarray(index * chunkBytesMax, (index + 1) * chunkBytesMax);
}

/** A typed array's bytes, in place. */
export function bytesOf(values: Float32Array | Int32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

/** Which of a known number of things have come. */
export class Bitmap {
  readonly length: number;
  readonly #words: Uint32Array;
  #count = 0;

  constructor(length: number) {
    this.length = length;
    this.#words = new Uint32Array(Math.ceil(length / 32));
  }

  /** How many are set. */
  get count(): number {
    return this.#count;
  }

  get isFull(): boolean {
    return this.#count === this.length;
  }

  has(index: number): boolean {
    return (this.#words[index >>> 5] & (1 << (index & 31))) !== 0;
  }

  /** Returns false if it was set before. */
  add(index: number): boolean {
    if (this.has(index)) return false;
    this.#words[index >>> 5] |= 1 << (index & 31);
    this.#count++;
    return true;
  }

  clear(): void {
    this.#words.fill(0);
    this.#count = 0;
  }
}

/** What became of a chunk. */
export type ChunkOutcome = "new" | "duplicate" | "rejected";

/** Puts chunks together in memory that is there from the start. */
export class ChunkAssembly {
  readonly #target: Uint8Array;
  readonly #chunkBytesMax: number;
  readonly #received: Bitmap;

  /** @param target what the chunks make up, e.g. the bytes of a Float32Array */
  constructor(target: Uint8Array, chunkBytesMax: number) {
    this.#target = target;
    this.#chunkBytesMax = chunkBytesMax;
    this.#received = new Bitmap(chunkCount(target.length, chunkBytesMax));
  }

  get chunkCount(): number {
    return this.#received.length;
  }

  get receivedCount(): number {
    return this.#received.count;
  }

  get isComplete(): boolean {
    return this.#received.isFull;
  }

  /** Copies a chunk to its place; one with a wrong index or length is rejected. */
  add(index: number, chunk: Uint8Array): ChunkOutcome {
    if (!Number.isInteger(index) || index < 0 || index >= this.#received.length) return "rejected";
    const at = index * this.#chunkBytesMax;
    if (chunk.length !== Math.min(this.#chunkBytesMax, this.#target.length - at)) return "rejected";
    if (!this.#received.add(index)) return "duplicate";
    this.#target.set(chunk, at);
    return "new";
  }

  /** Begins again with the same memory. */
  clear(): void {
    this.#received.clear();
  }
}
