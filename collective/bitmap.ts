/** Which of a known number of things have come: one bit each. */

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

  /** As they lie in memory: bit i is bit i % 8 of byte i / 8. */
  get bytes(): Uint8Array {
    return new Uint8Array(this.#words.buffer);
  }

  /** Adds all that the `bytes` of another bitmap of this length hold; bits beyond it mean nothing. */
  addAll(bytes: Uint8Array): void {
    for (let index = 0; index < this.length; index++) {
      if ((bytes[index >>> 3] & (1 << (index & 7))) !== 0) this.add(index);
    }
  }

  clear(): void {
    this.#words.fill(0);
    this.#count = 0;
  }
}
