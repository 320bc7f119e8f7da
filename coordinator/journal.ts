/**
 * What the coordinator has decided, one line for each generation, on disk before anybody hears of it:
 * a coordinator that takes over never gives a number twice, so that no message of an earlier
 * generation can pass for one of its own.
 */
export interface JournalEntry {
  readonly generation: number;
  readonly members: readonly string[];
  /** Step of the snapshot that the generation begins from. */
  readonly step: number;
}

export interface Journal {
  /** The newest generation; 0 where there was none. */
  readonly generation: number;
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
const diskJournal: JournalDisk = {
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
    return file;
  },
};

/** Opens the journal at `path`, and creates it where there is none; a torn last line is dropped. */
export function openJournal(path: string, disk: JournalDisk = diskJournal): Journal {
  const lines = readLines(disk.read(path));
  const generations = lines.map((line) => (JSON.parse(line) as JournalEntry).generation);
  let generation = Math.max(0, ...generations);
  // Continues after the last whole line.
  const bytes = new TextEncoder().encode(lines.map((line) => `${line}\n`).join(""));
  const file = disk.open(path, bytes.length);
  return {
    get generation() {
      return generation;
    },
    append(entry) {
      const text = new TextEncoder().encode(`${JSON.stringify(entry)}\n`);
      for (let written = 0; written < text.length;) {
        written += file.writeSync(text.subarray(written));
      }
      file.syncSync();
      generation = entry.generation;
    },
    close: () => file.close(),
  };
}

function readLines(bytes: Uint8Array | undefined): string[] {
  return new TextDecoder().decode(bytes).split("\n").slice(0, -1);
}
