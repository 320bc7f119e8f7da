/**
 * SEVIR's CATALOG.csv: when each event was. It is read as spreadsheets and pandas write it: with a
 * byte order mark, with commas in quotes, with offsets of time zones. The one file that names the
 * parser.
 */
import { parse } from "csv-parse/sync";
import { basename } from "node:path";
import { DatasetError } from "./dataset.ts";
import { attempt } from "./files.ts";

/** SEVIR's has 20 MB. */
const catalogueBytesMax = 256 * 1024 * 1024;
const columns = ["id", "img_type", "time_utc"] as const;

/** When an event was, as far as the catalogue tells. */
export type EventTime =
  | { readonly milliseconds: number }
  | { readonly unknown: true }
  /** In words: two times, and the lines that give them. */
  | { readonly contradiction: string };

export interface SevirCatalogue {
  /** An event's time, found by its place in a file where the catalogue has places, else by name. */
  timeOf(id: string, path: string, index: number): EventTime;
}

interface Line {
  readonly id: string;
  /** Undefined where it has none. */
  readonly milliseconds: number | undefined;
  readonly text: string;
  readonly line: number;
}

/** @throws {DatasetError} if it is no such table, or a line has no name or a time that is none */
export async function readSevirCatalogue(path: string): Promise<SevirCatalogue> {
  const { size } = await attempt(path, () => Deno.stat(path));
  if (size > catalogueBytesMax) {
    throw new DatasetError(
      `Cannot read "${path}": it has ${size} bytes, a catalogue at most ${catalogueBytesMax}`,
    );
  }
  const text = await attempt(path, () => Deno.readTextFile(path));
  const byName = new Map<string, Line[]>();
  const byPlace = new Map<string, Line[]>();
  let header: readonly string[] | undefined;
  const read = (fields: readonly string[], number: number) => {
    if (header === undefined) {
      header = checkedHeader(fields, path);
      return;
    }
    const field = (name: string) => fields[header!.indexOf(name)]?.trim();
    if (field("img_type")?.toLowerCase() !== "vil") return;
    const id = field("id");
    const time = field("time_utc") ?? "";
    const milliseconds = utcMilliseconds(time);
    if (!id || Number.isNaN(milliseconds)) {
      throw new DatasetError(
        `Cannot read "${path}": line ${number} has no id and time_utc, found "${id ?? ""}" and ` +
          `"${time}"; expected a time such as 2018-05-01 12:00:00`,
      );
    }
    const line = { id, milliseconds, text: time, line: number };
    add(byName, id, line);
    const [file, index] = [field("file_name"), field("file_index")];
    if (file && index) add(byPlace, placeOf(file, Number(index)), line);
  };
  parseTable(text, path, read);
  if (header === undefined) checkedHeader([], path);
  return {
    timeOf(id, file, index) {
      const here = byPlace.get(placeOf(file, index))?.filter((line) => line.id === id) ?? [];
      return onlyTime(here.length > 0 ? here : byName.get(id) ?? []);
    },
  };
}

function parseTable(
  text: string,
  path: string,
  read: (fields: readonly string[], line: number) => void,
): void {
  try {
    parse(text, {
      bom: true,
      skip_empty_lines: true,
      relax_quotes: true,
      relax_column_count: true,
      on_record: (fields: string[], { lines }: { lines: number }) => {
        read(fields, lines);
        return null;
      },
    });
  } catch (cause) {
    if (cause instanceof DatasetError) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new DatasetError(`Cannot read "${path}": it is no CSV table, ${reason}`, { cause });
  }
}

function checkedHeader(fields: readonly string[], path: string): readonly string[] {
  const names = fields.map((field) => field.trim());
  if (columns.some((column) => !names.includes(column))) {
    throw new DatasetError(
      `Cannot read "${path}": expected a table with the columns ${columns.join(", ")}, found ` +
        (names.join(", ").slice(0, 500) || "none"),
    );
  }
  return names;
}

function add(lines: Map<string, Line[]>, key: string, line: Line): void {
  const known = lines.get(key);
  if (known === undefined) lines.set(key, [line]);
  else known.push(line);
}

/** The key of a place. It has no folders, since the catalogue names these from another root. */
function placeOf(file: string, index: number): string {
  return `${basename(file).toLowerCase()} ${index}`;
}

function onlyTime(lines: readonly Line[]): EventTime {
  const timed = lines.filter(({ milliseconds }) => milliseconds !== undefined);
  const [first] = timed;
  if (first === undefined) return { unknown: true };
  const other = timed.find(({ milliseconds }) => milliseconds !== first.milliseconds);
  if (other === undefined) return { milliseconds: first.milliseconds! };
  return {
    contradiction: `${first.text} in line ${first.line} and ${other.text} in line ${other.line}`,
  };
}

const timePattern =
  /^(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,]\d+)?)?)?\s*(?:Z|UTC|GMT|([-+])(\d\d):?(\d\d)?)?$/i;

/** NaN where a text is no time; undefined where it says that there is none. */
function utcMilliseconds(text: string): number | undefined {
  if (/^(nan|nat|none|null)?$/i.test(text)) return undefined;
  const match = timePattern.exec(text);
  if (match === null) return NaN;
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map((part) =>
    Number(part ?? 0)
  );
  const time = Date.UTC(year, month - 1, day, hour, minute, second);
  const same = new Date(time);
  const exists = same.getUTCMonth() === month - 1 && same.getUTCDate() === day &&
    same.getUTCHours() === hour && same.getUTCMinutes() === minute;
  if (!exists) return NaN;
  const [sign, hours = "0", minutes = "0"] = match.slice(7);
  const ahead = (Number(hours) * 60 + Number(minutes)) * (sign === "-" ? -1 : 1);
  return time - ahead * 60_000;
}
