/**
 * Everything that coordinator and workers say to each other about a run, with the schema that each
 * message is checked against before it is used. Gradients travel apart, in `collective/`.
 */
import {
  array,
  boolean,
  bytes,
  type Infer,
  integer,
  literal,
  number,
  object,
  optional,
  partOf,
  string,
  union,
} from "./schema.ts";

/** Grows with every change that an older worker or coordinator would misunderstand. */
export const protocolVersion = 9;

/** What a worker says to its coordinator: requests, answered with a `Reply`, and then notices. */
export const workerVerbs = [
  "join",
  "ready",
  "begin",
  "read",
  "write",
  "snapshot",
  "rollback",
  "validation",
  "pictures",
  "finished",
  "heartbeat",
  "leave",
  "progress",
  "validating",
  "stalled",
  "accuse",
] as const;
export type WorkerVerb = typeof workerVerbs[number];

/** Subjects of a run, all below one token so that runs can share a broker. */
export function runSubjects(run: string) {
  const prefix = `lockstep.${run}`;
  return {
    /** Prefix of what workers say to the coordinator: `<from>.<worker>.<verb>`. */
    from: `${prefix}.from`,
    /** Coordinator to all workers. */
    workers: `${prefix}.workers`,
    /** Coordinators among each other: which of them leads the run. */
    coordinators: `${prefix}.coordinators`,
    /** Prefix of the gradients' subjects: `<data>.<worker>.<life>.…`. */
    data: `${prefix}.data`,
    /** Where versions before 3 of the protocol ask to join: they are told why they may not. */
    joinBefore3: `${prefix}.join`,
  };
}

/**
 * Subjects on which one worker speaks to its coordinator. Its name is a part of them, so that the
 * broker sees to it that no login speaks in another's name; no message says who sent it.
 */
export function workerSubjects(run: string, worker: string): Readonly<Record<WorkerVerb, string>> {
  const { from } = runSubjects(run);
  const subjects = workerVerbs.map((verb) => [verb, `${from}.${worker}.${verb}`]);
  return Object.fromEntries(subjects) as Record<WorkerVerb, string>;
}

/** Who says what on a subject below `<from>`; no name where it is none that a worker can have. */
export function senderAndVerb(subject: string): { worker: string | undefined; verb: string } {
  const [worker, verb] = subject.split(".").slice(-2);
  return { worker: isWorkerName(worker) ? worker : undefined, verb };
}

/** A worker's name is shown on terminals and is a token of subjects. */
export function isWorkerName(name: string): boolean {
  return name.length <= nameLengthMax && workerNameForm.test(name);
}

const nameLengthMax = 64;
export const sentenceLengthMax = 4096;
const workersMax = 1024;
const shardsMax = 1_000_000;
/** A shape's sides, a parameter's name. */
const arraySpecs = array(
  object({
    name: string({ lengthMax: 256 }),
    shape: array(integer({ min: 0, max: 2 ** 31 }), { lengthMax: 8 }),
  }),
  { lengthMax: 4096 },
);
const name = string({ lengthMax: nameLengthMax });
const workerNameForm = /^[A-Za-z0-9-]+$/;
const workerName = string({ lengthMax: nameLengthMax, form: workerNameForm });
const sentence = string({ lengthMax: sentenceLengthMax });
/** Characters of the data's description. The end of a longer one is not told. */
export const descriptionLengthMax = 1024;
const count = integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
const windowFrames = integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
const byteCount = integer({ min: 0, max: 2 ** 40 });
/** Longest part of a vector in one message, however much more the broker would take. */
export const vectorPartBytesMax = 1 << 23;

/** Why a request is refused that belongs to an earlier generation than the newest. */
export const staleGeneration = "The generation is over";

/** Why a worker is refused that was given up in between: it may join again. */
export const unknownWorker = "No worker of this name has joined";

/** Why a worker is refused whose name is in use. */
export function nameIsTaken(worker: string, where: string): string {
  return `a worker named "${worker}" has already joined from ${where}; give another --name`;
}

