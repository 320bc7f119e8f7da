/**
 * The worker's side of the conversation with its coordinator: requests that are answered or throw,
 * vectors sent and fetched in parts, and the coordinator's broadcasts as promises.
 */
import { type Clock, delay } from "../net/clock.ts";
import { decode, type Encodable, encode } from "../net/codec.ts";
import {
  type CoordinatorMessage,
  coordinatorMessageSchema,
  messageBytesMax,
  type PictureRequest,
  protocolVersion,
  readReplySchema,
  type ReadyRequest,
  type Reply,
  replySchema,
  runSubjects,
  type StartMessage,
  type StepProgress,
  type ValidationProgress,
} from "../net/messages.ts";
import { type Transport, TransportError } from "../net/transport.ts";
import type { ShardLoss } from "./evaluation.ts";
import type { Position } from "./position.ts";

/** The coordinator ended the run, or refused this worker. */
export class RunEndedError extends Error {
  override readonly name = "RunEndedError";
}

export interface CoordinatorClient {
  /** Resolves when the run begins. */
  readonly started: Promise<StartMessage>;
  /** Resolves when the run is over, with the reason where it failed; empty where it did not. */
  readonly ended: Promise<string>;
  stopRequested(): boolean;
  /** Waits for a coordinator to appear. @returns the run's configuration as JSON */
  join(where: string, waitMs: number): Promise<string>;
  ready(report: Omit<ReadyRequest, "worker">): Promise<void>;
  /** Resolves when every worker of the run has said so too. */
  begin(): Promise<void>;
  progress(step: StepProgress): void;
  validating(progress: ValidationProgress): void;
  writeVector(vector: string, values: Float32Array): Promise<void>;
  readVector(vector: string): Promise<Float32Array>;
  checkpoint(position: Position): Promise<void>;
  validation(position: Position, shards: readonly ShardLoss[]): Promise<void>;
  picture(request: Omit<PictureRequest, "worker">): Promise<void>;
  finished(
    end: { reason: "done" | "stopped"; step: number; parametersSha256: string; failure: string },
  ): Promise<void>;
  close(): void;
}

export interface ClientOptions {
  readonly transport: Transport;
  readonly run: string;
  readonly worker: string;
  readonly clock: Clock;
}

const heartbeatMs = 250;
/**
 * How often a worker asks whether its coordinator is still there. A broker tells at once that nobody
 * listens; the time limit is for a coordinator that hangs, and longer than a library's loading from
 * a cold disk, which holds up the worker's own timers and the answer alike.
 */
const livenessIntervalMs = 1_000;
const livenessTimeoutMs = 300_000;
const joinRetryMs = 250;
const requestTimeoutMs = 10_000;
/** Writing a checkpoint waits for the disk and for the slowest worker. */
const barrierTimeoutMs = 600_000;

