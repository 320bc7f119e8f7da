/** The near end of `decode_worker.ts`: a promise for each file. */
import { Worker } from "node:worker_threads";
import { DatasetError } from "./dataset.ts";
import type { DecodeReply, DecodeRequest } from "./decode_worker.ts";
import type { RadarFrame } from "./radar_frame.ts";

interface Waiting {
  readonly resolve: (frame: RadarFrame) => void;
  readonly reject: (error: DatasetError) => void;
}

/** Starts its worker with the first file, and keeps the process alive only while files wait. */
export class RadarDecoder {
  #worker: Worker | null = null;
  #closed = false;
  #nextId = 0;
  readonly #waiting = new Map<number, Waiting>();

  /** @throws {DatasetError} if the file cannot be read or decoded, or the decoder is closed */
  decode(path: string): Promise<RadarFrame> {
    if (this.#closed) {
      return Promise.reject(new DatasetError(`Cannot decode "${path}": the dataset is closed`));
    }
    const worker = this.#worker ??= this.#start();
    const request: DecodeRequest = { id: this.#nextId++, path };
    const { promise, resolve, reject } = Promise.withResolvers<RadarFrame>();
    this.#waiting.set(request.id, { resolve, reject });
    worker.ref();
    worker.postMessage(request);
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
      if ("frame" in reply) waiting?.resolve(reply.frame);
      else waiting?.reject(new DatasetError(reply.failure));
    });
    worker.on("error", (error: Error) => {
      this.#worker = null;
      this.#fail(`the decoding thread stopped: ${error.message}`);
    });
    return worker;
  }

  #fail(reason: string): void {
    for (const { reject } of this.#waiting.values()) {
      reject(new DatasetError(`Cannot decode a radar file: ${reason}`));
    }
    this.#waiting.clear();
  }
}