/**
 * Which life of the coordinator a message is for, or from: another one of the same name leaves it alone.
 */
const life = optional(string({ lengthMax: 64, form: /^[A-Za-z0-9-]+$/ }));

/** Answer to every request: whether it was taken, and the reason where not. */
export const replySchema = object({
  ok: boolean(),
  text: string({ lengthMax: 1 << 20 }),
  /** To a worker that has joined: which life of the coordinator it has joined. */
  life,
  /** To a worker whose name is taken: for how long its holder has given no sign of life. */
  holderSilentMs: optional(count),
  /** To a worker that is refused: it is heard no more, whatever it says. */
  excluded: optional(boolean()),
});
export type Reply = Infer<typeof replySchema>;

/** Answer to `read`, with a part of the vector. */
export const readReplySchema = object({
  ok: boolean(),
  text: sentence,
  /** Left out where it is refused. */
  totalBytes: optional(byteCount),
  data: optional(bytes({ lengthMax: vectorPartBytesMax })),
});
export type ReadReply = Infer<typeof readReplySchema>;

/** Host and process, the same for as long as the process lives and never that of another one. */
const where = string({ lengthMax: 256 });

/** Of a request to join, what every version has and may not change. */
export const joinVersionSchema = partOf({ protocol: count });

export const joinSchema = object({
  protocol: count,
  where,
  /** Counts this process's connections: a message that an earlier one sent may still come. */
  attempt: optional(count),
  /** What it computes with where the run leaves that open. */
  engine: optional(name),
  /** Longest message that this worker's broker takes, where it is short for a gradient's. */
  payloadBytesMax: optional(byteCount),
});

/** A broker that takes as much is no reason to send less. */
export const payloadBytesAmple = 1 << 19;

/** A run keeps its classes by name, where they are not too many to be names. */
export const keptClassesMax = 1024;
export const keptClassLengthMax = 128;

/** What a worker opened; the coordinator checks that all agree. */
export const readySchema = object({
  life,
  engine: name,
  engineVersion: string({ lengthMax: 256 }),
  device: string({ lengthMax: 256 }),
  precision: name,
  parameterCount: count,
  /** SHA-256 over the first weights and the dataset's catalogue. */
  fingerprint: string({ lengthMax: 64 }),
  /** SHA-256 of the source of a model that is not built in. */
  modelSource: optional(string({ lengthMax: 64 })),
  /** Number, size and SHA-256 of the files that the dataset is read from; left out where it is generated. */
  data: optional(string({ lengthMax: 256 })),
  /** What the run was told and cannot do as told, a sentence each. */
  warnings: optional(array(sentence, { lengthMax: 16 })),
  /** The dataset in words. */
  dataset: string({ lengthMax: descriptionLengthMax }),
  frameShape: array(count, { lengthMin: 3, lengthMax: 3 }),
  /** Names of the dataset's classes in their order; left out beyond these limits. */
  classes: optional(
    array(string({ lengthMax: keptClassLengthMax }), { lengthMax: keptClassesMax }),
  ),
  parameters: arraySpecs,
  states: arraySpecs,
  slots: array(name, { lengthMax: 16 }),
  /** Of the network, which may choose it by itself: frames that it reads, and how many it predicts. */
  window: optional(object({ frames: windowFrames, predictions: windowFrames })),
});
export type ReadyRequest = Infer<typeof readySchema>;

/** Ready to receive gradients; answered when every worker is. */
export const beginSchema = object({ life, generation: count, where });

/** With the newest of what the worker has heard: a start that was lost is said again. */
export const heartbeatSchema = object({
  life,
  generation: count,
  where,
  attempt: optional(count),
  /** `sentMs` of the newest beat; 0 for none. */
  heardMs: count,
});

/** The worker would like to go at the next snapshot. */
export const leaveSchema = object({ life });

