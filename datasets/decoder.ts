/** The near end of `decode_worker.ts`: a promise for each file. */
import { Worker } from "node:worker_threads";
import { BrokenPart, DatasetError, DataUnavailable } from "./dataset.ts";
import type { DecodeMessage, DecodeReply, Decodings, Fault, Kind } from "./decode_worker.ts";

interface Waiting {
  readonly resolve: (result: Decodings[Kind]["result"]) => void;
  readonly reject: (error: DatasetError) => void;
}

/** No fault of a file: the decoder was closed, or its thread stopped. */
export class DecoderStopped extends DataUnavailable {}

const errors = {
  "file": DatasetError,
  "part": BrokenPart,
  "none of its own": DataUnavailable,
} satisfies Record<Fault, typeof DatasetError>;

/** Starts its worker with the first file, and keeps the process alive only while files wait. */
export class Decoder {
  #worker: Worker | null = null;
  #closed = false;
  #nextId = 0;
  readonly #waiting = new Map<number, Waiting>();

  /**
   * @throws {DatasetError} if the file cannot be decoded; of kind `DataUnavailable` if it cannot be
   * read, or the decoder fails or is closed
   */
  decode<K extends Kind>(
    kind: K,
    request: Decodings[K]["request"],
  ): Promise<Decodings[K]["result"]> {
    if (this.#closed) {
      return Promise.reject(
        new DecoderStopped(`Cannot decode "${request.path}": the dataset is closed`),
      );
    }
    const worker = this.#worker ??= this.#start();
    const message: DecodeMessage<K> = { id: this.#nextId++, kind, request };
    const { promise, resolve, reject } = Promise.withResolvers<Decodings[K]["result"]>();
    this.#waiting.set(message.id, { resolve: resolve as Waiting["resolve"], reject });
    worker.ref();
    worker.postMessage(message);
    return promise;
  }

  close(): void {
    this.#closed = true;
    this.#fail("the dataset was closed");
    this.#worker?.terminate();
    this.#worker = null;
  }

  #start(): Worker {
    const worker = new Worker(new URL("./decode_worker.ts", import.meta.url));
    worker.on("message", (reply: DecodeReply) => {
      const waiting = this.#waiting.get(reply.id);
      this.#waiting.delete(reply.id);
      if (this.#waiting.size === 0) worker.unref();
      if ("result" in reply) waiting?.resolve(reply.result);
      else waiting?.reject(new errors[reply.fault](reply.failure));
    });
    worker.on("error", (error: Error) => {
      this.#worker = null;
      this.#fail(`the decoding thread stopped: ${error.message}`);
    });
    return worker;
  }

  #fail(reason: string): void {
    for (const { reject } of this.#waiting.values()) {
      reject(new DecoderStopped(`Cannot decode a file: ${reason}`));
    }
    this.#waiting.clear();
  }
}
