/**
 * When a run is attacked, and what every hostile member of it sends: blocks of steps are attacked and
 * left alone by turns, so that what else the machine does affects both.
 */
import { createChunkCodec } from "../collective/chunk_message.ts";
import { createCreditCodec } from "../collective/credit_message.ts";
import { dataSubjects } from "../collective/data_subjects.ts";
import { generationOf } from "../collective/message_generation.ts";
import { decode, encode } from "../net/codec.ts";
import { messageBytesMax, runSubjects, workerSubjects, type WorkerVerb } from "../net/messages.ts";
import type { Random } from "../net/random.ts";
import { broken, chunkBytesMax, verbSamples } from "./fuzz_decoders.ts";

export const blockSteps = 20;
/** How often a run is attacked, each time by a member that has just come. */
export const attacks = 6;
export const attackedRunSteps = 2 * blockSteps * attacks;

/** Undefined for a step that is left alone. */
export function attackAt(step: number): number | undefined {
  const block = Math.floor((step - 1) / blockSteps);
  return block % 2 === 1 && block < 2 * attacks ? (block - 1) / 2 : undefined;
}

export interface Shot {
  /**
   * Members of a generation by their ranks, and the life of their coordinator; undefined where the
   * target is not among them.
   */
  subject(members: readonly string[], life?: string): string | undefined;
  /** Begins with `generationMark` where it is to be of the generation under way. */
  readonly data: Uint8Array<ArrayBuffer>;
}

/** What a hostile member sends in turn. */
export interface Attack {
  /** Chunks and credits of a generation that never was: refused one by one, and no fault of its own. */
  readonly unwanted: readonly Shot[];
  /** What it is excluded for. */
  readonly malformed: readonly Shot[];
}

/** Stands for the generation under way, which takes one byte as well and is known when it is sent. */
const generationMark = 0x7f;
const staleGeneration = 0xffff;
/** Of members, and one that nobody is of. */
const ranks = [0, 1, 2, 0, 1, 2, 7];

export type Target =
  /** Malformed verbs, which the coordinator convicts it for by itself. */
  | { readonly kind: "coordinator" }
  /** Malformed gradients to this member alone, which accuses it. */
  | { readonly kind: "worker"; readonly name: string };

/** Half of the messages of either kind. */
export function planAttack(
  { run, name, messages, target }: {
    readonly run: string;
    readonly name: string;
    readonly messages: number;
    readonly target: Target;
  },
  draws: Random,
): Attack {
  const subjectsOf = (life?: string) => dataSubjects(runSubjects(run).data, life);
  const chunks = createChunkCodec(chunkBytesMax);
  const credits = createCreditCodec(1000);
  const buffer = new Uint8Array(chunks.bufferBytes);
  const pick = <T>(items: readonly T[]): T => items[draws.integer(items.length)];
  /** A chunk or a credit that a member might send, and where. */
  const gradient = (generation: number) => {
    if (draws.integer(4) === 0) {
      const body = [1, 0, 12, 11, 7, new Uint8Array(8), 7, new Uint8Array(4)];
      return {
        kind: "credits" as const,
        data: plain(encode([generation, ...body])),
        isSound: (data: Uint8Array) => doesNotThrow(() => credits.decode(data)),
      };
    }
    const header = [generation, 1, 1, draws.integer(attackedRunSteps), 0, 0] as const;
    return {
      kind: pick(["partials", "totalsAgain"] as const),
      data: plain(chunks.encode(buffer, [...header, new Uint8Array(64)])),
      isSound: (data: Uint8Array) => doesNotThrow(() => chunks.decode(data)),
    };
  };
  const unwanted = (): Shot => {
    const { kind, data } = gradient(staleGeneration);
    const to = draws.integer(2) === 0 ? undefined : pick(ranks);
    for (;;) {
      const changed = draws.integer(4) === 0 ? data : broken(data, draws);
      if (generationOf(changed) !== staleGeneration) continue;
      return {
        subject: (_, life) =>
          to === undefined ? subjectsOf(life).totals(name) : subjectsOf(life)[kind](name, to),
        data: changed,
      };
    }
  };
  const malformedGradient = (to: string): Shot => {
    for (;;) {
      const { kind, data, isSound } = gradient(generationMark);
      const changed = broken(data, draws);
      // One that names another generation counts as late.
      if (generationOf(changed) !== generationMark || isSound(changed)) continue;
      return {
        subject: (members, life) =>
          members.includes(to) ? subjectsOf(life)[kind](name, members.indexOf(to)) : undefined,
        data: changed,
      };
    }
  };
  const verbs = Object.entries(verbSamples);
  const toCoordinator = workerSubjects(run, name);
  const malformedVerb = (): Shot => {
    for (;;) {
      const [verb, [schema, value]] = pick(verbs);
      const data = broken(plain(encode(value)), draws);
      if (doesNotThrow(() => decode(data, schema, { bytesMax: messageBytesMax }))) continue;
      return { subject: () => toCoordinator[verb as WorkerVerb], data };
    }
  };
  const half = Math.ceil(messages / 2);
  return {
    unwanted: Array.from({ length: half }, unwanted),
    malformed: Array.from(
      { length: messages - half },
      () => target.kind === "coordinator" ? malformedVerb() : malformedGradient(target.name),
    ),
  };
}

/** Puts the generation under way where a message is to name it. */
export function aim({ data }: Shot, generation: number): void {
  if (generationOf(data) === generationMark && generation < generationMark) data[1] = generation;
}

function plain(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(bytes);
}

function doesNotThrow(action: () => unknown): boolean {
  try {
    action();
    return true;
  } catch {
    return false;
  }
}
