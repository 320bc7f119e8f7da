/**
 * What the coordinator says to its workers: to all of them, or to the one that asked. Where nobody can
 * hear it any more, nothing is said.
 */
import { encode } from "../net/codec.ts";
import {
  type CoordinatorMessage,
  type ReadReply,
  type Reply,
  runSubjects,
} from "../net/messages.ts";
import { type Message, type Transport, TransportError } from "../net/transport.ts";

export interface ControlChannel {
  /** Most bytes of a vector that fit into an answer, whole float32. */
  readonly answerBytesMax: number;
  /** To all workers. */
  broadcast(message: CoordinatorMessage): void;
  reply(message: Message, answer: Reply | ReadReply): void;
  /** Keeps what a worker asked until it is known what comes of it. */
  defer(worker: string, message: Message): void;
  /** Answers what the worker has asked and waits for, if it does. */
  answer(worker: string, answer: Reply): void;
  /** Tells all workers that the run is over, and why where it is not done. */
  end(reason: string): void;
}

export interface ControlChannelOptions {
  readonly transport: Transport;
  readonly run: string;
  /** Tells this coordinator from those that led the run before it. */
  readonly life: string;
}

/** More than an answer takes beside a vector's bytes. */
const headerBytesMax = 4096;

/** Fits into a message; a reason may quote a whole configuration. */
const reasonLengthMax = 4000;

export function createControlChannel(options: ControlChannelOptions): ControlChannel {
  const { transport, life } = options;
  const subjects = runSubjects(options.run);
  /** Who asked to join or said to be ready, and is to be answered. */
  const asking = new Map<string, Message>();

  const send = (action: () => void) => {
    try {
      action();
    } catch (error) {
      // Without a connection there is nobody to hear it; its end is told once, by `closed`.
      if (!(error instanceof TransportError)) throw error;
    }
  };
  const tooLong = (bytes: number) =>
    `the answer takes ${bytes} bytes, and the coordinator's broker ${transport.payloadBytesMax} at ` +
    "most in one message; raise its max_payload";
  const broadcast = (message: CoordinatorMessage) =>
    send(() => transport.publish(subjects.workers, encode({ ...message, life })));
  const reply = (message: Message, answer: Reply | ReadReply) => {
    const bytes = encode(answer);
    const isTooLong = bytes.length > transport.payloadBytesMax;
    const sent = isTooLong ? encode(refused(tooLong(bytes.length))) : bytes;
    send(() => message.respond(sent));
  };

  return {
    answerBytesMax: Math.floor((transport.payloadBytesMax - headerBytesMax) / 4) * 4,
    broadcast,
    reply,
    defer: (worker, message) => void asking.set(worker, message),
    answer(worker, answer) {
      const asked = asking.get(worker);
      asking.delete(worker);
      if (asked) reply(asked, answer);
    },
    end: (reason) => broadcast({ type: "end", reason: reason.slice(0, reasonLengthMax) }),
  };
}

export function accepted(text = ""): Reply {
  return { ok: true, text };
}

export function refused(reason: string): Reply {
  return { ok: false, text: reason };
}