export function connectCoordinator(options: ClientOptions): CoordinatorClient {
  const { transport, run, worker, clock } = options;
  const subjects = runSubjects(run);
  const partBytesMax = Math.floor((transport.payloadBytesMax - 4096) / 4) * 4;
  const started = Promise.withResolvers<StartMessage>();
  const ended = Promise.withResolvers<string>();
  let stop = false;
  let closed = false;
  const subscription = transport.subscribe(subjects.workers, ({ data }) => {
    let message: CoordinatorMessage;
    try {
      message = decode(data, coordinatorMessageSchema, { bytesMax: messageBytesMax });
    } catch {
      return;
    }
    if (message.type === "start") started.resolve(message);
    if (message.type === "stop") stop = true;
    if (message.type === "end") ended.resolve(message.reason);
  });
  void transport.closed.then((error) => {
    ended.resolve(error?.message ?? "The connection to nats-server was closed");
  });
  let failure = "";
  const waiting = new Set<(reason: RunEndedError) => void>();
  void ended.promise.then((reason) => {
    failure = reason;
    if (failure !== "") { for (const reject of waiting) reject(new RunEndedError(failure)); }
  });
  /** A coordinator whose run has failed may give no other answer than that. */
  const unlessFailed = <T>(answer: Promise<T>): Promise<T> =>
    new Promise((resolve, reject) => {
      if (failure !== "") reject(new RunEndedError(failure));
      waiting.add(reject);
      answer.then(resolve, reject).finally(() => waiting.delete(reject));
    });

  const request = async (
    subject: string,
    body: Encodable,
    timeoutMs = requestTimeoutMs,
  ): Promise<Reply> => {
    const data = await unlessFailed(transport.request(subject, encode(body), { timeoutMs }));
    const reply = decode(data, replySchema, { bytesMax: messageBytesMax });
    if (!reply.ok) throw new RunEndedError(`The coordinator refused: ${reply.text}`);
    return reply;
  };

  /** No step waits for the coordinator, so that it is gone would otherwise show much later. */
  const watchCoordinator = async () => {
    const question = encode({ worker });
    while (!closed) {
      try {
        await transport.request(subjects.heartbeat, question, { timeoutMs: livenessTimeoutMs });
      } catch (error) {
        const why = error instanceof Error ? error.message : String(error);
        return ended.resolve(`Lost the coordinator: ${why}`);
      }
      await delay(clock, livenessIntervalMs);
    }
  };

  let cancelHeartbeat = () => {};
  const beat = () => {
    if (closed) return;
    try {
      transport.publish(subjects.heartbeat, encode({ worker }));
    } catch (error) {
      // A connection that is lost is told of once, by `transport.closed`.
      if (error instanceof TransportError) return;
      throw error;
    }
    cancelHeartbeat = clock.after(heartbeatMs, beat);
  };

  return {
    started: started.promise,
    ended: ended.promise,
    stopRequested: () => stop,
    async join(where, waitMs) {
      await transport.flush();
      const deadline = clock.nowMs() + waitMs;
      const body = encode({ protocol: protocolVersion, worker, where });
      for (;;) {
        try {
          const timeoutMs = Math.max(1, Math.min(requestTimeoutMs, deadline - clock.nowMs()));
          const data = await transport.request(subjects.join, body, { timeoutMs });
          const reply = decode(data, replySchema, { bytesMax: messageBytesMax });
          if (!reply.ok) throw new RunEndedError(`The coordinator refused: ${reply.text}`);
          void watchCoordinator();
          return reply.text;
        } catch (error) {
          if (error instanceof RunEndedError) throw error;
          if (failure !== "") throw new RunEndedError(failure, { cause: error });
          if (clock.nowMs() >= deadline) {
            throw new Error(
              `Cannot join run "${run}": no coordinator answered within ${waitMs / 1000} s; ` +
                "start it with `deno task coordinator`, or check --run and --nats",
              { cause: error },
            );
          }
        }
        await delay(clock, joinRetryMs);
      }
    },
    async ready(report) {
      await request(subjects.ready, { ...report, worker });
      beat();
    },
    async begin() {
      await request(subjects.begin, { worker }, barrierTimeoutMs);
    },
    progress(step) {
      transport.publish(subjects.progress, encode({ ...step }));
    },
    validating(progress) {
      transport.publish(subjects.validating, encode({ ...progress }));
    },
    async writeVector(vector, values) {
      const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
      const totalBytes = bytes.length;
      let offset = 0;
      do {
        const data = bytes.subarray(offset, offset + partBytesMax);
        await request(subjects.write, { vector, totalBytes, offset, data });
        offset += data.length;
      } while (offset < totalBytes);
    },
    async readVector(vector) {
      let values: Uint8Array | undefined;
      let offset = 0;
      do {
        const body = encode({ vector, offset, bytes: partBytesMax });
        const timeoutMs = requestTimeoutMs;
        const answer = await unlessFailed(transport.request(subjects.read, body, { timeoutMs }));
        const reply = decode(answer, readReplySchema, { bytesMax: messageBytesMax });
        if (!reply.ok) throw new Error(`Cannot restore "${vector}": ${reply.text}`);
        values ??= new Uint8Array(reply.totalBytes);
        const end = offset + reply.data.length;
        if (reply.totalBytes !== values.length || end > values.length || end === offset) {
          if (values.length === 0) break;
          throw new Error(
            `Cannot restore "${vector}": bytes [${offset}, ${end}) came of ${reply.totalBytes}, ` +
              `with ${offset} of ${values.length} before`,
          );
        }
        values.set(reply.data, offset);
        offset = end;
      } while (offset < values.length);
      return new Float32Array(values.buffer);
    },
    async checkpoint(position) {
      await request(subjects.checkpoint, { worker, ...position }, barrierTimeoutMs);
    },
    async validation({ step, epoch }, shards) {
      const body = { worker, step, epoch, shards: shards.map((shard) => ({ ...shard })) };
      await request(subjects.validation, body, barrierTimeoutMs);
    },
    async picture(picture) {
      const samples = picture.samples.map((sample) => ({ ...sample }));
      await request(subjects.pictures, { ...picture, samples, worker }, barrierTimeoutMs);
    },
    async finished(end) {
      await request(subjects.finished, { worker, ...end });
    },
    close() {
      closed = true;
      cancelHeartbeat();
      subscription.unsubscribe();
    },
  };
}
