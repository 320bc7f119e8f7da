/**
 * `metrics.jsonl`: one JSON object for each line, appended as the run goes, so that a plot can
 * follow it and a crash costs at most the line being written. A resumed run first drops what the
 * lost steps had written: every step stands in the file once.
 */
export interface MetricsLine {
  /** Optimizer steps done when the line was written. */
  readonly step: number;
  readonly [name: string]: number | string | boolean | null;
}

/** What the log needs of an open file. */
export interface LogFile {
  writeSync(bytes: Uint8Array): number;
  truncateSync(bytes: number): void;
  close(): void;
}

const tailBytesMin = 65_536;

export class MetricsLog {
  readonly #path: string;
  readonly #file: LogFile;
  /** Of the whole lines; what lies behind them is the rest of a line that the disk did not take. */
  #bytes: number;
  #isTorn = false;

  private constructor(path: string, file: LogFile, bytes: number) {
    this.#path = path;
    this.#file = file;
    this.#bytes = bytes;
  }

  /**
   * Opens the log for appending, and creates it where there is none.
   * @param resumeStep lines of later steps are dropped, as is a torn last line; 0 starts anew
   * @param openFile opens an existing file, to write at its end
   * @throws {Error} if the file cannot be written
   */
  static async open(
    path: string,
    resumeStep: number,
    openFile: (path: string) => LogFile = (path) => Deno.openSync(path, { append: true }),
  ): Promise<MetricsLog> {
    const kept = resumeStep === 0
      ? []
      : (await readMetrics(path)).filter((line) => line.step <= resumeStep);
    const bytes = new TextEncoder().encode(kept.map(toText).join(""));
    // Renamed into place: a crash here leaves the old log or the new one.
    await Deno.writeFile(`${path}.tmp`, bytes);
    await Deno.rename(`${path}.tmp`, path);
    return new MetricsLog(path, openFile(path), bytes.length);
  }

  /**
   * Appends a line; numbers that JSON lacks (NaN, Infinity) are written as null.
   * @throws {Error} where the disk does not take it; the log then is without it
   */
  append(line: MetricsLine): void {
    if (this.#isTorn) this.#cut();
    const bytes = new TextEncoder().encode(toText(line));
    try {
      for (let sent = 0; sent < bytes.length;) sent += this.#file.writeSync(bytes.subarray(sent));
    } catch (error) {
      // Half a line would be damage in the middle of the file once the disk takes more.
      this.#isTorn = true;
      this.#cut();
      throw error;
    }
    this.#bytes += bytes.length;
  }

  /** Drops the lines of steps after this one: they are done again. */
  dropAfter(step: number): void {
    const { start, lines } = this.#tail(step);
    this.#bytes = start;
    this.#cut();
    for (const line of lines) if (line.step <= step) this.append(line);
  }

  /** @throws {Error} where the disk refuses; the next line tries again */
  #cut(): void {
    this.#file.truncateSync(this.#bytes);
    this.#isTorn = false;
  }

  /**
   * The end of the file, from the first line of a later step on. Lines are nearly in order (a checkpoint
   * is told of once it is on disk, some steps later), so that a stretch without any later step, as long
   * as the one after it, is the end of the search.
   */
  #tail(step: number): { start: number; lines: readonly MetricsLine[] } {
    for (let length = tailBytesMin;; length *= 2) {
      const from = Math.max(0, this.#bytes - length);
      const text = readText(this.#path, from, this.#bytes);
      // The first line is a part of one, unless it is the first of all.
      const whole = from === 0 ? text : text.slice(text.indexOf("\n") + 1);
      const texts = whole.split("\n").slice(0, -1);
      const lines = texts.map((each, index) => parseLine(each, this.#path, index + 1));
      const first = lines.findIndex((line) => line.step > step);
      if (first === -1) return { start: this.#bytes, lines: [] };
      if (from > 0 && first < lines.length / 2) continue;
      const rest = texts.slice(first).join("\n");
      return { start: this.#bytes - byteLength(rest) - 1, lines: lines.slice(first) };
    }
  }

  close(): void {
    this.#file.close();
  }
}

function byteLength(text: string): number {
  return new TextEncoder().encode(text).length;
}

function readText(path: string, from: number, to: number): string {
  using file = Deno.openSync(path, { read: true });
  file.seekSync(from, Deno.SeekMode.Start);
  const bytes = new Uint8Array(to - from);
  let read = 0;
  while (read < bytes.length) {
    const count = file.readSync(bytes.subarray(read));
    if (count === null) break;
    read += count;
  }
  return new TextDecoder().decode(bytes.subarray(0, read));
}

/**
 * The lines of a log, none if it does not exist; a torn last line is left out.
 * @throws {SyntaxError} if another line is not a JSON object with a `step`
 */
export async function readMetrics(path: string): Promise<MetricsLine[]> {
  let text: string;
  try {
    text = await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
  // What follows the last line break was being written when the run died.
  return text.split("\n").slice(0, -1).map((line, index) => parseLine(line, path, index + 1));
}

function parseLine(text: string, path: string, number: number): MetricsLine {
  let line: unknown;
  try {
    line = JSON.parse(text);
  } catch {
    // Told below, like any other value that is not a line.
  }
  if (
    typeof line === "object" && line !== null && "step" in line &&
    Number.isSafeInteger(line.step) && Number(line.step) >= 0
  ) {
    return line as MetricsLine;
  }
  throw new SyntaxError(
    `Cannot read line ${number} of "${path}": expected a JSON object with a whole "step", ` +
      `received ${text.slice(0, 80)}; move the file away to go on without its history`,
  );
}

function toText(line: MetricsLine): string {
  return `${JSON.stringify(line)}\n`;
}
