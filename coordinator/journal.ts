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

/** Opens the journal at `path`, and creates it where there is none; a torn last line is dropped. */
export function openJournal(path: string): Journal {
  const lines = readLines(path);
  const generations = lines.map((line) => (JSON.parse(line) as JournalEntry).generation);
  let generation = Math.max(0, ...generations);
  const file = Deno.openSync(path, { create: true, write: true });
  // Continues after the last whole line.
  const bytes = new TextEncoder().encode(lines.map((line) => `${line}\n`).join(""));
  file.truncateSync(bytes.length);
  file.seekSync(0, Deno.SeekMode.End);
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

function readLines(path: string): string[] {
  let text: string;
  try {
    text = Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
  return text.split("\n").slice(0, -1);
}
