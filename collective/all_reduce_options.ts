/**
 * What an all-reduce has to be told, and which of it cannot be.
 */
import type { Clock } from "../net/clock.ts";
import type { Transport } from "../net/transport.ts";
import { headerBytesMax } from "./chunk_message.ts";

/**
 * 4 MB between two workers through nats-server on loopback take 20 to 22 ms with chunks of 32 and
 * 64 KiB and 18 to 20 ms with 128 KiB to 4 MiB: within the noise of two cores, so the longest chunk that
 * fits one read of the socket and the server's default message several times over.
 * `deno task bench allreduce --sweep` measures it again.
 */
export const chunkBytesDefault = 256 * 1024;
/** From 512 KiB to 64 MiB it makes no difference in time; this much is little for any broker. */
export const inFlightBytesDefault = 4 * 1024 * 1024;

/**
 * Several times what is under way at any moment between workers that keep up, and a quarter of what
 * nats-server lets wait for one connection by default (64 MiB) before it cuts it off.
 */
export const receiveBytesDefault = 16 * 1024 * 1024;
export const askAfterMsDefault = 200;

export interface AllReduceOptions {
  readonly transport: Transport;
  /** Begins every subject; the same for all ranks of a run and of no other run. */
  readonly subjectPrefix: string;
  /** A further token of every subject: which of several lives of the run these ranks belong to. */
  readonly life?: string;
  readonly rank: number;
  /** Names of the workers in the order of their ranks: the token of their subjects. */
  readonly members: readonly string[];
  /** Membership that these ranks belong to; messages of another one are dropped. */
  readonly generation: number;
  /** Rank that owns each shard; every rank from 0 to the highest owns at least one. */
  readonly owners: readonly number[];
  /** Length of the gradient. */
  readonly elements: number;
  /** The step that comes first; the others follow one by one. */
  readonly firstStep: number;
  /** Longest piece of the gradient in one message. @default {chunkBytesDefault} */
  readonly chunkBytesMax?: number;
  /** What one rank may have on its way to the broker. @default {inFlightBytesDefault} */
  readonly inFlightBytesMax?: number;
  /**
   * What all others together may have on its way to one rank, the same for all ranks: at most a
   * quarter of the broker's `max_pending`. Each gets an even part, its window, and sends chunks of at
   * most a quarter of that. @default {receiveBytesDefault}
   */
  readonly receiveBytesMax?: number;
  /** A rank that we wait for, and that is silent for this long, is asked. @default {askAfterMsDefault} */
  readonly askAfterMs?: number;
  /** How long `total` waits while nothing new comes. */
  readonly timeoutMs: number;
  readonly clock: Clock;
  /** Called once for a rank that sends too much that cannot be a message of its; it is heard no more. */
  readonly onBadSender?: (rank: number) => void;
}

/** Longest chunk for a broker that takes messages of `payloadBytesMax`, its header beside it. */
export function chunkBytesFor(payloadBytesMax: number): number {
  return Math.min(chunkBytesDefault, Math.floor((payloadBytesMax - headerBytesMax) / 4) * 4);
}

/** With every default filled in. */
export type CheckedOptions = Required<Omit<AllReduceOptions, "life">> & {
  readonly life?: string;
  readonly worldSize: number;
  /** What one rank may have on its way to another one. */
  readonly windowBytes: number;
};

/** @throws {RangeError} naming the option */
export function checkOptions(options: AllReduceOptions): CheckedOptions {
  const { owners, rank, elements, members, transport } = options;
  const chunkBytesMax = options.chunkBytesMax ?? chunkBytesDefault;
  const receiveBytesMax = options.receiveBytesMax ?? receiveBytesDefault;
  const askAfterMs = options.askAfterMs ?? askAfterMsDefault;
  const inFlightBytesMax = options.inFlightBytesMax ?? inFlightBytesDefault;
  const worldSize = Math.max(-1, ...owners) + 1;
  const isWhole = (value: number, min: number) => Number.isSafeInteger(value) && value >= min;
  for (let each = 0; each < worldSize; each++) {
    if (!owners.includes(each)) {
      throw new RangeError(`Cannot all-reduce: worker ${each} of ${worldSize} owns no shard`);
    }
  }
  if (!owners.includes(rank) || !owners.every((owner) => isWhole(owner, 0))) {
    throw new RangeError(`Cannot all-reduce: worker ${rank} is not among the owners [${owners}]`);
  }
  if (members.length !== worldSize || new Set(members).size !== worldSize) {
    throw new RangeError(
      `Cannot all-reduce: expected a name of its own for each of ${worldSize} workers, got [${members}]`,
    );
  }
  for (const name of members) {
    if (!/^[A-Za-z0-9_-]+$/.test(name)) {
      throw new RangeError(`Cannot all-reduce: "${name}" cannot be part of a subject`);
    }
  }
  for (
    const [name, value, min] of [
      ["elements", elements, 1],
      ["chunkBytesMax", chunkBytesMax, 4],
      ["inFlightBytesMax", inFlightBytesMax, 1],
      ["receiveBytesMax", receiveBytesMax, 4 * (headerBytesMax + 4) * (worldSize - 1)],
      ["askAfterMs", askAfterMs, 1],
      ["timeoutMs", options.timeoutMs, 1],
      ["generation", options.generation, 0],
      ["firstStep", options.firstStep, 0],
    ] as const
  ) {
    if (!isWhole(value, min)) {
      throw new RangeError(`Cannot all-reduce: ${name} is ${value}, expected at least ${min}`);
    }
  }
  if (worldSize > 1 && chunkBytesMax + headerBytesMax > transport.payloadBytesMax) {
    throw new RangeError(
      `Cannot send chunks of ${chunkBytesMax} bytes: with their header they must be at most ${transport.payloadBytesMax}, the broker's max_payload`,
    );
  }
  const windowBytes = Math.floor(receiveBytesMax / Math.max(1, worldSize - 1));
  return {
    ...options,
    chunkBytesMax: Math.min(chunkBytesMax, Math.floor(windowBytes / 4) - headerBytesMax),
    inFlightBytesMax,
    receiveBytesMax,
    askAfterMs,
    onBadSender: options.onBadSender ?? (() => {}),
    worldSize,
    windowBytes,
  };
}
