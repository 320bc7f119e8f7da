/**
 * What a person watches while something runs. On a terminal it is one live line at the bottom,
 * redrawn in place; elsewhere (a log file, a CI page) it is a plain line every few seconds, so that
 * a day's training does not fill a disk. Lines meant to stay are printed above the live one.
 */
import type { Clock } from "../net/clock.ts";

/** Where text goes: standard error in a program, an array in a test. */
export interface Output {
  write(text: string): void;
  readonly isTerminal: boolean;
  /** Width in characters; asked at each redraw, because windows are resized. */
  columns(): number;
}

export const standardError: Output = {
  write(text) {
    const bytes = new TextEncoder().encode(text);
    for (let sent = 0; sent < bytes.length;) sent += Deno.stderr.writeSync(bytes.subarray(sent));
  },
  get isTerminal() {
    return Deno.stderr.isTerminal();
  },
  columns() {
    return Deno.consoleSize().columns;
  },
};

export interface ProgressLineOptions {
  readonly output: Output;
  readonly clock: Clock;
  /** Shortest time between two redraws of the live line. @default {100} */
  readonly redrawIntervalMs?: number;
  /** Shortest time between two plain lines where there is no terminal. @default {10000} */
  readonly plainIntervalMs?: number;
}

const BAR_COLUMNS = 24;
const ERASE_LINE = "\r\x1b[2K";

export class ProgressLine {
  readonly #output: Output;
  readonly #clock: Clock;
  readonly #redrawIntervalMs: number;
  readonly #plainIntervalMs: number;
  #shown: { readonly fields: readonly string[]; readonly share?: number } | undefined;
  #visible = false;
  #drawnMs = -Infinity;
  #cancelRedraw: (() => void) | undefined;

  constructor(options: ProgressLineOptions) {
    this.#output = options.output;
    this.#clock = options.clock;
    this.#redrawIntervalMs = options.redrawIntervalMs ?? 100;
    this.#plainIntervalMs = options.plainIntervalMs ?? 10_000;
  }

  /**
   * Shows the state of what runs, e.g. ["epoch 2/3", "step 120/300", "loss 0.0123"].
   * @param share of the work that is done, from 0 to 1; draws a bar where there is room
   */
  show(fields: readonly string[], share?: number): void {
    this.#shown = { fields, share };
    const intervalMs = this.#output.isTerminal ? this.#redrawIntervalMs : this.#plainIntervalMs;
    const waitMs = this.#drawnMs + intervalMs - this.#clock.nowMs();
    if (waitMs <= 0) return this.#draw();
    // The newest state is drawn in the end, even if nothing is shown after it.
    if (this.#output.isTerminal) {
      this.#cancelRedraw ??= this.#clock.after(waitMs, () => this.#draw());
    }
  }

  /** Prints a line that stays, above the live one. */
  print(line: string): void {
    this.#erase();
    this.#output.write(`${line}\n`);
    if (this.#output.isTerminal && this.#shown !== undefined) this.#draw();
  }

  /** Ends the live line, and prints `line` in its place if one is given. */
  end(line?: string): void {
    this.#cancelRedraw?.();
    this.#cancelRedraw = undefined;
    this.#shown = undefined;
    this.#drawnMs = -Infinity;
    this.#erase();
    if (line !== undefined) this.#output.write(`${line}\n`);
  }

  #draw(): void {
    this.#cancelRedraw?.();
    this.#cancelRedraw = undefined;
    if (this.#shown === undefined) return;
    this.#drawnMs = this.#clock.nowMs();
    const { fields, share } = this.#shown;
    if (!this.#output.isTerminal) return this.#output.write(`${fields.join(" · ")}\n`);
    // The last column stays free: some terminals wrap as soon as it is written.
    this.#output.write(ERASE_LINE + fitLine(fields, share, this.#output.columns() - 1));
    this.#visible = true;
  }

  #erase(): void {
    if (this.#visible) this.#output.write(ERASE_LINE);
    this.#visible = false;
  }
}

/** The first field, the bar if there is room, then as many fields as fit in `columns`. */
function fitLine(fields: readonly string[], share: number | undefined, columns: number): string {
  const [first = "", ...rest] = fields;
  if (share !== undefined) {
    const line = `${first}  ${drawBar(share)}  ${rest.join(" · ")}`;
    if (line.length <= columns) return line;
  }
  for (let count = fields.length; count > 0; count--) {
    const line = fields.slice(0, count).join(" · ");
    if (line.length <= columns) return line;
  }
  return `${first.slice(0, Math.max(columns - 1, 0))}…`;
}

function drawBar(share: number): string {
  const full = Math.floor(Math.min(Math.max(share, 0), 1) * BAR_COLUMNS);
  return "━".repeat(full) + "─".repeat(BAR_COLUMNS - full);
}

/** "0:42", "12:05", "3:07:00"; "-:--" for a time that is not known. */
export function formatDuration(durationMs: number): string {
  if (!Number.isFinite(durationMs)) return "-:--";
  const seconds = Math.max(0, Math.round(durationMs / 1000));
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  const tail = String(seconds % 60).padStart(2, "0");
  return hours === 0
    ? `${minutes}:${tail}`
    : `${hours}:${String(minutes).padStart(2, "0")}:${tail}`;
}

/** Time left at the mean rate so far; Infinity before anything is done. */
export function timeLeftMs(elapsedMs: number, done: number, total: number): number {
  return done > 0 ? elapsedMs / done * (total - done) : Infinity;
}
