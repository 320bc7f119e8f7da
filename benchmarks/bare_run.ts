/**
 * A run without what it survives by, to measure what that costs: no sign of life in either direction
 * and no credit. All of it is cut off between the product and its transport, which the product does
 * not notice for as long as nothing fails. Snapshots are a run's own flags.
 */
import { chunkBytesDefault, receiveBytesDefault } from "../collective/all_reduce_options.ts";
import { headerBytesMax } from "../collective/chunk_message.ts";
import { decode } from "../net/codec.ts";
import {
  coordinatorMessageSchema,
  messageBytesMax,
  runSubjects,
  senderAndVerb,
} from "../net/messages.ts";
import type { Transport } from "../net/transport.ts";
import type { WorkerOptions } from "../worker/run_worker.ts";

/** Longer than any run that is measured. */
const neverMs = 2 ** 31 - 1;

/**
 * Flags of such a run: nobody may be missed for his silence, and nothing is kept between the first
 * step and the last.
 */
export const bareFlags: readonly string[] = [
  ...["--snapshot-steps", "1000000", "--checkpoint-steps", "1000000"],
  ...["--heartbeat-ms", "60000", "--dead-ms", "3600000"],
];

/** Chunks of the usual length, however much of them nobody has confirmed, and no question. */
export function bareSums(workers: number): WorkerOptions["sums"] {
  const windowBytes = Math.floor(receiveBytesDefault / Math.max(1, workers - 1));
  return {
    chunkBytesMax: Math.min(chunkBytesDefault, Math.floor(windowBytes / 4) - headerBytesMax),
    receiveBytesMax: Number.MAX_SAFE_INTEGER,
    askAfterMs: neverMs,
  };
}

/** A worker's connection that gives no sign of life, neither a heartbeat nor a question. */
export function withoutHeartbeats(transport: Transport): Transport {
  const isHeartbeat = (subject: string) => senderAndVerb(subject).verb === "heartbeat";
  return cutOff(transport, isHeartbeat);
}

/** A coordinator's connection that does not tell its workers all the while that it is there. */
export function withoutBeats(transport: Transport, run: string): Transport {
  const { workers } = runSubjects(run);
  return cutOff(
    transport,
    (subject, data) =>
      subject === workers &&
      decode(data, coordinatorMessageSchema, { bytesMax: messageBytesMax }).type === "beat",
  );
}

function cutOff(
  transport: Transport,
  isCutOff: (subject: string, data: Uint8Array) => boolean,
): Transport {
  return {
    payloadBytesMax: transport.payloadBytesMax,
    closed: transport.closed,
    subscribe: (pattern, callback) => transport.subscribe(pattern, callback),
    flush: () => transport.flush(),
    close: () => transport.close(),
    publish(subject, data) {
      if (!isCutOff(subject, data)) transport.publish(subject, data);
    },
    request(subject, data, options) {
      if (isCutOff(subject, data)) return new Promise(() => {});
      return transport.request(subject, data, options);
    },
  };
}
