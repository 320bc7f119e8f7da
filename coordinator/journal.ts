/**
 * What the coordinator has decided, a line for each generation, on disk before anybody hears of it:
 * a coordinator that takes over never gives a number twice, so that no message of an earlier
 * generation can pass for one of its own. What becomes known between two generations is a line that
 * repeats the number.
 */
import { dirname } from "node:path";
import { array, integer, SchemaError, string } from "../net/schema.ts";
import { parseJson } from "../net/strict_json.ts";

export interface JournalEntry {
  readonly generation: number;
  readonly members: readonly string[];
  /** Step of the snapshot that the generation begins from. */
  readonly step: number;
  /** Generations of the run so far that began because a worker was lost. */
  readonly restarts: number;
  /** A worker that is heard no more, and why. */
  readonly dropped?: string;
  /** A step of which nothing was applied, because it was not finite. */
  readonly skipped?: number;
}

export interface Journal {
  /** No generation had a higher number; 0 where there was none. */
  readonly generation: number;
  /** Of the newest generation that is known. */
  readonly members: readonly string[];
  readonly restarts: number;
  /** Steps of which nothing was applied, without those that a generation went back behind. */
  readonly skippedSteps: readonly number[];
  /** Returns when the entry is durable. @throws {Error} where the disk refuses */
  append(entry: JournalEntry): void;
  close(): void;
}

/** What the journal needs of a disk; synchronous, because nothing may happen before it is written. */
export interface JournalDisk {
  /** A whole file; undefined where there is none. */
  read(path: string): Uint8Array | undefined;
  /** Opens to write after the first `bytes` bytes, without what came after them. */
  open(path: string, bytes: number): JournalFile;
}

export interface JournalFile {
  /** Writes some of the bytes and returns how many. */
  writeSync(bytes: Uint8Array): number;
  syncSync(): void;
  close(): void;
}

/** The real disk. */
export const diskJournal: JournalDisk = {
  read(path) {
    try {
      return Deno.readFileSync(path);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return undefined;
      throw error;
    }
  },
  open(path, bytes) {
    const file = Deno.openSync(path, { create: true, write: true });
    file.truncateSync(bytes);
    file.seekSync(0, Deno.SeekMode.End);
    // A new file's name is durable only when its folder is.
    if (Deno.build.os !== "windows") {
      using folder = Deno.openSync(dirname(path), { read: true });
      folder.syncSync();
    }
    return file;
  },
};

/**
 * Opens the journal at `path`, and creates it where there is none. A last line that is torn was never
 * announced; it is dropped, and so is its number.
 * @throws {Error} naming the line, where an earlier one is damaged or any holds what no coordinator
 * writes: which numbers were given is not known then
 */
export function openJournal(path: string, disk: JournalDisk = diskJournal): Journal {
  const found = readEntries(path, disk.read(path) ?? new Uint8Array(0));
  let known: Known = found;
  // Continues after the last whole line.
  const file = disk.open(path, found.bytes);
  return {
    get generation() {
      return known.generation;
    },
    get members() {
      return known.members;
    },
    get restarts() {
      return known.restarts;
    },
    get skippedSteps() {
      return known.skippedSteps;
    },
    append(entry) {
      const text = new TextEncoder().encode(`${JSON.stringify(entry)}\n`);
      for (let written = 0; written < text.length;) {
        written += file.writeSync(text.subarray(written));
      }
      file.syncSync();
      known = after(known, entry);
    },
    close: () => file.close(),
  };
}

const newline = 10;

type Known = Pick<Journal, "generation" | "members" | "restarts" | "skippedSteps">;

/** What is known once this entry is. */
function after(
  before: Known,
  { generation, members, step, restarts, skipped }: JournalEntry,
): Known {
  if (generation < before.generation) return before;
  const isNew = generation > before.generation;
  const kept = before.skippedSteps.filter((each) => each !== skipped && (!isNew || each <= step));
  const skippedSteps = skipped === undefined ? kept : [...kept, skipped];
  return { generation, members, restarts, skippedSteps };
}

/** What the whole lines tell, and how many bytes they take. */
function readEntries(path: string, content: Uint8Array): Known & { bytes: number } {
  let newest: Known = { generation: 0, members: [], restarts: 0, skippedSteps: [] };
  let start = 0;
  for (let line = 1; start < content.length; line++) {
    const end = content.indexOf(newline, start);
    const given = end < 0 ? undefined : objectOf(content.subarray(start, end));
    if (given === undefined) {
      const isLast = end < 0 || end === content.length - 1;
      if (isLast) return { ...newest, generation: newest.generation + 1, bytes: start };
      throw new Error(`Cannot go on from ${path}: line ${line} is damaged; ${remedy}`);
    }
    try {
      newest = after(newest, entryOf(given, newest.generation));
    } catch (cause) {
      const why = (cause as Error).message.replace(/^Cannot accept /, () => "");
      throw new Error(
        `Cannot go on from ${path}: line ${line} is no line of a coordinator: ${why}; ${remedy}`,
        { cause },
      );
    }
    start = end + 1;
  }
  return { ...newest, bytes: start };
}

const remedy = "move the file away once no worker of this run is left";

/** Undefined where the line is torn. */
function objectOf(line: Uint8Array): object | undefined {
  try {
    const value = parseJson(new TextDecoder("utf-8", { fatal: true }).decode(line));
    return typeof value === "object" && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}

const countMax = 2 ** 40;
const count = integer({ min: 0, max: countMax });
const membersSchema = array(string({ lengthMax: 64 }), { lengthMax: 4096 });

/** @throws {SchemaError} naming the number that no coordinator wrote */
function entryOf(line: Partial<JournalEntry>, generationMin: number): JournalEntry {
  // Before the first generation there is 0, e.g. where a worker is heard no more.
  const generation = integer({ min: generationMin, max: countMax })
    .check(line.generation, "generation");
  const { members = [], step = 0, restarts = 0, skipped } = line;
  const names = membersSchema.check(members, "members");
  const twice = names.find((name, index) => names.indexOf(name) < index);
  if (twice !== undefined) throw new SchemaError(`members: ${JSON.stringify(twice)} stands twice`);
  return {
    generation,
    members: names,
    step: count.check(step, "step"),
    restarts: count.check(restarts, "restarts"),
    skipped: skipped === undefined ? undefined : count.check(skipped, "skipped"),
  };
}
