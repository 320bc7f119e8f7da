/**
 * Which engine a run computes with, where nobody has said: that of the first worker that asks to join.
 * The head of a run needs no native library, so it cannot find one out by looking.
 */
import { type Clock, delay } from "../net/clock.ts";
import { decode, encode } from "../net/codec.ts";
import {
  joinSchema,
  joinVersionSchema,
  messageBytesMax,
  protocolVersion,
  runSubjects,
} from "../net/messages.ts";
import { engineNames } from "../net/run_configuration.ts";
import { SchemaError } from "../net/schema.ts";
import type { Message, Transport } from "../net/transport.ts";
import { refused } from "./control_channel.ts";
import { otherVersion } from "./membership_messages.ts";

export type EngineName = typeof engineNames[number];

const lookMs = 100;

/**
 * Hears who asks to join and answers nobody but another version: a worker asks again, and is answered
 * by the coordinator that is started then.
 * @returns undefined when it is stopped, or `waitMs` have passed
 * @throws {TransportError} when the connection is lost
 */
export async function firstWorkersEngine(
  { transport, run, clock, waitMs, isStopping }: {
    readonly transport: Transport;
    readonly run: string;
    readonly clock: Clock;
    readonly waitMs: number;
    readonly isStopping: () => boolean;
  },
): Promise<EngineName | undefined> {
  let found: EngineName | undefined;
  let lost: Error | undefined;
  const subscription = transport.subscribe(`${runSubjects(run).from}.*.join`, (message) => {
    found ??= engineOf(message);
  });
  void transport.closed.then((error) => lost = error ?? new Error("The connection was closed"));
  const deadline = clock.nowMs() + waitMs;
  try {
    while (found === undefined && !isStopping() && clock.nowMs() < deadline) {
      if (lost) throw lost;
      await delay(clock, lookMs);
    }
    return found;
  } finally {
    subscription.unsubscribe();
  }
}

/** Undefined for what is no request of a worker of this version. */
function engineOf(message: Message): EngineName | undefined {
  const limits = { bytesMax: messageBytesMax };
  try {
    const { protocol } = decode(message.data, joinVersionSchema, limits);
    if (protocol !== protocolVersion) {
      message.respond(encode(refused(otherVersion(protocol))));
      return undefined;
    }
    const { engine } = decode(message.data, joinSchema, limits);
    return engineNames.find((name) => name === engine);
  } catch (error) {
    if (error instanceof SchemaError) return undefined;
    throw error;
  }
}
