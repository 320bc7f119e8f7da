/**
 * A run's `events.out.tfevents.*`, which TensorBoard follows while the run goes on. Every process
 * writes a file of its own, so that what a crash has cut off in an older one is never written behind;
 * steps that are done again are marked, and a reader forgets what they had said before.
 */
import {
  encodeFileVersion,
  encodeHyperparameters,
  encodeSessionStart,
  encodeSummary,
  type Hyperparameter,
  type SummaryValue,
} from "./event_message.ts";
import { encodeRecord } from "./tf_record.ts";

export interface EventFileOptions {
  /** The run's folder. */
  readonly folder: string;
  /** Steps after this one, in older files of the folder, are done again; 0 for a new run. */
  readonly resumedStep: number;
  /** In ISO 8601. */
  readonly timeOfDay: () => string;
  /** Told what could not be written; the run goes on without it. */
  readonly onLost: (path: string, error: unknown) => void;
  readonly limits?: EventFileLimits;
}

export interface EventFileLimits {
  /** From here on pictures and histograms are left out, and figures alone are written. */
  readonly largeBytesMax: number;
  /** From here on nothing is written. */
  readonly bytesMax: number;
}

/** TensorBoard reads the whole file into its memory, and no run's figures are as long as this. */
const defaultLimits: EventFileLimits = { largeBytesMax: 256 * 2 ** 20, bytesMax: 1024 * 2 ** 20 };
const marksMax = 16;
/** What names of event files begin with. */
export const eventFilePrefix = "events.out.tfevents.";

/** Nothing here throws once it is open: a full disk costs figures, never the run. */
export class EventFile {
  readonly path: string;
  readonly #options: EventFileOptions;
  #file: Deno.FsFile | undefined;
  /** What a reader needs before any later event: written with the next one where it could not be. */
  #marks: Uint8Array[] = [];
  /** Up to the end of the last whole record. */
  #bytes = 0;

  constructor(options: EventFileOptions) {
    this.#options = options;
    this.path = `${options.folder}/${eventFilePrefix}${nextNumber(options)}.lockstep`;
    this.#marks.push(encodeFileVersion(this.#wallSeconds()));
    this.restart(options.resumedStep);
  }

  summary(step: number, all: readonly SummaryValue[]): void {
    const { largeBytesMax } = this.#options.limits ?? defaultLimits;
    const values = this.#bytes < largeBytesMax ? all : all.filter((value) => "scalar" in value);
    if (values.length < all.length) {
      this.#options.onLost(
        this.path,
        new RangeError(`it has ${largeBytesMax} bytes: no more pictures and histograms go there`),
      );
    }
    if (values.length === 0) return;
    this.#write(encodeSummary({ wallSeconds: this.#wallSeconds(), step }, values));
  }

  hyperparameters(group: string, values: Readonly<Record<string, Hyperparameter>>): void {
    const time = { wallSeconds: this.#wallSeconds(), step: 0 };
    this.#write(encodeHyperparameters(time, group, values));
  }

  /** Steps after this one are done again. */
  restart(step: number): void {
    this.#marks.push(encodeSessionStart({ wallSeconds: this.#wallSeconds(), step: step + 1 }));
    // A file that cannot be written at all collects no more than this: its version and the newest.
    if (this.#marks.length > marksMax) this.#marks.splice(1, 1);
    this.#write();
  }

  close(): void {
    this.#file?.close();
    this.#file = undefined;
  }

  #wallSeconds(): number {
    return Date.parse(this.#options.timeOfDay()) / 1000;
  }

  /** Straight to the system, so that a reader sees it and the end of this process loses nothing. */
  #write(...events: Uint8Array[]): void {
    const { bytesMax } = this.#options.limits ?? defaultLimits;
    try {
      if (this.#bytes >= bytesMax) throw new RangeError(`it has ${bytesMax} bytes, and is full`);
      this.#file ??= Deno.openSync(this.path, { write: true, create: true });
      // What a failed write has left of a record would make all that follow unreadable.
      this.#file.seekSync(this.#bytes, Deno.SeekMode.Start);
      const records = [...this.#marks, ...events].map(encodeRecord);
      for (const record of records) {
        for (let sent = 0; sent < record.length;) {
          sent += this.#file.writeSync(record.subarray(sent));
        }
      }
      this.#bytes += records.reduce((sum, { length }) => sum + length, 0);
      this.#marks = [];
    } catch (error) {
      this.#cutTail();
      this.#options.onLost(this.path, error);
    }
  }

  #cutTail(): void {
    try {
      this.#file?.truncateSync(this.#bytes);
    } catch {
      // The next record is written over it.
    }
  }
}

/** Readers take files in the order of their names, which begin with a time in seconds. */
function nextNumber({ folder, timeOfDay }: EventFileOptions): string {
  let last = 0;
  try {
    for (const { name } of Deno.readDirSync(folder)) {
      const [, number] = /^events\.out\.tfevents\.(\d{10})\./.exec(name) ?? [];
      if (number !== undefined) last = Math.max(last, Number(number));
    }
  } catch {
    // A folder that cannot be read cannot be written: the first event tells why.
  }
  const seconds = Math.floor(Date.parse(timeOfDay()) / 1000);
  return String(Math.max(seconds, last + 1)).padStart(10, "0");
}
