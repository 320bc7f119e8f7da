/**
 * The coordinator of one run: hears its workers, asks `membership.ts` what that means, and does it.
 * It keeps the run's folder (checkpoints, metrics, pictures) and shows progress; it computes no
 * gradient and no step waits for it.
 */
import type { Clock } from "../net/clock.ts";
import { decode, encode } from "../net/codec.ts";
import {
  beginSchema,
  type CheckpointRequest,
  checkpointSchema,
  type CoordinatorMessage,
  finishedSchema,
  heartbeatSchema,
  joinSchema,
  messageBytesMax,
  type PictureRequest,
  pictureSchema,
  progressSchema,
  protocolVersion,
  readSchema,
  type ReadyRequest,
  readySchema,
  type Reply,
  runSubjects,
  validatingSchema,
  type ValidationRequest,
  validationSchema,
  writeSchema,
} from "../net/messages.ts";
import type { RunConfiguration } from "../net/run_configuration.ts";
import { type Message, type Transport, TransportError } from "../net/transport.ts";
import type { Schema } from "../net/schema.ts";
import { saveCheckpoint } from "./checkpoint_folder.ts";
import type { JsonValue } from "./checkpoint_manifest.ts";
import { arraysFromVectors, type ModelSpecs, vectorsFromArrays } from "./checkpoint_vectors.ts";
import { diskFileSystem, type FileSystem } from "./file_system.ts";
import {
  changeMembership,
  type FinishReport,
  initialMembership,
  type MembershipCommand,
  type MembershipEvent,
  type MembershipLimits,
} from "./membership.ts";
import type { RunFolder } from "./run_folder.ts";
import type { RunReport } from "./run_report.ts";
import { bytesOf } from "./safetensors.ts";
import { createVectorCollection } from "./vector_collection.ts";

export interface CoordinatorOptions {
  readonly transport: Transport;
  /** Names the run in subjects; letters, digits and dashes. */
  readonly run: string;
  readonly configuration: RunConfiguration;
  readonly folder: RunFolder;
  readonly report: RunReport;
  readonly limits: MembershipLimits;
  readonly clock: Clock;
  /** Time of day for the checkpoints' record, ISO 8601. */
  readonly timeOfDay: () => string;
  readonly fileSystem?: FileSystem;
  /** Called once, when the workers have said what they run on. */
  readonly onReady?: (ready: ReadyRequest) => Promise<void>;
}

export interface RunEnd {
  readonly reason: FinishReport["reason"];
  readonly step: number;
  readonly parametersSha256: string;
  readonly ready: ReadyRequest;
}

/** The run was stopped before there was anything to save. */
export class InterruptedError extends Error {
  override readonly name = "InterruptedError";
}

export interface Coordinator {
  /**
   * Resolves when the run is done or stopped; rejects with one sentence when it fails, with an
   * `InterruptedError` when it is stopped before its first step.
   */
  readonly ended: Promise<RunEnd>;
  /** Asks the workers to stop after a common step, with a checkpoint. */
  stop(): void;
  /** Ends the run now, e.g. because a worker process that was started for it has ended. */
  fail(message: string): void;
  /** Waits for a checkpoint that is being written, which may be the one to go on from. */
  close(): Promise<void>;
}

const tickMs = 250;
/** Most that workers may have uploaded and not yet saved. */
const uploadBytesMax = 8 * 2 ** 30;
/** Fits into a message; a reason may quote a whole configuration. */
const reasonLengthMax = 4000;

