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

export class MetricsLog {
  readonly #path: string;
  #file: Deno.FsFile;

  private constructor(path: string, file: Deno.FsFile) {
    this.#path = path;
    this.#file = file;
  }

  /**
   * Opens the log for appending, and creates it where there is none.
   * @param resumeStep lines of later steps are dropped, as is a torn last line; 0 starts anew
   * @throws {Error} if the file cannot be written
   */
  static async open(path: string, resumeStep: number): Promise<MetricsLog> {
    const kept = resumeStep === 0
      ? []
      : (await readMetrics(path)).filter((line) => line.step <= resumeStep);
    // Renamed into place: a crash here leaves the old log or the new one.
    await Deno.writeTextFile(`${path}.tmp`, kept.map(toText).join(""));
    await Deno.rename(`${path}.tmp`, path);
    return new MetricsLog(path, await Deno.open(path, { append: true }));
  }

  /** Appends a line; numbers that JSON lacks (NaN, Infinity) are written as null. */
  append(line: MetricsLine): void {
    const bytes = new TextEncoder().encode(toText(line));
    for (let sent = 0; sent < bytes.length;) sent += this.#file.writeSync(bytes.subarray(sent));
  }

  /** Drops the lines of steps after this one: they are done again. */
  dropAfter(step: number): void {
    const lines = Deno.readTextFileSync(this.#path).split("\n").slice(0, -1);
    const kept = lines.map((text, index) => parseLine(text, this.#path, index + 1))
      .filter((line) => line.step <= step);
    Deno.writeTextFileSync(`${this.#path}.tmp`, kept.map(toText).join(""));
    Deno.renameSync(`${this.#path}.tmp`, this.#path);
    this.#file.close();
    this.#file = Deno.openSync(this.#path, { append: true });
  }

  close(): void {
    this.#file.close();
  }
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
    typeof line === "object" && line !== null && "step" in line && typeof line.step === "number"
  ) {
    return line as MetricsLine;
  }
  throw new SyntaxError(
    `Cannot read line ${number} of "${path}": expected a JSON object with a number "step", ` +
      `received ${text.slice(0, 80)}; move the file away to go on without its history`,
  );
}

function toText(line: MetricsLine): string {
  return `${JSON.stringify(line)}\n`;
}
