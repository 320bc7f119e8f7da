/**
 * Which messages of workers are taken, and whose: what is no message, belongs to another generation or
 * is not its sender's to say is refused, and who sends too much of it is heard no more.
 */
import type { Clock } from "../net/clock.ts";
import { decode } from "../net/codec.ts";
import {
  messageBytesMax,
  senderAndVerb,
  staleGeneration,
  type WorkerVerb,
} from "../net/messages.ts";
import type { Schema } from "../net/schema.ts";
import { createStrikes } from "../net/strikes.ts";
import type { Message } from "../net/transport.ts";
import { refused } from "./control_channel.ts";
import type { CoordinatedRun } from "./coordinated_run.ts";
import { sentence } from "./error_sentence.ts";

/** What is done with a worker's message. */
export type Handler = (message: Message, worker: string) => void;

/** What is done with it once it is known what it says. */
type Handle<T> = (value: T, message: Message, worker: string) => void;

export interface MessageFilter {
  heard<T>(verb: WorkerVerb, schema: Schema<T>, handle: Handle<T>): Handler;
  /** What belongs to another generation than the newest, or is from no member of it, is refused. */
  heardNow<T extends { readonly generation: number }>(
    verb: WorkerVerb,
    schema: Schema<T>,
    handle: Handle<T>,
  ): Handler;
  /** What one member tells for all; nobody else is to say it. */
  heardOfFirst<T extends { readonly generation: number }>(
    verb: WorkerVerb,
    schema: Schema<T>,
    handle: (value: T, message: Message) => void,
  ): Handler;
  /** Whoever sends rubbish is told of once, and once more when it is heard no longer. */
  noteMalformed(worker: string, verb: string, fault: string): void;
  /** The worker is heard no more, whatever it did. */
  exclude(worker: string, reason: string): void;
  /** Hands a message to the handler of its verb. */
  dispatch(message: Message, handlers: Readonly<Record<WorkerVerb, Handler>>): void;
}

/** Names that a person is told of, once each: whoever shares a login may speak under many. */
const malformedMax = 1024;

/** @param life of this coordinator: what is said to another one of its name is not for it */
export function createMessageFilter(
  run: CoordinatedRun,
  clock: Clock,
  life: string,
): MessageFilter {
  const { report, apply, note } = run;
  const { broadcast, reply } = run.control;
  const strikes = createStrikes();
  const malformed = new Set<string>();

  const noteMalformed = (worker: string, verb: string, fault: string) => {
    const why = fault.slice(0, 200);
    if (!strikes.add(worker, clock.nowMs())) {
      const isFirst = !malformed.has(worker);
      if (isFirst && malformed.size < malformedMax) {
        malformed.add(worker);
        report.warn(`Refused a message of "${worker}" on ${verb}: ${why}`);
      }
      return;
    }
    const reason = strikes.whyOut(worker)!;
    noteExcluded(worker, `${reason}, the last on ${verb}: ${why}`);
    if (run.membership.phase === "ended") return;
    apply({ type: "lost", worker, reason });
    // It is told why when it asks to join again.
    broadcast({ worker, type: "rejoin" });
  };
  const noteExcluded = (worker: string, reason: string) => {
    const dropped = `"${worker}" is not heard any more: ${reason}`;
    report.warn(dropped);
    if (run.membership.phase !== "ended") note({ dropped });
  };

  const heard: MessageFilter["heard"] = (verb, schema, handle) => (message, worker) => {
    let value;
    try {
      value = decode(message.data, schema, { bytesMax: messageBytesMax, name: verb });
    } catch (error) {
      noteMalformed(worker, verb, sentence(error));
      return reply(message, refused(sentence(error)));
    }
    const { life: meant = life } = value as { readonly life?: string };
    if (meant !== life) return onOtherLife(verb, worker, value);
    handle(value, message, worker);
  };
  /** That one may have died: its workers are told that this one is here, and know whom they hear. */
  const onOtherLife = (verb: WorkerVerb, worker: string, value: unknown) => {
    if (verb !== "heartbeat" || run.membership.phase === "ended") return;
    const { where } = value as { readonly where: string };
    broadcast({ type: "rejoin", worker, where });
  };

  const heardNow: MessageFilter["heardNow"] = (verb, schema, handle) =>
    heard(verb, schema, (value, message, worker) => {
      const { generation, phase, active } = run.membership;
      if (value.generation === generation && phase === "running" && active.includes(worker)) {
        return handle(value, message, worker);
      }
      reply(message, refused(staleGeneration));
    });

  return {
    heard,
    heardNow,
    heardOfFirst: (verb, schema, handle) =>
      heardNow(verb, schema, (value, message, worker) => {
        const [first] = run.membership.active;
        if (worker === first) return handle(value, message);
        const fault = `it is "${first}" who tells of it`;
        noteMalformed(worker, verb, fault);
        reply(message, refused(`Cannot take ${verb}: ${fault}`));
      }),
    noteMalformed,
    exclude(worker, reason) {
      noteExcluded(worker, reason);
      strikes.exclude(worker, reason);
    },
    dispatch(message, handlers) {
      // The broker lets nobody speak but in its own name; what is in the message is not asked.
      const { worker, verb } = senderAndVerb(message.subject);
      if (worker === undefined) return;
      const why = strikes.whyOut(worker);
      if (why !== undefined) {
        if (verb === "join") reply(message, { ...refused(why), excluded: true });
        return;
      }
      const handler = Object.hasOwn(handlers, verb) ? handlers[verb as WorkerVerb] : undefined;
      if (handler) return handler(message, worker);
      noteMalformed(worker, "an unknown subject", "nobody is to say anything there");
    },
  };
}
