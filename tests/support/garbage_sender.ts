/**
 * A connection for gradients that sends garbage beside what its worker sends: bytes that are no
 * message, chunks of a wrong length, and chunks in another member's name.
 */
import { encode } from "../../net/codec.ts";
import type { Transport } from "../../net/transport.ts";
import { dataSubjects } from "../../collective/data_subjects.ts";
import { runSubjects } from "../../net/messages.ts";

export interface Garbage {
  /** Who sends, to the member of which rank; everybody hears garbage among totals. */
  readonly run: string;
  readonly from: string;
  readonly to: number | "everybody";
  /** Messages of the worker before the first piece. */
  readonly after: number;
}

export function garbageSender(
  transport: Transport,
  { run, from, to, after }: Garbage,
): Transport {
  let sent = 0;
  return {
    payloadBytesMax: transport.payloadBytesMax,
    closed: transport.closed,
    subscribe: (pattern, callback) => transport.subscribe(pattern, callback),
    request: (asked, data, options) => transport.request(asked, data, options),
    flush: () => transport.flush(),
    close: () => transport.close(),
    publish(intended, data) {
      transport.publish(intended, data);
      if (++sent <= after) return;
      const { data: prefix } = runSubjects(run);
      // As the worker says it: below the life of the coordinator that it has joined.
      const [, life] = intended.slice(prefix.length + 1).split(".");
      const { partials, totals } = dataSubjects(prefix, life);
      const subject = to === "everybody" ? totals(from) : partials(from, to);
      transport.publish(subject, new Uint8Array([0xc1, sent & 255]));
      // Of the generation that it takes part in, which it may well know.
      for (let generation = 1; generation <= 4; generation++) {
        const header = [generation, 63, sent, 1, 0, 0];
        transport.publish(subject, encode([...header, new Uint8Array(3)]));
        transport.publish(subject, encode([...header, new Uint8Array(4)]));
      }
    },
  };
}
