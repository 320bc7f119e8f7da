/** What happened in a simulation: a hash of all of it, a line for each thing worth telling, counts. */
import type { VirtualTime } from "./virtual_time.ts";

export class Trace {
  readonly counts: Record<string, number> = {};
  readonly #time: VirtualTime;
  readonly #log: (line: string) => void;
  #hash = 0x811c9dc5;
  #violation: string | undefined;

  constructor(time: VirtualTime, log: (line: string) => void) {
    this.#time = time;
    this.#log = log;
  }

  get hash(): string {
    return (this.#hash >>> 0).toString(16).padStart(8, "0");
  }

  /** The first promise that was broken. */
  get violation(): string | undefined {
    return this.#violation;
  }

  violate(what: string): void {
    if (this.#violation !== undefined) return;
    this.note(`VIOLATION: ${what}`);
    this.#violation = what;
  }

  note(line: string): void {
    this.addText(line);
    this.#log(`${this.#time.nowMs.toFixed(1).padStart(10)} ${line}`);
  }

  count(what: string): void {
    this.counts[what] = (this.counts[what] ?? 0) + 1;
  }

  addText(text: string): void {
    for (let i = 0; i < text.length; i++) {
      this.#hash = Math.imul(this.#hash ^ text.charCodeAt(i), 0x01000193);
    }
  }

  addBytes(bytes: Uint8Array): void {
    this.#hash = Math.imul(this.#hash ^ Math.round(this.#time.nowMs * 1000), 0x01000193);
    for (let i = 0; i < bytes.length; i++) {
      this.#hash = Math.imul(this.#hash ^ bytes[i], 0x01000193);
    }
  }
}
