/**
 * One coordinator leads a run. Whoever is to lead one asks on the run's own subject first, and says all
 * the while that it leads, so that two that could not hear each other find out when they can again.
 */
import { type Clock, delay } from "../net/clock.ts";
import { decode, encode } from "../net/codec.ts";
import {
  type ClaimMessage,
  leadershipBytesMax,
  type LeadershipMessage,
  leadershipMessageSchema,
  runSubjects,
} from "../net/messages.ts";
import { type Message, type Transport, TransportError } from "../net/transport.ts";

export type Claim = Omit<ClaimMessage, "type">;

/** Another coordinator leads the run: says which, and what to do. */
export class RunTakenError extends Error {
  override readonly name = "RunTakenError";
}

export interface LeadershipOptions {
  readonly transport: Transport;
  readonly run: string;
  /** Tells this coordinator from all others. */
  readonly life: string;
  /** This coordinator's process id, which the other one's sentence names. */
  readonly process: number;
  readonly folder: string;
  readonly clock: Clock;
  /** How long this process has been there: who came first stays. */
  readonly ageMs: () => number;
}

export interface Leadership extends Disposable {
  /** The sentence, once another one stays in its place. */
  readonly outranked: string | undefined;
  /**
   * From now on this one leads, until this is disposed. Said again, it leads on with what is given then.
   * @param isRunning whether it has workers at work
   * @param onOutranked called once, with the sentence, where another one stays in its place, or does so
   * already
   */
  lead(isRunning: () => boolean, onOutranked: (sentence: string) => void): void;
}

/** One that leads and does not answer has stopped, or its host has gone without a word to the broker. */
const answerMsMax = 2_000;
/** In which those who ask at the same moment hear of each other. */
const askMs = 250;
const announceMs = 1_000;

/**
 * Asks whether anybody leads the run.
 * @throws {RunTakenError} if somebody does, or asked before
 * @throws {TransportError} if the broker is lost meanwhile
 */
export async function claimRun(options: LeadershipOptions): Promise<Leadership> {
  const { transport, run, life, process, folder, clock, ageMs } = options;
  const { coordinators } = runSubjects(run);
  let state: Claim["state"] = "asking";
  let isRunning = () => false;
  let refuse = (_: string) => {};
  let cancel = () => {};
  const own = (): Claim => ({
    ...{ life, process, folder },
    state: state === "asking" ? state : isRunning() ? "running" : "gathering",
    ageMs: Math.max(0, Math.floor(ageMs())),
  });
  const say = (message: LeadershipMessage) => {
    try {
      transport.publish(coordinators, encode(message));
    } catch (error) {
      // A connection that is lost is told of once, by `closed`.
      if (!(error instanceof TransportError)) throw error;
    }
  };
  const respond = (message: Message, answer: Uint8Array) => {
    try {
      message.respond(answer);
    } catch (error) {
      if (!(error instanceof TransportError)) throw error;
    }
  };
  const claim = () => say({ type: "claim", ...own() });
  const hear = (data: Uint8Array, respond?: (data: Uint8Array) => void) => {
    let message: LeadershipMessage;
    try {
      message = decode(data, leadershipMessageSchema, { bytesMax: leadershipBytesMax });
    } catch {
      return;
    }
    if (message.life === life) return;
    if (message.type === "stay") {
      if (message.to === life) refuse(takenBy(run, message));
      return;
    }
    const fate = compareClaims(own(), message);
    // To all, for the other one's subscription, and as the answer to its first question.
    const answer: LeadershipMessage = fate === "stay"
      ? { type: "stay", to: message.life, ...own() }
      : { type: "claim", ...own() };
    if (fate !== "yield") say(answer);
    respond?.(encode(answer));
    if (fate !== "yield") return;
    // What was not asked for may be the last word of one that has died: only who answers is there.
    if (respond === undefined) refuse(takenBy(run, message));
    else asked ??= ask().finally(() => asked = undefined);
  };
  let asked: Promise<void> | undefined;
  const ask = async () => {
    try {
      const question = encode({ type: "claim", ...own() });
      hear(await transport.request(coordinators, question, { timeoutMs: answerMsMax }));
    } catch (error) {
      if (!(error instanceof TransportError)) throw error;
    }
  };
  const refused = new Promise<never>((_, reject) => {
    refuse = (sentence) => reject(new RunTakenError(sentence));
  });
  refused.catch(() => {});
  await ask();
  const subscription = transport.subscribe(coordinators, (message) => {
    hear(message.data, (answer) => respond(message, answer));
  });
  const close = () => {
    cancel();
    subscription.unsubscribe();
  };
  try {
    await transport.flush();
    claim();
    await Promise.race([refused, delay(clock, askMs)]);
    await Promise.race([refused, asked]);
  } catch (error) {
    close();
    throw error;
  }
  let outranked: string | undefined;
  return {
    get outranked() {
      return outranked;
    },
    lead(leads, onOutranked) {
      if (outranked !== undefined) return onOutranked(outranked);
      cancel();
      state = "gathering";
      isRunning = leads;
      refuse = (sentence) => {
        outranked = sentence;
        close();
        onOutranked(sentence);
      };
      const announce = () => {
        claim();
        cancel = clock.after(announceMs, announce);
      };
      announce();
    },
    [Symbol.dispose]: close,
  };
}

/**
 * What becomes of this coordinator beside another one: who leads stays before one that asks. Where they
 * are alike in that, one of the two decides for both, since each sees the other's age a little late:
 * who has workers at work stays, then who is older.
 */
export function compareClaims(own: Claim, other: Claim): "stay" | "yield" | "tell" {
  const [leads, otherLeads] = [own, other].map(({ state }) => state !== "asking");
  if (leads !== otherLeads) return leads ? "stay" : "yield";
  if (own.life > other.life) return "tell";
  const [works, otherWorks] = [own, other].map(({ state }) => state === "running");
  if (works !== otherWorks) return works ? "stay" : "yield";
  return own.ageMs >= other.ageMs ? "stay" : "yield";
}

function takenBy(run: string, { process, folder, ageMs, state }: Claim): string {
  const seconds = (ageMs / 1000).toFixed(0);
  const does = state === "asking" ? "is about to lead" : "leads";
  return `Cannot lead run "${run}": another coordinator ${does} it on this broker, process ` +
    `${process} with the run folder ${folder}, there for ${seconds} s; wait for its end, or choose ` +
    "another name with --run";
}
