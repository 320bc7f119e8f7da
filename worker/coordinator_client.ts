/**
 * The worker's side of the conversation with its coordinator: requests that are answered or throw,
 * vectors sent and fetched in parts, and the coordinator's broadcasts as promises.
 *
 * Everything that a worker says while it trains belongs to a generation. When a newer one begins, or
 * coordinator or broker are gone, all that waits for an answer is interrupted at once.
 */
import { type Clock, delay } from "../net/clock.ts";
import { decode, type Encodable, encode } from "../net/codec.ts";
import {
  type CoordinatorMessage,
  coordinatorMessageSchema,
  messageBytesMax,
  payloadBytesAmple,
  type PictureRequest,
  protocolVersion,
  readReplySchema,
  type ReadyRequest,
  type Reply,
  replySchema,
  runSubjects,
  staleGeneration,
  type StartMessage,
  type StepProgress,
  type Tally,
  unknownWorker,
  type ValidationProgress,
  vectorPartBytesMax,
  workerSubjects,
} from "../net/messages.ts";
import { type Transport, TransportError } from "../net/transport.ts";
import { Interruption } from "./interruption.ts";
import type { ShardLoss } from "./opened_run.ts";
import type { Position } from "./position.ts";

/** The coordinator ended the run, or refused this worker. */
export class RunEndedError extends Error {
  override readonly name = "RunEndedError";
}

/** The coordinator hears this worker no more; another process may take its place. */
export class ExcludedError extends RunEndedError {}

/** Another process has the worker's name, and may have died. */
class NameTakenError extends RunEndedError {
  constructor(message: string, readonly holderSilentMs: number) {
    super(message);
  }
}

/** Coordinator or broker are gone: to be joined again. */
export class ConnectionLostError extends Error {
  override readonly name = "ConnectionLostError";
}

/** A newer generation has begun: what this one was doing is void. */
export class GenerationEndedError extends Error {
  override readonly name = "GenerationEndedError";
}

export interface CoordinatorClient {
  /** Which life of the coordinator has accepted this worker; undefined before. */
  readonly life: string | undefined;
  /** Waits for a coordinator to appear. @returns the run's configuration as JSON */
  join(where: string, waitMs: number, engine?: string): Promise<string>;
  /** @param heartbeatMs between the signs of life from now on */
  ready(report: ReadyRequest, heartbeatMs: number): Promise<void>;
  /** Asks to be let go at the next snapshot. */
  leave(): void;
  /** The first generation after `generation` that begins. */
  nextStart(generation: number): Promise<StartMessage>;
  stopRequested(): boolean;
  generation(start: StartMessage): GenerationClient;
  /**
   * Tells the coordinator that this worker cannot go on, so that the run ends.
   * @throws nothing: the coordinator may be what failed
   */
  failed(reason: string): Promise<void>;
  close(): void;
}

/** The conversation within one generation. */
export interface GenerationClient {
  /** Rejects when a newer generation begins, the run ends or the connection is lost. */
  readonly interrupted: Promise<never>;
  /** Resolves when every member has said so too. */
  begin(): Promise<void>;
  progress(step: Omit<StepProgress, "generation">): void;
  validating(progress: Omit<ValidationProgress, "generation">): void;
  /** This worker's sum waits, and nothing comes of these members. */
  stalled(missing: readonly string[]): void;
  /** Too much has come of this member that no sound worker sends. */
  accuse(accused: string): void;
  writeVector(vector: string, values: Float32Array): Promise<void>;
  readVector(vector: string): Promise<Float32Array>;
  /** All vectors of a snapshot are written. @param save waits until it is on disk */
  snapshot(position: Position, save: boolean, tally: Tally): Promise<void>;
  /** Asks for a new generation from the last snapshot, and waits for it. */
  rollback(step: number, fault: string): Promise<never>;
  validation(position: Position, shards: readonly ShardLoss[]): Promise<void>;
  picture(request: Omit<PictureRequest, "generation">): Promise<void>;
  finished(
    end: { reason: "done" | "stopped"; step: number; parametersSha256: string },
  ): Promise<void>;
}