/** What a run has counted on its way, the same on every worker. */
export const tallySchema = object({
  /** Over this epoch's steps that were applied: sum(loss * frames) and sum(frames). */
  lossSum: number(),
  /** In parts where values of a frame are missing. */
  frames: number({ min: 0 }),
  /** Newest steps of which nothing was applied, because they were not finite. */
  faultsInARow: count,
});
export type Tally = Infer<typeof tallySchema>;

/** One step, as the worker of rank 0 reports it. */
export const progressSchema = object({
  life,
  generation: count,
  step: count,
  epoch: count,
  planStep: count,
  planSteps: count,
  /** Not finite where the step was not applied. */
  loss: number({ finite: false }),
  /** Mean over the epoch so far, each step weighted by its frames. */
  epochLoss: number({ finite: false }),
  learningRate: number(),
  /** Predicted frames that counted, over all lanes. */
  frames: count,
  /** What was not finite, in words; empty where the step was applied. */
  fault: sentence,
  seconds: number(),
  paddedShare: number(),
});
export type StepProgress = Infer<typeof progressSchema>;

/** How far a validation is, in steps of its plan, as the worker of rank 0 reports it. */
export const validatingSchema = object({ life, generation: count, done: count, total: count });
export type ValidationProgress = Infer<typeof validatingSchema>;

/** The worker has done its part of a step, and of these others nothing comes. */
export const stalledSchema = object({
  life,
  generation: count,
  missing: array(workerName, { lengthMax: workersMax }),
});

/** Too much has come of this member that is no message of a sound worker. */
export const accuseSchema = object({ life, generation: count, accused: workerName });

/** A part of a flat float32 vector, see `coordinator/checkpoint_vectors.ts`. */
export const writeSchema = object({
  life,
  generation: count,
  vector: string({ lengthMax: 256 }),
  totalBytes: byteCount,
  offset: byteCount,
  data: bytes({ lengthMax: vectorPartBytesMax }),
});

/**
 * Name of the vector with the parameters that a run begins with where its configuration names
 * weights: NaN where a parameter is drawn.
 */
export const initialVector = "initial";

export const readSchema = object({
  life,
  generation: count,
  vector: string({ lengthMax: 256 }),
  offset: byteCount,
  bytes: integer({ min: 1, max: vectorPartBytesMax }),
});

/** All vectors of this worker for a snapshot at this position have been written. */
export const snapshotSchema = object({
  life,
  generation: count,
  /** Whether it is to be a checkpoint on disk, which is then waited for. */
  save: boolean(),
  step: count,
  epoch: count,
  planStep: count,
  tally: optional(tallySchema),
});
export type SnapshotRequest = Infer<typeof snapshotSchema>;

/** A step was not finite: back to the last snapshot, to do the steps since then again. */
export const rollbackSchema = object({
  life,
  generation: count,
  step: count,
  fault: sentence,
});

export const validationSchema = object({
  life,
  generation: count,
  step: count,
  epoch: count,
  shards: array(
    object({
      shard: integer({ min: 0, max: shardsMax }),
      /** Not finite where the data or the network's answers are not. */
      lossSum: number({ finite: false }),
      /** Left out where the model forecasts nothing. */
      persistenceSum: optional(number({ finite: false })),
      /** Left out where answers are no classes. */
      correctSum: optional(number({ finite: false })),
      weightSum: number(),
      /** Weight of the values in `persistenceSum`, where values may be missing. */
      persistenceWeightSum: optional(number({ min: 0 })),
    }),
    { lengthMax: shardsMax },
  ),
});
export type ValidationRequest = Infer<typeof validationSchema>;

/** Mean losses of a validation. */
export interface ValidationResult {
  readonly step: number;
  readonly epoch: number;
  readonly validationLoss: number;
  /** Of repeating the last frame; left out where the model forecasts nothing. */
  readonly persistenceLoss?: number;
  /** Share of answers whose class is right; left out where there are no classes. */
  readonly accuracy?: number;
}

/** Names of a legend: more of them, or longer ones, nobody reads in a picture. */
export const classNamesMax = 64;
export const classNameLengthMax = 64;
/** The end of a longer one is not shown. */
export const sampleLabelLengthMax = 256;

