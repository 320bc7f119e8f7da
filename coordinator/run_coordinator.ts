/**
 * The coordinator of one run: hears its workers, asks `membership.ts` what that means, and does it.
 * It keeps the last snapshot that was complete, from which every generation begins, and the run's
 * folder (checkpoints, metrics, pictures); it computes no gradient and no step waits for it.
 */
import { assignShards } from "../collective/canonical_tree.ts";
import type { Clock } from "../net/clock.ts";
import { decode, encode } from "../net/codec.ts";
import { isAllFinite } from "../net/finite.ts";
import {
  accuseSchema,
  beginSchema,
  type CoordinatorMessage,
  finishedSchema,
  heartbeatSchema,
  joinSchema,
  joinVersionSchema,
  leaveSchema,
  messageBytesMax,
  nameIsTaken,
  type PictureRequest,
  pictureSchema,
  progressSchema,
  protocolVersion,
  readSchema,
  type ReadyRequest,
  readySchema,
  type Reply,
  rollbackSchema,
  runSubjects,
  senderAndVerb,
  type SnapshotRequest,
  snapshotSchema,
  staleGeneration,
  stalledSchema,
  type Tally,
  unknownWorker,
  validatingSchema,
  type ValidationRequest,
  validationSchema,
  type WorkerVerb,
  writeSchema,
} from "../net/messages.ts";
import type { RunConfiguration } from "../net/run_configuration.ts";
import { type Message, type Transport, TransportError } from "../net/transport.ts";
import type { Schema } from "../net/schema.ts";
import { createStrikes } from "../net/strikes.ts";
import { saveCheckpoint } from "./checkpoint_folder.ts";
import type { JsonValue } from "./checkpoint_manifest.ts";
import { createGathering, type Gathered } from "./gathering.ts";
import type { Journal, JournalEntry } from "./journal.ts";
import {
  arraysFromVectors,
  checkpointVectors,
  type ModelSpecs,
  rankOfVector,
  vectorBytes,
  vectorsFromArrays,
} from "./checkpoint_vectors.ts";
import { diskFileSystem, type FileSystem } from "./file_system.ts";
import type { MembershipCommand } from "./membership/commands.ts";
import type { MembershipEvent } from "./membership/events.ts";
import { changeMembership } from "./membership/membership.ts";
import { type FinishReport, initialMembership, type MembershipLimits } from "./membership/state.ts";
import type { RunFolder } from "./run_folder.ts";
import type { RunReport } from "./run_report.ts";
import { bytesOf } from "./safetensors.ts";
import { tallyFromMetrics, tallyToMetrics } from "./tally_metrics.ts";
import { picturedSequences } from "./pictured_sequences.ts";
import { createVectorCollection } from "./vector_collection.ts";

export interface CoordinatorOptions {
  readonly transport: Transport;
  /** Names the run in subjects; letters, digits and dashes. */
  readonly run: string;
  readonly configuration: RunConfiguration;
  readonly folder: RunFolder;
  readonly journal: Journal;
  readonly report: RunReport;
  readonly limits: MembershipLimits;
  readonly clock: Clock;
  /** Tells this coordinator from those that led the run before it. */
  readonly life: string;
  /** Time of day for the checkpoints' record, ISO 8601. */
  readonly timeOfDay: () => string;
  readonly fileSystem?: FileSystem;
  /** Why the run cannot go on with what the workers run on, in a sentence; undefined if it can. */
  readonly refuse?: (ready: ReadyRequest) => string | undefined;
  /** Called once, when the workers have said what they run on. */
  readonly onReady?: (ready: ReadyRequest) => Promise<void>;
}

export interface RunEnd {
  readonly reason: FinishReport["reason"];
  readonly step: number;
  readonly parametersSha256: string;
  readonly ready: ReadyRequest;
  /** Generations that began because a worker was lost, under earlier coordinators too. */
  readonly restarts: number;
}

type FromWorker<T> = T & { readonly worker: string };
/** What is done with a worker's message. */
type Handler = (message: Message, worker: string) => void;

