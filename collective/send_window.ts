/**
 * Sends messages one after another with a bound on what is under way. The NATS client queues
 * whatever it is given, without a limit, so the bound has to be kept here: after each quarter of it
 * the broker is asked whether it has read so far (`flush`), and no more is sent than it allows.
 * Buffers to encode into are used again as soon as that answer is there.
 */
import type { Transport } from "../net/transport.ts";

export interface OutgoingMessage {
  readonly subject: string;
  readonly data: Uint8Array;
}

export interface SendWindowOptions {
  readonly transport: Transport;
  readonly bufferBytes: number;
  readonly inFlightBytesMax: number;
  /** Encodes the next message, a long one into `buffer`; undefined if there is none for now. */
  next(buffer: Uint8Array): OutgoingMessage | undefined;
  onError(error: Error): void;
}

export class SendWindow {
  readonly #options: SendWindowOptions;
  readonly #free: Uint8Array[] = [];
  #burst: Uint8Array[] = [];
  #burstBytes = 0;
  #inFlightBytes = 0;
  #stopped = false;

  constructor(options: SendWindowOptions) {
    this.#options = options;
  }

  /** Bytes handed to the transport that the broker has not confirmed. */
  get inFlightBytes(): number {
    return this.#inFlightBytes;
  }

  /** Sends what there is, as far as the bound allows; the rest follows by itself. */
  pump(): void {
    const { transport, inFlightBytesMax, bufferBytes, next, onError } = this.#options;
    try {
      while (!this.#stopped && this.#inFlightBytes < inFlightBytesMax) {
        const buffer = this.#free.pop() ?? new Uint8Array(bufferBytes);
        const message = next(buffer);
        if (message === undefined) {
          this.#free.push(buffer);
          break;
        }
        transport.publish(message.subject, message.data);
        // A short message lies in memory of its own.
        if (message.data.buffer === buffer.buffer) this.#burst.push(buffer);
        else this.#free.push(buffer);
        this.#burstBytes += message.data.length;
        this.#inFlightBytes += message.data.length;
        if (this.#burstBytes * 4 >= inFlightBytesMax) this.#confirmBurst();
      }
      if (this.#burstBytes > 0) this.#confirmBurst();
    } catch (error) {
      this.stop();
      onError(error as Error);
    }
  }

  stop(): void {
    this.#stopped = true;
  }

  #confirmBurst(): void {
    const [buffers, bytes] = [this.#burst, this.#burstBytes];
    this.#burst = [];
    this.#burstBytes = 0;
    this.#options.transport.flush().then(() => {
      this.#free.push(...buffers);
      this.#inFlightBytes -= bytes;
      this.pump();
    }, (error) => {
      if (this.#stopped) return;
      this.stop();
      this.#options.onError(error);
    });
  }
}