export interface ClientOptions {
  readonly control: Transport;
  /** The connection for gradients: when it is lost, so is this worker's part in the generation. */
  readonly data: Transport;
  readonly run: string;
  readonly worker: string;
  /** Counts this process's connections to the run. @default {0} */
  readonly attempt?: number;
  readonly clock: Clock;
}

/** How often, and how long, a worker asks whether its coordinator is still there. */
const livenessIntervalMs = 500;
const livenessTimeoutMs = 60_000;
/**
 * Another coordinator of the run's name calls this worker: where its own, which speaks four times a
 * second, has been silent for this long, that one has died and this is the next.
 */
const ownSilenceMs = 1_000;
const joinRetryMs = 100;
/** What two answers may differ by on their way; a holder that lives speaks more rarely than that. */
const holderSpokeMs = 100;
/** An answer that is lost with its broker is asked for again; to join twice is to join once. */
const joinTimeoutMs = 2_000;
const requestTimeoutMs = 10_000;
/**
 * Writing a checkpoint waits for the disk and for the slowest worker. Not as long as a sum: a question
 * that is lost on its way is found by this alone.
 */
const barrierTimeoutMs = 600_000;

/** Bytes that the smallest broker takes, where that is little; undefined where it is ample. */
function shortPayload(...transports: readonly Transport[]): number | undefined {
  const least = Math.min(...transports.map(({ payloadBytesMax }) => payloadBytesMax));
  return least < payloadBytesAmple ? least : undefined;
}

