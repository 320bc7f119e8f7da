/**
 * The coordinator of one run: hears its workers, asks `membership/` what that means, and does it.
 * It keeps the last snapshot that was complete, from which every generation begins, and the run's
 * folder (checkpoints, metrics, pictures); it computes no gradient and no step waits for it.
 *
 * Here is the membership, what its commands make happen, the time, and the end. What a message of a
 * worker does is in `membership_messages.ts`, `snapshot_messages.ts` and `training_messages.ts`.
 */
import type { Clock } from "../net/clock.ts";
import {
  type ReadyRequest,
  type Reply,
  runSubjects,
  type ValidationRequest,
  type WorkerVerb,
} from "../net/messages.ts";
import type { RunConfiguration } from "../net/run_configuration.ts";
import type { Transport } from "../net/transport.ts";
import { accepted, createControlChannel, refused } from "./control_channel.ts";
import type { CoordinatedRun } from "./coordinated_run.ts";
import { sentence } from "./error_sentence.ts";
import { diskFileSystem, type FileSystem } from "./file_system.ts";
import { createGathering } from "./gathering.ts";
import { createGenerationStarts } from "./generation_starts.ts";
import type { Journal, JournalEntry } from "./journal.ts";
import type { MembershipCommand } from "./membership/commands.ts";
import type { MembershipEvent } from "./membership/events.ts";
import { changeMembership } from "./membership/membership.ts";
import { type FinishReport, initialMembership, type MembershipLimits } from "./membership/state.ts";
import { membershipMessages, otherVersion } from "./membership_messages.ts";
import { createMessageFilter, type Handler } from "./message_filter.ts";
import { createRecoveryPoint } from "./recovery_point.ts";
import type { RunFolder } from "./run_folder.ts";
import type { RunReport } from "./run_report.ts";
import type { NamedArrays } from "./safetensors.ts";
import type { SnapshotPart } from "./snapshot.ts";
import { snapshotMessages } from "./snapshot_messages.ts";
import { trainingMessages } from "./training_messages.ts";
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
  /** What a new run begins with in place of weights that its seed draws; finite values. */
  readonly initialWeights?: { readonly source: string; readonly arrays: NamedArrays };
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

/** The run was stopped while nobody was there to take a last common step. */
export class InterruptedError extends Error {
  override readonly name = "InterruptedError";
}

/** The broker is gone; what the coordinator knew is saved. */
export class BrokerLostError extends Error {
  override readonly name = "BrokerLostError";
}

