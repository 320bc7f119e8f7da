/**
 * Watches a run from outside, by the files that it writes: when a generation was opened (its
 * journal), and when a step was applied (its metrics).
 */
import { type Clock, delay } from "../net/clock.ts";

export interface Opening {
  readonly generation: number;
  readonly openedMs: number;
  /** When the first step after it was applied. */
  readonly resumedMs: number | undefined;
}

export interface RunWatch {
  /** Newest generation, 0 before the first. */
  readonly generation: number;
  /** Its workers in the order of their ranks. */
  readonly members: readonly string[];
  /** Newest step that was applied; goes back when steps are done again. */
  readonly step: number;
  /** Steps that were seen being applied; grows even where they are done again. */
  readonly applied: number;
  /** All generations that were seen, the newest last. */
  readonly openings: readonly Opening[];
  /** When the newest generation was opened, and when the first step after it was applied. */
  readonly openedMs: number;
  readonly resumedMs: number | undefined;
  /** @throws {Error} if it does not come true within `timeoutMs` */
  until(what: string, isTrue: () => boolean, timeoutMs: number): Promise<void>;
  /** Whoever waits from now on waits in vain. */
  fail(why: string): void;
  close(): void;
}

/** Also the precision of its times. */
const pollMs = 10;
/** More than the lines that a run writes between two looks. */
const tailBytesMax = 4096;

export function watchRun(folder: string, clock: Clock): RunWatch {
  let generation = 0;
  let members: readonly string[] = [];
  let step = 0;
  let applied = 0;
  const openings: { generation: number; openedMs: number; resumedMs: number | undefined }[] = [];
  let seen = { file: 0 as number | null, size: 0 };
  let journalSize = 0;
  let failure: string | undefined;
  let cancel = () => {};

  const readJournal = () => {
    const { size } = Deno.statSync(`${folder}/journal.jsonl`);
    if (size === journalSize) return;
    const line = tailOf(`${folder}/journal.jsonl`, size).split("\n").slice(0, -1).at(-1);
    if (line === undefined) return;
    journalSize = size;
    const newest = entryOf(line);
    if (newest === undefined || newest.generation <= generation) return;
    ({ generation, members } = newest);
    openings.push({ generation, openedMs: clock.nowMs(), resumedMs: undefined });
  };
  const readMetrics = () => {
    const { size, ino } = Deno.statSync(`${folder}/metrics.jsonl`);
    // Another file: steps were dropped from it, and are done again.
    const isSame = ino === seen.file && size >= seen.size;
    const start = isSame ? seen.size : size;
    seen = { file: ino, size };
    if (size <= start) return;
    const lines = tailOf(`${folder}/metrics.jsonl`, size, start).split("\n");
    for (const line of lines) {
      const found = line.match(/^\{"step":(\d+),"epoch":.*\}$/);
      if (!found) continue;
      step = Number(found[1]);
      applied++;
      const opening = openings.at(-1);
      if (opening) opening.resumedMs ??= clock.nowMs();
    }
  };
  const look = () => {
    for (const read of [readJournal, readMetrics]) {
      try {
        read();
      } catch (error) {
        // Not there yet, or being replaced.
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      }
    }
    cancel = clock.after(pollMs, look);
  };
  look();

  return {
    get generation() {
      return generation;
    },
    get members() {
      return members;
    },
    get step() {
      return step;
    },
    get applied() {
      return applied;
    },
    get openedMs() {
      return openings.at(-1)?.openedMs ?? 0;
    },
    get resumedMs() {
      return openings.at(-1)?.resumedMs;
    },
    openings,
    async until(what, isTrue, timeoutMs) {
      const deadline = clock.nowMs() + timeoutMs;
      while (!isTrue()) {
        if (failure !== undefined || clock.nowMs() > deadline) {
          throw new Error(
            `${
              failure ?? `Not within ${timeoutMs / 1000} s`
            }: waited for ${what}; the run stands at step ${step} of ` +
              `generation ${generation}`,
          );
        }
        await delay(clock, pollMs);
      }
    },
    fail: (why) => failure ??= why,
    close: () => cancel(),
  };
}

/** Undefined where the line is none, because whoever wrote it died. */
function entryOf(line: string): { generation: number; members: string[] } | undefined {
  try {
    const { generation, members } = JSON.parse(line);
    return { generation, members };
  } catch {
    return undefined;
  }
}

/** The end of a file, from `start` on where that is not too long. */
function tailOf(path: string, size: number, start = 0): string {
  using file = Deno.openSync(path);
  const from = Math.max(start, size - tailBytesMax);
  file.seekSync(from, Deno.SeekMode.Start);
  const bytes = new Uint8Array(size - from);
  const count = file.readSync(bytes) ?? 0;
  return new TextDecoder().decode(bytes.subarray(0, count));
}