export function connectCoordinator(options: ClientOptions): CoordinatorClient {
  const { control, data, run, worker, clock, attempt = 0 } = options;
  const subjects = workerSubjects(run, worker);
  const payloadBytesMax = Math.floor((control.payloadBytesMax - 4096) / 4) * 4;
  const partBytesMax = Math.min(payloadBytesMax, vectorPartBytesMax);
  const over = new Interruption();
  /** Where this process is, once it has joined. */
  let joinedFrom: string | undefined;
  /** Which life of the coordinator it has joined. */
  let life: string | undefined;
  let newest: StartMessage | undefined;
  let onStart: (() => void)[] = [];
  let stop = false;
  let heardMs = 0;
  /** By this worker's clock. */
  let heardAtMs = 0;
  let closed = false;
  const subscription = control.subscribe(runSubjects(run).workers, ({ data }) => {
    let message: CoordinatorMessage;
    try {
      message = decode(data, coordinatorMessageSchema, { bytesMax: messageBytesMax });
    } catch {
      return;
    }
    // One that is gone may be heard late, and another run may have the same name.
    const isOwn = message.life === undefined || message.life === life;
    // What was said before the join was heard is about an earlier connection.
    if (message.type === "rejoin" && message.worker === worker && joinedFrom !== undefined) {
      if (message.where !== undefined && message.where !== joinedFrom) return;
      if (!isOwn && clock.nowMs() - heardAtMs < ownSilenceMs) return;
      over.interrupt(new ConnectionLostError("The coordinator does not know this worker any more"));
    }
    if (!isOwn) return;
    if (message.type === "start" && message.generation > (newest?.generation ?? 0)) {
      newest = message;
      const waiting = onStart;
      onStart = [];
      for (const notify of waiting) notify();
    }
    if (message.type === "stop") stop = true;
    if (message.type === "beat") [heardMs, heardAtMs] = [message.sentMs, clock.nowMs()];
    if (message.type === "end") over.interrupt(new RunEndedError(message.reason));
  });
  for (const transport of [control, data]) {
    void transport.closed.then((error) => {
      over.interrupt(
        new ConnectionLostError(error?.message ?? "The connection to nats-server was closed"),
      );
    });
  }

  /** For the coordinator that it has joined. */
  const addressed = <T extends object>(body: T) => life === undefined ? body : { ...body, life };
  const ask = async (
    subject: string,
    body: Record<string, Encodable>,
    interruption: Interruption,
    timeoutMs = requestTimeoutMs,
  ): Promise<Uint8Array> => {
    if (interruption.reason) throw interruption.reason;
    const message = encode(addressed(body));
    // Whoever joined again would come to the same message.
    if (message.length > control.payloadBytesMax) throw new Error(tooLong(subject, message.length));
    try {
      return await interruption.race(control.request(subject, message, { timeoutMs }));
    } catch (cause) {
      if (!(cause instanceof TransportError)) throw cause;
      throw new ConnectionLostError(`Lost the coordinator: ${cause.message}`, { cause });
    }
  };
  const tooLong = (subject: string, bytes: number) =>
    `Cannot say "${
      subject.split(".").at(-1)
    }" to the coordinator: it takes ${bytes} bytes, and the ` +
    `broker ${control.payloadBytesMax} at most in one message; raise its max_payload`;
  const check = (reply: Reply): void => {
    if (reply.ok) return;
    if (reply.text === staleGeneration) throw new GenerationEndedError(staleGeneration);
    // Given up while it opened its data, say: it comes again, as after any loss.
    if (reply.text === unknownWorker) throw new ConnectionLostError(unknownWorker);
    const refusal = `The coordinator refused: ${reply.text}`;
    if (reply.excluded) throw new ExcludedError(refusal);
    const { holderSilentMs } = reply;
    throw holderSilentMs === undefined
      ? new RunEndedError(refusal)
      : new NameTakenError(refusal, holderSilentMs);
  };
  const request = async (
    subject: string,
    body: Record<string, Encodable>,
    interruption: Interruption,
    timeoutMs?: number,
  ): Promise<Reply> => {
    const answer = await ask(subject, body, interruption, timeoutMs);
    const reply = decode(answer, replySchema, { bytesMax: messageBytesMax });
    check(reply);
    return reply;
  };

  const signOfLife = () => ({
    attempt,
    where: joinedFrom ?? "",
    generation: newest?.generation ?? 0,
    heardMs,
  });
  /**
   * No step waits for the coordinator, so that it is gone would otherwise show much later. One that
   * dies with a question leaves it unanswered; that nobody hears the next one shows at once.
   */
  const watchCoordinator = async () => {
    while (!closed) {
      const question = encode(addressed(signOfLife()));
      control.request(subjects.heartbeat, question, { timeoutMs: livenessTimeoutMs })
        .catch((error) => {
          const why = error instanceof Error ? error.message : String(error);
          over.interrupt(new ConnectionLostError(`Lost the coordinator: ${why}`));
        });
      await delay(clock, livenessIntervalMs);
    }
  };

  let cancelHeartbeat = () => {};
  const publish = (subject: string, body: Record<string, Encodable>) => {
    try {
      control.publish(subject, encode(addressed(body)));
    } catch (error) {
      // A connection that is lost is told of once, by `closed`.
      if (!(error instanceof TransportError)) throw error;
    }
  };
  const nextStart = async (generation: number): Promise<StartMessage> => {
    for (;;) {
      if (over.reason) throw over.reason;
      if (newest && newest.generation > generation) return newest;
      await over.race(new Promise<void>((resolve) => onStart.push(resolve)));
    }
  };

  return {
    get life() {
      return life;
    },
    nextStart,
    stopRequested: () => stop,
    async join(where, waitMs, engine) {
      await control.flush();
      const deadline = clock.nowMs() + waitMs;
      const body = {
        ...{ protocol: protocolVersion, where, attempt, engine },
        payloadBytesMax: shortPayload(control, data),
      };
      /** When the holder of this worker's name was heard last, by this clock, as it was told at first. */
      let holderHeardMs: number | undefined;
      const isHolderSilent = (error: unknown) => {
        if (!(error instanceof NameTakenError) || clock.nowMs() >= deadline) return false;
        const heardMs = clock.nowMs() - error.holderSilentMs;
        holderHeardMs ??= heardMs;
        return heardMs - holderHeardMs < holderSpokeMs;
      };
      for (;;) {
        try {
          const timeoutMs = Math.max(1, Math.min(joinTimeoutMs, deadline - clock.nowMs()));
          const reply = await request(subjects.join, body, over, timeoutMs);
          joinedFrom = where;
          ({ life } = reply);
          heardAtMs = clock.nowMs();
          void watchCoordinator();
          return reply.text;
        } catch (error) {
          // A supervisor starts a worker again under its own name, which is free once it is silent.
          if (error instanceof RunEndedError && !isHolderSilent(error)) throw error;
          if (clock.nowMs() >= deadline) {
            throw new Error(
              `Cannot join run "${run}": no coordinator answered within ${waitMs / 1000} s; ` +
                "start it with `deno task coordinator`, or check --run and --nats",
              { cause: error },
            );
          }
          if (over.reason) throw error;
        }
        await delay(clock, joinRetryMs);
      }
    },
    async ready(report, heartbeatMs) {
      // The first start that counts is one that knows of this worker.
      newest = undefined;
      await request(subjects.ready, { ...report }, over);
      const beat = () => {
        if (closed) return;
        publish(subjects.heartbeat, signOfLife());
        cancelHeartbeat = clock.after(heartbeatMs, beat);
      };
      beat();
    },
    leave: () => publish(subjects.leave, {}),
    generation(start) {
      const { generation } = start;
      const interruption = new Interruption();
      void nextStart(generation).then(
        () => interruption.interrupt(new GenerationEndedError(`Generation ${generation} is over`)),
        (error) => interruption.interrupt(error),
      );
      const interrupted = new Promise<never>((_, reject) => interruption.onInterrupt(reject));
      interrupted.catch(() => {});
      return {
        interrupted,
        async begin() {
          await request(
            subjects.begin,
            { generation, where: joinedFrom ?? "" },
            interruption,
            barrierTimeoutMs,
          );
        },
        progress: (step) => publish(subjects.progress, { ...step, generation }),
        stalled: (missing) => publish(subjects.stalled, { generation, missing: [...missing] }),
        accuse: (accused) => publish(subjects.accuse, { generation, accused }),
        validating: (progress) => publish(subjects.validating, { ...progress, generation }),
        async writeVector(vector, values) {
          const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
          const totalBytes = bytes.length;
          let offset = 0;
          do {
            const data = bytes.subarray(offset, offset + partBytesMax);
            const part = { generation, vector, totalBytes, offset, data };
            await request(subjects.write, part, interruption);
            offset += data.length;
          } while (offset < totalBytes);
        },
        async readVector(vector) {
          let values: Uint8Array | undefined;
          let offset = 0;
          do {
            const body = { generation, vector, offset, bytes: partBytesMax };
            const answer = await ask(subjects.read, body, interruption);
            const reply = decode(answer, readReplySchema, { bytesMax: messageBytesMax });
            check(reply);
            const { totalBytes = 0, data = new Uint8Array(0) } = reply;
            values ??= new Uint8Array(totalBytes);
            const end = offset + data.length;
            if (totalBytes !== values.length || end > values.length || end === offset) {
              if (values.length === 0) break;
              throw new Error(
                `Cannot restore "${vector}": bytes [${offset}, ${end}) came of ` +
                  `${totalBytes}, with ${offset} of ${values.length} before`,
              );
            }
            values.set(data, offset);
            offset = end;
          } while (offset < values.length);
          return new Float32Array(values.buffer);
        },
        async snapshot(position, save, { lossSum, frames, faultsInARow }) {
          const tally = { lossSum, frames, faultsInARow };
          const body = { generation, save, ...position, tally };
          await request(subjects.snapshot, body, interruption, barrierTimeoutMs);
        },
        async rollback(step, fault) {
          await request(subjects.rollback, { generation, step, fault }, interruption);
          return await interrupted;
        },
        async validation({ step, epoch }, losses) {
          const shards = losses.map((shard) => ({ ...shard }));
          const body = { generation, step, epoch, shards };
          await request(subjects.validation, body, interruption, barrierTimeoutMs);
        },
        async picture(picture) {
          const samples = picture.samples.map((sample) => ({ ...sample }));
          const body = { ...picture, samples, generation };
          await request(subjects.pictures, body, interruption, barrierTimeoutMs);
        },
        async finished(end) {
          const body = { generation, ...end, failure: "" };
          await request(subjects.finished, body, interruption);
        },
      };
    },
    async failed(failure) {
      const end = { reason: "stopped", step: 0, parametersSha256: "" };
      const body = { generation: newest?.generation ?? 0, ...end, failure };
      await request(subjects.finished, body, over).catch(() => {});
    },
    close() {
      closed = true;
      cancelHeartbeat();
      subscription.unsubscribe();
      over.interrupt(new ConnectionLostError("closed"));
    },
  };
}
