/**
 * Sequences as typed arrays. A dataset lists its sequences by length (the catalogue, from which
 * every process computes the same plan) and reads any run of frames of any of them.
 */
export type Split = "train" | "validation" | "test";
/** [height, width, channels] */
export type FrameShape = readonly [number, number, number];

export interface SequenceEntry {
  /** Stable and readable, e.g. "train/000017" or "fmi/2016-09-28T14:45/tile-3-2". */
  readonly id: string;
  /** Consecutive frames without a gap in time. */
  readonly frames: number;
}

export interface Dataset {
  readonly name: string;
  readonly frameShape: FrameShape;
  /** One sentence for reports: what, how many, from where. */
  readonly description: string;
  /** What a user should know before training: one sentence each. */
  readonly warnings?: readonly string[];
  /**
   * The files that it reads, by which it is told from other data, where they are not all that lies in
   * the folder that was named.
   */
  readonly files?: readonly string[];
  /** What a value of 1 means, for pictures and scores, e.g. "white" or "70 dBZ". */
  readonly unit: string;
  /** What a value of 1 is in the unit in which events are told, e.g. 255 for SEVIR. @default {1} */
  readonly eventScale?: number;
  /**
   * Shape of a frame's answer where it is not a frame: [classes] one-hot for a classification,
   * [height, width, classes] for a segmentation. Left out where frames are their own answers.
   */
  readonly targetShape?: readonly number[];
  /** Names of the classes, where answers are classes. */
  readonly classes?: readonly string[];
  /**
   * Whether `read` may give NaN: a value that nobody observed. A network reads 0 in its place, and it
   * counts in no loss, gradient or score. Where this is left out, every value is finite.
   */
  readonly hasMissing?: boolean;
  /**
   * Whether `readTargets` may give NaN: an answer that nobody knows, such as a label to be ignored,
   * which counts in no loss, gradient or score. All classes of a one-hot answer are NaN together.
   */
  readonly hasMissingTargets?: boolean;
  /**
   * The sequences of a split in an epoch, in a fixed order. Generated endless datasets give new
   * sequences each epoch; all others the same ones.
   */
  catalogue(split: Split, epoch: number): readonly SequenceEntry[];
  /** The same, where a new one for each epoch may be long to make, with pauses in between. */
  catalogueInTurns?(
    split: Split,
    epoch: number,
    pause: () => Promise<void>,
  ): Promise<readonly SequenceEntry[]>;
  /**
   * Frames [frames, height, width, channels] as float32 in [0, 1], from `offset` on; NaN where a
   * value was not observed, if `hasMissing` says so. Never infinite.
   * @throws {DatasetError} naming path and offset where the data cannot be read
   */
  read(request: ReadRequest): Promise<Float32Array>;
  /**
   * Answers [frames, ...targetShape] to the same request; there exactly where `targetShape` is. NaN
   * where an answer is not known, if `hasMissingTargets` says so.
   */
  readTargets?(request: ReadRequest): Promise<Float32Array>;
  close(): void;
}

export interface ReadRequest {
  readonly split: Split;
  readonly epoch: number;
  /** Index into `catalogue(split, epoch)`. */
  readonly sequence: number;
  readonly offset: number;
  readonly frames: number;
}

/** A data file that is missing, truncated, malformed or of another shape: names it and says why. */
export class DatasetError extends Error {
  override readonly name = "DatasetError";
}

/**
 * Data that could not be had, which says nothing about what a file holds: the system refused, or the
 * program failed or was closed. No reason to leave a file out.
 */
export class DataUnavailable extends DatasetError {}

/** A part of a file that cannot be decoded, where all else of the file can be read. */
export class BrokenPart extends DatasetError {}

/** Whether a file is at fault, so that it may be left out where bad files are to be skipped. */
export function isBadFile(error: unknown): error is DatasetError {
  return error instanceof DatasetError && !(error instanceof DataUnavailable);
}