/**
 * Sample predictions to draw; their frames were written as `sample/<i>/truth` and `.../predictions`,
 * and beside answers what is answered as `.../seen`.
 */
export const pictureSchema = object({
  life,
  generation: count,
  step: count,
  height: count,
  width: count,
  channels: count,
  /** The picture of the end of the run. */
  isLast: boolean(),
  samples: array(
    object({
      label: string({ lengthMax: sampleLabelLengthMax }),
      frames: count,
      firstPredicted: count,
    }),
    { lengthMax: 64 },
  ),
  /** Why there is nothing to draw, in one sentence. */
  failure: optional(sentence),
  /** What is predicted are the dataset's answers, of the classes named, or images where none is. */
  answers: optional(
    object({
      classes: array(string({ lengthMax: classNameLengthMax }), { lengthMax: classNamesMax }),
    }),
  ),
});
export type PictureRequest = Infer<typeof pictureSchema>;

/** `failure` is empty unless the worker failed. */
export const finishedSchema = object({
  life,
  generation: count,
  reason: literal("done", "stopped"),
  step: count,
  parametersSha256: string({ lengthMax: 64 }),
  failure: sentence,
});

/**
 * From the coordinator to all workers: `start` begins a generation, `stop` asks them to end after a
 * common step with a checkpoint, `end` says that the run is over, with a reason where it failed, and
 * `beat` is said all the while. Each names the life of the coordinator that says so: one that has died
 * may be heard late, by workers of the one that goes on, and two may lead a run until they meet.
 */
export const coordinatorMessageSchema = union("type", {
  start: object({
    type: literal("start"),
    life,
    generation: count,
    /** Worker names in the order of their ranks. */
    members: array(workerName, { lengthMax: workersMax }),
    step: count,
    epoch: count,
    planStep: count,
    /** Left out where nothing has been counted. */
    tally: optional(tallySchema),
    /** Whether parameters, slots and states are to be read from the coordinator. */
    restore: boolean(),
    /** The run has gone back for this step, or a later one: it is skipped if it fails again. */
    skipUpTo: count,
    /** Bytes that every member's broker takes, where one takes little: all cut vectors alike. */
    payloadBytesMax: optional(byteCount),
  }),
  stop: object({ type: literal("stop"), life }),
  /** By the coordinator's clock, which heartbeats give back: who does not hear it is as good as dead. */
  beat: object({ type: literal("beat"), life, sentMs: count }),
  /** The coordinator has given this worker up, or is a new one; it joins again or ends. */
  rejoin: object({
    type: literal("rejoin"),
    life,
    worker: workerName,
    /** Which of several of this name, where not all are meant. */
    where: optional(where),
  }),
  end: object({
    type: literal("end"),
    reason: sentence,
    life,
  }),
});
export type CoordinatorMessage = Infer<typeof coordinatorMessageSchema>;
export type StartMessage = Extract<CoordinatorMessage, { type: "start" }>;

/** How a coordinator describes itself to another one of the same run. */
const claim = {
  life: string({ lengthMax: 64 }),
  process: count,
  folder: string({ lengthMax: 1024 }),
  /** Asking whether anybody leads, or leading: waiting for workers, or with workers at work. */
  state: literal("asking", "gathering", "running"),
  ageMs: count,
};

/** Among coordinators: `claim` says who is there, `stay` that the sender is to lead, not `to`. */
export const leadershipMessageSchema = union("type", {
  claim: object({ type: literal("claim"), ...claim }),
  stay: object({ type: literal("stay"), ...claim, to: string({ lengthMax: 64 }) }),
});
export type LeadershipMessage = Infer<typeof leadershipMessageSchema>;
export type ClaimMessage = Extract<LeadershipMessage, { type: "claim" }>;
export const leadershipBytesMax = 8192;

/** Longest message of the control plane in bytes; a vector's part is the longest. */
export const messageBytesMax = vectorPartBytesMax + 4096;