export function startCoordinator(options: CoordinatorOptions): Coordinator {
  const { transport, configuration, folder, report, clock, limits } = options;
  const fileSystem = options.fileSystem ?? diskFileSystem;
  const subjects = runSubjects(options.run);
  const { lanes } = configuration;
  const uploads = createVectorCollection(uploadBytesMax);
  const joins = new Map<string, Message>();
  const beginnings = new Map<string, Message>();
  const checkpoints = new Map<string, { message: Message; request: CheckpointRequest }>();
  const losses = new Map<string, { message: Message; shards: ValidationRequest }>();
  let membership = initialMembership(configuration.workers, limits, clock.nowMs());
  let specs: ModelSpecs | undefined;
  let readyReport: ReadyRequest | undefined;
  let restore: Map<string, Float32Array> | undefined;
  let saving: Promise<void> = Promise.resolve();
  let validation: Readonly<Record<string, number>> = {};
  let failure: new (message: string) => Error = Error;
  let settle: { resolve: (end: RunEnd) => void; reject: (error: Error) => void };
  const ended = new Promise<RunEnd>((resolve, reject) => settle = { resolve, reject });
  ended.catch(() => {});

  const broadcast = (message: CoordinatorMessage) =>
    transport.publish(subjects.workers, encode(message));
  const respond = (message: Message, answer: Uint8Array) => {
    try {
      message.respond(answer);
    } catch (error) {
      // Without a connection there is nobody to answer; its end is told once, by `closed`.
      if (!(error instanceof TransportError)) throw error;
    }
  };
  const reply = (message: Message, answer: Reply) => respond(message, encode(answer));
  const end = (reason: string) => {
    try {
      broadcast({ type: "end", reason: reason.slice(0, reasonLengthMax) });
    } catch (error) {
      if (!(error instanceof TransportError)) throw error;
    }
  };

  const apply = (event: MembershipEvent) => {
    const change = changeMembership(membership, event, clock.nowMs());
    membership = change.state;
    for (const command of change.commands) perform(command);
  };

  const perform = (command: MembershipCommand) => {
    switch (command.type) {
      case "accept":
        reply(joins.get(command.worker)!, accepted(JSON.stringify(configuration)));
        report.joined(membership.members.length, configuration.workers);
        return;
      case "refuse":
        return reply(joins.get(command.worker)!, refused(command.reason));
      case "start":
        return start(command.members);
      case "askStop":
        report.stopping();
        return broadcast({ type: "stop" });
      case "finish":
        end("");
        return settle.resolve({ ...command.report, ready: readyReport! });
      case "fail":
        end(command.message);
        return settle.reject(new failure(command.message));
    }
  };

  const start = (members: readonly string[]) => {
    const { resumed } = folder;
    try {
      restore = resumed && vectorsFromArrays(specs!, lanes, resumed);
    } catch (error) {
      return fail(sentence(error));
    }
    report.started(readyReport!, resumed?.step ?? 0);
    options.onReady?.(readyReport!).catch((error) => report.warn(sentence(error)));
    broadcast({
      type: "start",
      generation: 1,
      members: [...members],
      step: resumed?.step ?? 0,
      epoch: resumed?.epoch ?? 0,
      planStep: resumed?.planStep ?? 0,
      restore: resumed !== undefined,
    });
  };

  const fail = (message: string) => {
    if (membership.phase === "ended") return;
    membership = { ...membership, phase: "ended" };
    end(message);
    settle.reject(new Error(message));
  };

  const saveWhenComplete = () => {
    if (checkpoints.size < membership.members.length) return;
    const entries = [...checkpoints.values()];
    checkpoints.clear();
    // One after the other: two would remove each other's half-written folders.
    saving = saving.then(() => save(entries));
  };

  const save = async (entries: readonly { message: Message; request: CheckpointRequest }[]) => {
    const [{ request }] = entries;
    try {
      const arrays = arraysFromVectors(specs!, lanes, uploads.take);
      await saveCheckpoint(
        fileSystem,
        folder.checkpointsPath,
        {
          ...arrays,
          step: request.step,
          epoch: request.epoch,
          planStep: request.planStep,
          configuration: configuration as unknown as JsonValue,
          metrics: request.planStep === 0 ? validation : {},
          createdAt: options.timeOfDay(),
        },
        { warn: report.warn },
      );
      report.checkpointed(request.step);
      for (const { message } of entries) reply(message, accepted());
    } catch (error) {
      for (const { message } of entries) reply(message, refused(sentence(error)));
      fail(sentence(error));
    }
  };

  const sumWhenComplete = () => {
    if (losses.size < membership.members.length) return;
    const entries = [...losses.values()];
    losses.clear();
    for (const { message } of entries) reply(message, accepted());
    // A stop came in between, and there is no loss to tell.
    validation = {};
    if (entries.some(({ shards }) => shards.shards.length === 0)) return;
    // In shard order, so that the sum has the same bits whoever computed which shard.
    const shards = entries.flatMap(({ shards }) => shards.shards)
      .sort((a, b) => a.shard - b.shard);
    const sum = (read: (shard: typeof shards[number]) => number) =>
      shards.reduce((total, shard) => total + read(shard), 0);
    const weight = sum((shard) => shard.weightSum);
    validation = {
      validationLoss: sum((shard) => shard.lossSum) / weight,
      persistenceLoss: sum((shard) => shard.persistenceSum) / weight,
    };
    const { step, epoch } = entries[0].shards;
    report.validated({
      step,
      epoch,
      validationLoss: validation.validationLoss,
      persistenceLoss: validation.persistenceLoss,
    });
  };

  const draw = async (message: Message, request: PictureRequest) => {
    try {
      const { height, width } = request;
      const sequences = request.samples.map(({ label, frames, firstPredicted }, index) => ({
        label,
        frames,
        inputFrames: firstPredicted,
        height,
        width,
        truth: uploads.take(`sample/${index}/truth`),
        predictions: uploads.take(`sample/${index}/predictions`),
      }));
      await report.picture(request.step, sequences);
    } catch (error) {
      // A picture that cannot be drawn costs a warning, never the run.
      report.warn(`Cannot draw predictions: ${sentence(error)}`);
    }
    reply(message, accepted());
  };

  const listen = <T>(
    subject: string,
    schema: Schema<T>,
    handle: (value: T, message: Message) => void,
  ) =>
    transport.subscribe(subject, (message) => {
      let value: T;
      try {
        value = decode(message.data, schema, { bytesMax: messageBytesMax, name: subject });
      } catch (error) {
        report.warn(`Dropped a message on ${subject}: ${sentence(error)}`);
        return reply(message, refused(sentence(error)));
      }
      handle(value, message);
    });

  const subscriptions = [
    listen(subjects.join, joinSchema, (request, message) => {
      if (request.protocol !== protocolVersion) {
        const reason = `it speaks version ${request.protocol} of the protocol, the coordinator ` +
          `${protocolVersion}; install the same Lockstep everywhere`;
        return reply(message, refused(reason));
      }
      joins.set(request.worker, message);
      apply({ type: "join", worker: request.worker, where: request.where });
    }),
    listen(subjects.ready, readySchema, (request, message) => {
      specs ??= request;
      readyReport ??= request;
      reply(message, accepted());
      apply({ type: "ready", worker: request.worker, report: request });
    }),
    listen(subjects.begin, beginSchema, ({ worker }, message) => {
      beginnings.set(worker, message);
      if (beginnings.size < membership.members.length) return;
      for (const waiting of beginnings.values()) reply(waiting, accepted());
      beginnings.clear();
    }),
    listen(subjects.heartbeat, heartbeatSchema, ({ worker }, message) => {
      apply({ type: "heartbeat", worker });
      reply(message, accepted());
    }),
    listen(subjects.progress, progressSchema, (progress) => report.progress(progress)),
    listen(
      subjects.validating,
      validatingSchema,
      ({ done, total }) => report.validating(done, total),
    ),
    listen(subjects.write, writeSchema, (part, message) => {
      try {
        uploads.add({ ...part, name: part.vector });
        reply(message, accepted());
      } catch (error) {
        reply(message, refused(sentence(error)));
      }
    }),
    listen(subjects.read, readSchema, ({ vector, offset, bytes }, message) => {
      const values = restore?.get(vector);
      if (!values) return reply(message, refused(`there is no vector "${vector}" to read`));
      const data = bytesOf(values).subarray(offset, offset + bytes);
      respond(message, encode({ ...accepted(), totalBytes: values.byteLength, data }));
    }),
    listen(subjects.checkpoint, checkpointSchema, (request, message) => {
      checkpoints.set(request.worker, { message, request });
      saveWhenComplete();
    }),
    listen(subjects.validation, validationSchema, (shards, message) => {
      losses.set(shards.worker, { message, shards });
      sumWhenComplete();
    }),
    listen(subjects.pictures, pictureSchema, (request, message) => void draw(message, request)),
    listen(subjects.finished, finishedSchema, (report, message) => {
      const { worker, reason, step, parametersSha256, failure } = report;
      reply(message, accepted());
      apply(
        failure !== ""
          ? { type: "failed", worker, message: failure }
          : { type: "finished", worker, report: { reason, step, parametersSha256 } },
      );
    }),
  ];

  let cancelTick = () => {};
  const tick = () => {
    apply({ type: "tick" });
    if (membership.phase !== "ended") cancelTick = clock.after(tickMs, tick);
  };
  cancelTick = clock.after(tickMs, tick);
  void transport.closed.then((error) => {
    if (membership.phase === "ended") return;
    fail(error?.message ?? "The connection to nats-server was closed");
  });

  return {
    ended,
    stop() {
      if (membership.phase !== "running") failure = InterruptedError;
      apply({ type: "stop" });
    },
    fail,
    async close() {
      cancelTick();
      await saving;
      for (const subscription of subscriptions) subscription.unsubscribe();
      uploads.clear();
    },
  };
}

function accepted(text = ""): Reply {
  return { ok: true, text };
}

function refused(reason: string): Reply {
  return { ok: false, text: reason };
}

function sentence(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