/** A run's whole state after a step, as flat vectors. */
interface Snapshot {
  readonly step: number;
  readonly epoch: number;
  readonly planStep: number;
  readonly tally: Tally | undefined;
  readonly metrics: Readonly<Record<string, number>>;
  readonly vectors: ReadonlyMap<string, Float32Array>;
}

/** Where a run without a snapshot stands. */
const beginning = { step: 0, epoch: 0, planStep: 0, tally: undefined };

/** The run was stopped while nobody was there to take a last common step. */
export class InterruptedError extends Error {
  override readonly name = "InterruptedError";
}

/** The broker is gone; what the coordinator knew is saved. */
export class BrokerLostError extends Error {
  override readonly name = "BrokerLostError";
}

export interface Coordinator {
  /**
   * Resolves when the run is done or stopped; rejects with one sentence when it fails, with an
   * `InterruptedError` when it is stopped before its first step.
   */
  readonly ended: Promise<RunEnd>;
  /** Asks the workers to stop after a common step, with a checkpoint. */
  stop(): void;
  /** Somebody knows that a worker is gone, e.g. who started its process. */
  workerLost(worker: string, reason: string): void;
  /** Nobody starts any more worker: the run ends once none is left. */
  abandoned(): void;
  /** Ends the run now, with what there is as a checkpoint. */
  fail(message: string): void;
  /** Waits for a checkpoint that is being written, which may be the one to go on from. */
  close(): Promise<void>;
}

const tickMs = 250;
/** Workers that have joined, active or not: the broker may let anybody in who knows its login. */
const membersMax = 1024;
/** Frames of one sample sequence. */
const sampleBytesMax = 64 * 2 ** 20;
/** Most that workers may have uploaded and not yet saved. */
const uploadBytesMax = 8 * 2 ** 30;
/** A generation waits for its picture; of those that are over, so many may still be drawn. */
const picturesWaitingMax = 4;
/** Fits into a message; a reason may quote a whole configuration. */
const reasonLengthMax = 4000;