export interface Coordinator {
  /** Whether it has workers at work. */
  readonly isRunning: boolean;
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
/** Most that workers may have uploaded and not yet saved. */
const uploadBytesMax = 8 * 2 ** 30;

export function startCoordinator(options: CoordinatorOptions): Coordinator {
  const { transport, configuration, folder, journal, report, clock, limits, life } = options;
  const subjects = runSubjects(options.run);
  const control = createControlChannel({ transport, run: options.run, life });
  const uploads = createVectorCollection(uploadBytesMax);
  const active = () => membership.active;
  const gatherings = {
    beginnings: createGathering<null>(active),
    snapshots: createGathering<SnapshotPart>(active),
    losses: createGathering<ValidationRequest>(active),
  };
  const recovery = createRecoveryPoint({
    configuration,
    folder,
    fileSystem: options.fileSystem ?? diskFileSystem,
    report,
    timeOfDay: options.timeOfDay,
    specs: () => starts.ready!,
    initialWeights: options.initialWeights,
  });
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
  let settle: { resolve: (end: RunEnd) => void; reject: (error: Error) => void };
  const ended = new Promise<RunEnd>((resolve, reject) => settle = { resolve, reject });
  ended.catch(() => {});

  const apply = (event: MembershipEvent) => {
    const change = changeMembership(membership, event, clock.nowMs());
    membership = change.state;
    for (const command of change.commands) perform(command);
  };

  const perform = (command: MembershipCommand) => {
    switch (command.type) {
      case "accept":
        control.answer(command.worker, { ...accepted(JSON.stringify(configuration)), life });
        report.joined(membership.members.length, configuration.workers);
        return;
      case "refuse":
        return control.answer(command.worker, {
          ...refused(command.reason),
          ...silenceOf(command.worker),
        });
      case "exclude":
        filter.exclude(command.worker, command.reason);
        return control.broadcast({ worker: command.worker, type: "rejoin" });
      case "start":
        return starts.begin(command.generation, command.members);
      case "wait":
        note({});
        return report.tell(command.sentence);
      case "tell":
        return report.tell(command.sentence);
      case "askStop":
        report.stopping();
        return control.broadcast({ type: "stop" });
      case "finish":
        control.end("");
        return settle.resolve({
          ...command.report,
          ready: starts.ready!,
          restarts: membership.restarts,
        });
      case "interrupt":
        return endEarly("Interrupted", InterruptedError);
      case "fail":
        return endEarly(command.message, Error);
    }
  };

  /** How long the holder of a refused name has been silent, for those that ask for it again. */
  const silenceOf = (worker: string): Pick<Reply, "holderSilentMs"> => {
    const holder = membership.members.find(({ id }) => id === worker);
    return holder ? { holderSilentMs: Math.floor(clock.nowMs() - holder.lastSeenMs) } : {};
  };

  /** The last snapshot becomes a checkpoint, so that an early end costs the steps since it at most. */
  const endEarly = (reason: string, kind: new (message: string) => Error) => {
    membership = { ...membership, phase: "ended" };
    control.end(reason);
    recovery.saveLast(() => settle.reject(new kind(reason)));
  };

  const fail = (message: string) => {
    if (membership.phase !== "ended") endEarly(message, Error);
  };

  /** Writes down what becomes known between two generations. */
  const note = (known: Partial<JournalEntry>) => {
    const { generation, members } = journal;
    const { restarts } = membership;
    try {
      journal.append({ generation, members, step: recovery.step, restarts, ...known });
    } catch (error) {
      fail(sentence(error));
    }
  };

  const run: CoordinatedRun = {
    configuration,
    report,
    control,
    get membership() {
      return membership;
    },
    get ready() {
      return starts.ready;
    },
    gatherings,
    uploads,
    apply,
    note,
    fail,
  };
  const filter = createMessageFilter(run, clock, life);
  const training = trainingMessages(run, filter);
  const starts = createGenerationStarts(run, {
    journal,
    recovery,
    refuse: options.refuse,
    onReady: options.onReady,
    onStart: training.begin,
  });
  const handlers: Readonly<Record<WorkerVerb, Handler>> = {
    ...membershipMessages(run, filter, starts),
    ...snapshotMessages(run, filter, { recovery, validationAt: training.validationAt }),
    ...training.handlers,
  };

  const subscriptions = [
    transport.subscribe(`${subjects.from}.*.*`, (message) => filter.dispatch(message, handlers)),
    transport.subscribe(subjects.joinBefore3, (message) => {
      control.reply(message, refused(otherVersion("2 or older")));
    }),
  ];

  let cancelTick = () => {};
  const tick = () => {
    apply({ type: "tick" });
    if (membership.phase === "ended") return;
    control.broadcast({ type: "beat", sentMs: Math.floor(clock.nowMs()) });
    cancelTick = clock.after(tickMs, tick);
  };
  cancelTick = clock.after(tickMs, tick);
  void transport.closed.then((error) => {
    if (membership.phase === "ended") return;
    endEarly(error?.message ?? "The connection to nats-server was closed", BrokerLostError);
  });

  return {
    get isRunning() {
      return membership.phase === "running";
    },
    ended,
    stop: () => apply({ type: "stop" }),
    abandoned: () => apply({ type: "abandoned" }),
    workerLost: (worker, reason) => apply({ type: "lost", worker, reason }),
    fail,
    async close() {
      cancelTick();
      await recovery.settled();
      for (const subscription of subscriptions) subscription.unsubscribe();
      uploads.clear();
    },
  };
}