export function startCoordinator(options: CoordinatorOptions): Coordinator {
  const { transport, configuration, folder, report, clock, limits } = options;
  const fileSystem = options.fileSystem ?? diskFileSystem;
  const subjects = runSubjects(options.run);
  const { lanes } = configuration;
  const uploads = createVectorCollection(uploadBytesMax);
  /** Who asked to join or said to be ready, and is to be answered. */
  const asking = new Map<string, Message>();
  const readyReports = new Map<string, ReadyRequest>();
  const active = () => membership.active;
  const beginnings = createGathering<null>(active);
  const snapshots = createGathering<FromWorker<SnapshotRequest>>(active);
  const losses = createGathering<ValidationRequest>(active);
  const { journal } = options;
  let membership = initialMembership(
    configuration.workers,
    limits,
    {
      generation: journal.generation,
      members: journal.members.length,
      restarts: journal.restarts,
    },
    clock.nowMs(),
  );
  let specs: ModelSpecs | undefined;
  let readyReport: ReadyRequest | undefined;
  let snapshot: Snapshot | undefined;
  let newestStart: CoordinatorMessage | undefined;
  /** The last step that the run has gone back for. */
  let skipUpTo = 0;
  let savedStep = folder.resumed?.step ?? -1;
  let saving: Promise<void> = Promise.resolve();
  let drawing: Promise<void> = Promise.resolve();
  let picturesWaiting = 0;
  /** The newest step that the generation has told of. */
  let toldStep = 0;
  let validation: Readonly<Record<string, number>> = {};
  let validatedStep = -1;
  let settle: { resolve: (end: RunEnd) => void; reject: (error: Error) => void };
  const ended = new Promise<RunEnd>((resolve, reject) => settle = { resolve, reject });
  ended.catch(() => {});

  const send = (action: () => void) => {
    try {
      action();
    } catch (error) {
      // Without a connection there is nobody to hear it; its end is told once, by `closed`.
      if (!(error instanceof TransportError)) throw error;
    }
  };
  const broadcast = (message: CoordinatorMessage) =>
    send(() => transport.publish(subjects.workers, encode(message)));
  const respond = (message: Message, answer: Uint8Array) => send(() => message.respond(answer));
  const reply = (message: Message, answer: Reply) => respond(message, encode(answer));
  const answer = (worker: string, message: Reply) => {
    const asked = asking.get(worker);
    asking.delete(worker);
    if (asked) reply(asked, message);
  };
  const end = (reason: string) =>
    broadcast({ type: "end", reason: reason.slice(0, reasonLengthMax), life: options.life });

  const apply = (event: MembershipEvent) => {
    const change = changeMembership(membership, event, clock.nowMs());
    membership = change.state;
    for (const command of change.commands) perform(command);
  };

  const perform = (command: MembershipCommand) => {
    switch (command.type) {
      case "accept":
        answer(command.worker, { ...accepted(JSON.stringify(configuration)), life: options.life });
        report.joined(membership.members.length, configuration.workers);
        return;
      case "refuse":
        return answer(command.worker, refused(command.reason));
      case "exclude":
        noteExcluded(command.worker, command.reason);
        strikes.exclude(command.worker, command.reason);
        return broadcast({ worker: command.worker, type: "rejoin" });
      case "start":
        return openGeneration(command.generation, command.members);
      case "wait":
        note({});
        return report.tell(command.sentence);
      case "tell":
        return report.tell(command.sentence);
      case "askStop":
        report.stopping();
        return broadcast({ type: "stop", life: options.life });
      case "finish":
        end("");
        return settle.resolve({
          ...command.report,
          ready: readyReport!,
          restarts: membership.restarts,
        });
      case "interrupt":
        return endEarly("Interrupted", InterruptedError);
      case "fail":
        return endEarly(command.message, Error);
    }
  };

  /** The last snapshot becomes a checkpoint, so that an early end costs the steps since it at most. */
  const endEarly = (reason: string, kind: new (message: string) => Error) => {
    membership = { ...membership, phase: "ended" };
    end(reason);
    saving = saving.then(async () => {
      if (snapshot && snapshot.step > savedStep) await save(snapshot);
    }).catch((error) => report.warn(sentence(error))).then(() => settle.reject(new kind(reason)));
  };

  const openGeneration = (generation: number, members: readonly string[]) => {
    const stale = (message: Message) => reply(message, refused(staleGeneration));
    for (const gathering of [beginnings, snapshots, losses]) gathering.dismiss(stale);
    uploads.clear();
    readyReport ??= readyReports.get(members[0])!;
    // All are alike, and those who come later are compared with this one.
    readyReports.clear();
    specs ??= readyReport;
    try {
      snapshot ??= fromCheckpoint();
      const { restarts } = membership;
      options.journal.append({ generation, members, step: snapshot?.step ?? 0, restarts });
    } catch (error) {
      return fail(sentence(error));
    }
    const { step, epoch, planStep, tally } = snapshot ?? beginning;
    if (generation === firstGeneration) {
      const refusal = options.refuse?.(readyReport!);
      if (refusal !== undefined) return fail(refusal);
      report.started(readyReport!, step);
      options.onReady?.(readyReport!).catch((error) => report.warn(sentence(error)));
    }
    toldStep = step;
    const restore = snapshot !== undefined;
    const at = { step, epoch, planStep, tally, restore, skipUpTo };
    newestStart = { type: "start", generation, members: [...members], ...at };
    broadcast(newestStart);
    // After the start, which no disk is to hold up.
    if (generation !== firstGeneration) report.rewound(step);
  };
  const firstGeneration = membership.generation + 1;

  const fromCheckpoint = (): Snapshot | undefined => {
    const { resumed } = folder;
    return resumed && {
      step: resumed.step,
      epoch: resumed.epoch,
      planStep: resumed.planStep,
      tally: tallyFromMetrics(resumed.metrics),
      metrics: resumed.metrics,
      vectors: vectorsFromArrays(specs!, lanes, resumed),
    };
  };

  /** Writes down what becomes known between two generations. */
  const note = (known: Partial<JournalEntry>) => {
    const { generation, members } = journal;
    const { restarts } = membership;
    try {
      journal.append({ generation, members, step: snapshot?.step ?? 0, restarts, ...known });
    } catch (error) {
      fail(sentence(error));
    }
  };

  const fail = (message: string) => {
    if (membership.phase !== "ended") endEarly(message, Error);
  };

  const completeSnapshot = ({ values, messages }: Gathered<FromWorker<SnapshotRequest>>) => {
    const [{ step, epoch, planStep, tally, save: mustSave }] = values;
    const { generation } = membership;
    try {
      const other = values.find((each) => each.step !== step || each.save !== mustSave);
      if (other) {
        throw new RangeError(
          `Cannot keep a snapshot: "${values[0].worker}" is at step ${step} and ` +
            `"${other.worker}" at step ${other.step}; this is a defect of Lockstep`,
        );
      }
      const vectors = new Map(
        checkpointVectors(specs!, lanes).map((name) => [name, uploads.take(name)]),
      );
      checkFinite(vectors, step);
      snapshot = {
        step,
        epoch,
        planStep,
        tally,
        vectors,
        metrics: { ...(validatedStep === step ? validation : {}), ...tallyToMetrics(tally) },
      };
    } catch (error) {
      for (const message of messages) reply(message, refused(sentence(error)));
      return fail(sentence(error));
    }
    if (!mustSave) {
      for (const message of messages) reply(message, accepted());
      return apply({ type: "snapshot" });
    }
    const complete = snapshot;
    // One after the other: two would remove each other's half-written folders.
    saving = saving.then(async () => {
      try {
        await save(complete);
        for (const message of messages) reply(message, accepted());
      } catch (error) {
        for (const message of messages) reply(message, refused(sentence(error)));
        return fail(sentence(error));
      }
      // Meanwhile another generation may have begun, and gone on from here.
      if (membership.generation === generation) apply({ type: "snapshot" });
    });
  };

  const save = async ({ vectors, ...at }: Snapshot) => {
    const arrays = arraysFromVectors(specs!, lanes, (name) => vectors.get(name)!);
    await saveCheckpoint(
      fileSystem,
      folder.checkpointsPath,
      {
        ...arrays,
        ...at,
        configuration: configuration as unknown as JsonValue,
        createdAt: options.timeOfDay(),
      },
      { warn: report.warn },
    );
    savedStep = at.step;
    report.checkpointed(at.step, [...arrays.parameters, ...arrays.optimizer]);
  };

  const sumLosses = ({ values, messages }: Gathered<ValidationRequest>) => {
    for (const message of messages) reply(message, accepted());
    // A stop came in between, and there is no loss to tell.
    validation = {};
    if (values.some(({ shards }) => shards.length === 0)) return;
    // In shard order, so that the sum has the same bits whoever computed which shard.
    const shards = values.flatMap((value) => value.shards).sort((a, b) => a.shard - b.shard);
    const sum = (read: (shard: typeof shards[number]) => number) =>
      shards.reduce((total, shard) => total + read(shard), 0);
    const weight = sum((shard) => shard.weightSum);
    const mean = (read: (shard: typeof shards[number]) => number | undefined) =>
      shards.every((shard) => read(shard) !== undefined)
        ? sum((shard) => read(shard)!) / weight
        : undefined;
    const persistenceLoss = mean((shard) => shard.persistenceSum);
    const accuracy = mean((shard) => shard.correctSum);
    const result = {
      validationLoss: sum((shard) => shard.lossSum) / weight,
      ...(persistenceLoss === undefined ? {} : { persistenceLoss }),
      ...(accuracy === undefined ? {} : { accuracy }),
    };
    if (Object.values(result).every(Number.isFinite)) validation = result;
    const [{ step, epoch }] = values;
    validatedStep = step;
    report.validated({ step, epoch, ...result });
  };

  const draw = async (message: Message, request: PictureRequest) => {
    try {
      const sequences = picturedSequences(request, uploads.take);
      if (picturesWaiting >= picturesWaitingMax) {
        throw new RangeError(`${picturesWaiting} pictures are being drawn already`);
      }
      picturesWaiting++;
      // One after the other: each is drawn in a thread with memory of its own.
      const own = drawing.then(() =>
        report.picture(request.step, sequences, request.isLast, request.answers)
      )
        .finally(() => picturesWaiting--);
      drawing = own.catch(() => {});
      await own;
    } catch (error) {
      // A picture that cannot be drawn costs a warning, never the run.
      report.warn(`Cannot draw predictions: ${sentence(error)}`);
    }
    reply(message, accepted());
  };

  /** @throws {RangeError} for a vector that the run has not, or of another length */
  const checkVector = (name: string, totalBytes: number) => {
    const bytes = specs && vectorBytes(specs, lanes, name);
    const isSample = /^sample\/\d{1,2}\/(truth|predictions|seen)$/.test(name);
    if (isSample ? totalBytes <= sampleBytesMax : totalBytes === bytes) return;
    throw new RangeError(
      `Cannot take vector "${name}" of ${totalBytes} bytes: ` +
        (bytes === undefined ? "the run has no such vector" : `it has ${bytes} bytes`),
    );
  };

  /** @throws {RangeError} for a vector that another member is to send */
  const checkOwner = (name: string, worker: string) => {
    const owners = assignShards(configuration.shards, membership.active.length);
    const owner = membership.active[rankOfVector(name, lanes, owners)];
    if (worker === owner) return;
    throw new RangeError(`Cannot take vector "${name}" from "${worker}": it is that of "${owner}"`);
  };

  const strikes = createStrikes();
  /** Whoever sends rubbish is told of once, and once more when it is heard no longer. */
  const noteMalformed = (worker: string, verb: string, fault: string) => {
    const why = fault.slice(0, 200);
    if (!strikes.add(worker, clock.nowMs())) {
      const isFirst = !malformed.has(worker);
      if (isFirst && malformed.size < membersMax) {
        malformed.add(worker);
        report.warn(`Refused a message of "${worker}" on ${verb}: ${why}`);
      }
      return;
    }
    const reason = strikes.whyOut(worker)!;
    noteExcluded(worker, `${reason}, the last on ${verb}: ${why}`);
    if (membership.phase === "ended") return;
    apply({ type: "lost", worker, reason });
    // It is told why when it asks to join again.
    broadcast({ worker, type: "rejoin" });
  };
  const noteExcluded = (worker: string, reason: string) => {
    const dropped = `"${worker}" is not heard any more: ${reason}`;
    report.warn(dropped);
    if (membership.phase !== "ended") note({ dropped });
  };
  const malformed = new Set<string>();

  const heard = <T>(
    verb: WorkerVerb,
    schema: Schema<T>,
    handle: (value: T, message: Message, worker: string) => void,
  ): Handler =>
  (message, worker) => {
    let value: T;
    try {
      value = decode(message.data, schema, { bytesMax: messageBytesMax, name: verb });
    } catch (error) {
      noteMalformed(worker, verb, sentence(error));
      return reply(message, refused(sentence(error)));
    }
    handle(value, message, worker);
  };

  /** What belongs to another generation than the newest, or is from no member of it, is refused. */
  const heardNow = <T extends { readonly generation: number }>(
    verb: WorkerVerb,
    schema: Schema<T>,
    handle: (value: T, message: Message, worker: string) => void,
  ): Handler =>
    heard(verb, schema, (value, message, worker) => {
      const { generation, phase, active } = membership;
      if (value.generation === generation && phase === "running" && active.includes(worker)) {
        return handle(value, message, worker);
      }
      reply(message, refused(staleGeneration));
    });

  /** What one member tells for all; nobody else is to say it. */
  const heardOfFirst = <T extends { readonly generation: number }>(
    verb: WorkerVerb,
    schema: Schema<T>,
    handle: (value: T, message: Message) => void,
  ): Handler =>
    heardNow(verb, schema, (value, message, worker) => {
      const [first] = membership.active;
      if (worker === first) return handle(value, message);
      const fault = `it is "${first}" who tells of it`;
      noteMalformed(worker, verb, fault);
      reply(message, refused(`Cannot take ${verb}: ${fault}`));
    });

  const hearJoin = heard("join", joinSchema, ({ where, attempt }, message, worker) => {
    const { members } = membership;
    if (members.length >= membersMax && !members.some(({ id }) => id === worker)) {
      return reply(message, refused(`there are ${membersMax} workers already`));
    }
    asking.set(worker, message);
    apply({ type: "join", worker, where, attempt });
  });

  const handlers: Readonly<Record<WorkerVerb, Handler>> = {
    // Whatever else another version would say: it is told about the version first.
    join: heard("join", joinVersionSchema, ({ protocol }, message, worker) => {
      if (protocol === protocolVersion) return hearJoin(message, worker);
      reply(message, refused(otherVersion(protocol)));
    }),
    ready: heard("ready", readySchema, (request, message, worker) => {
      if (!membership.members.some(({ id }) => id === worker)) {
        return reply(message, refused(unknownWorker));
      }
      if (readyReport === undefined) readyReports.set(worker, request);
      asking.set(worker, message);
      apply({ type: "ready", worker, report: request });
      answer(worker, accepted());
    }),
    begin: heardNow("begin", beginSchema, ({ where }, message, worker) => {
      const member = membership.members.find(({ id }) => id === worker);
      // One that was given up, stood still meanwhile and now hears its name called.
      if (member?.where !== where) {
        return reply(message, refused(nameIsTaken(worker, member?.where ?? "elsewhere")));
      }
      const complete = beginnings.add(worker, message, null);
      for (const waiting of complete?.messages ?? []) reply(waiting, accepted());
    }),
    heartbeat: heard(
      "heartbeat",
      heartbeatSchema,
      ({ generation, where, heardMs, attempt = 0 }, message, worker) => {
        const member = membership.members.find(({ id }) => id === worker);
        if (member?.attempt === attempt && member.where === where) {
          apply({ type: "heartbeat", worker, heardMs });
          const isBehind = membership.active.includes(worker) &&
            generation < membership.generation;
          if (isBehind && newestStart) broadcast(newestStart);
        } else if (membership.phase !== "ended") {
          // It was given up, or this coordinator took over: it may come again.
          broadcast({ type: "rejoin", worker, where });
        }
        reply(message, accepted());
      },
    ),
    leave: heard("leave", leaveSchema, (_, __, worker) => apply({ type: "leave", worker })),
    progress: heardOfFirst("progress", progressSchema, (progress) => {
      // A step is told once: what comes again would be written and counted again.
      if (progress.step <= toldStep) return;
      toldStep = progress.step;
      if (progress.fault !== "") note({ skipped: progress.step });
      report.progress(progress);
    }),
    validating: heardOfFirst(
      "validating",
      validatingSchema,
      ({ done, total }) => report.validating(done, total),
    ),
    stalled: heardNow(
      "stalled",
      stalledSchema,
      ({ missing }, _, worker) => {
        // A snapshot that is not waited for goes on beside the next steps.
        const idle = [...losses.waiting(), ...snapshots.waiting(({ save }) => save)];
        apply({ type: "stalled", worker, missing, idle });
      },
    ),
    accuse: heardNow(
      "accuse",
      accuseSchema,
      ({ accused }, _, worker) => apply({ type: "accuse", worker, accused }),
    ),
    write: heardNow("write", writeSchema, (part, message, worker) => {
      try {
        checkVector(part.vector, part.totalBytes);
        checkOwner(part.vector, worker);
        uploads.add({ ...part, name: part.vector });
        reply(message, accepted());
      } catch (error) {
        reply(message, refused(sentence(error)));
      }
    }),
    read: heardNow("read", readSchema, ({ vector, offset, bytes }, message) => {
      const values = snapshot?.vectors.get(vector);
      if (!values) return reply(message, refused(`there is no vector "${vector}" to read`));
      const data = bytesOf(values).subarray(offset, offset + bytes);
      respond(message, encode({ ...accepted(), totalBytes: values.byteLength, data }));
    }),
    snapshot: heardNow("snapshot", snapshotSchema, (request, message, worker) => {
      const complete = snapshots.add(worker, message, { ...request, worker });
      if (complete) completeSnapshot(complete);
    }),
    // Whoever finds the fault first says so: all members find the same.
    rollback: heardNow("rollback", rollbackSchema, ({ step, fault }, message, worker) => {
      const from = snapshot?.step ?? 0;
      const { onNan } = configuration;
      if (onNan !== "rollback" || step <= Math.max(skipUpTo, from)) {
        const why = `nobody is to go back for step ${step}, with --on-nan ${onNan} after step ` +
          `${Math.max(skipUpTo, from)}`;
        noteMalformed(worker, "rollback", why);
        return reply(message, refused(`Cannot take rollback: ${why}`));
      }
      reply(message, accepted());
      skipUpTo = step;
      const sentence = `Step ${step} was not applied, ${fault}: back to step ${from}`;
      apply({ type: "rollback", sentence });
    }),
    validation: heardNow("validation", validationSchema, (request, message, worker) => {
      const complete = losses.add(worker, message, request);
      if (complete) sumLosses(complete);
    }),
    pictures: heardOfFirst(
      "pictures",
      pictureSchema,
      (request, message) => void draw(message, request),
    ),
    finished: heard("finished", finishedSchema, (report, message, worker) => {
      const { generation, reason, step, parametersSha256, failure } = report;
      if (failure !== "") {
        reply(message, accepted());
        return apply({ type: "failed", worker, message: failure });
      }
      if (generation !== membership.generation) return reply(message, refused(staleGeneration));
      reply(message, accepted());
      apply({ type: "finished", worker, report: { reason, step, parametersSha256 } });
    }),
  };

  const subscriptions = [
    transport.subscribe(`${subjects.from}.*.*`, (message) => {
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
    }),
    transport.subscribe(subjects.joinBefore3, (message) => {
      reply(message, refused(otherVersion("2 or older")));
    }),
  ];

  let cancelTick = () => {};
  const tick = () => {
    apply({ type: "tick" });
    if (membership.phase === "ended") return;
    broadcast({ type: "beat", sentMs: Math.floor(clock.nowMs()) });
    cancelTick = clock.after(tickMs, tick);
  };
  cancelTick = clock.after(tickMs, tick);
  void transport.closed.then((error) => {
    if (membership.phase === "ended") return;
    endEarly(error?.message ?? "The connection to nats-server was closed", BrokerLostError);
  });

  return {
    ended,
    stop: () => apply({ type: "stop" }),
    abandoned: () => apply({ type: "abandoned" }),
    workerLost: (worker, reason) => apply({ type: "lost", worker, reason }),
    fail,
    async close() {
      cancelTick();
      // The end of a run may save once more, while the save before it is waited for.
      let waitedFor: Promise<void>;
      do {
        waitedFor = saving;
        await waitedFor;
      } while (waitedFor !== saving);
      for (const subscription of subscriptions) subscription.unsubscribe();
      uploads.clear();
    },
  };
}

/**
 * What is saved is what a run goes on from, so nothing may be in it that a run cannot go on from.
 * @throws {RangeError} naming the vector
 */
function checkFinite(vectors: ReadonlyMap<string, Float32Array>, step: number): void {
  for (const [name, values] of vectors) {
    if (isAllFinite(values)) continue;
    throw new RangeError(
      `Cannot keep a snapshot of step ${step}: "${name}" holds a value that is not finite`,
    );
  }
}

function otherVersion(found: number | string): string {
  return `it speaks version ${found} of the protocol, the coordinator ${protocolVersion}; ` +
    "install the same Lockstep everywhere";
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
