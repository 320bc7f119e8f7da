/**
 * Command-line flags as a table: parsing, checking and the help text all come from it.
 * `--config FILE.json` gives the same flags as an object; what the command line gives wins.
 */
import { flagHint } from "./flag_hints.ts";
import { parseArgs } from "node:util";
import type { Options, OptionValue } from "../net/options.ts";

export interface Flag {
  readonly kind:
    | "integer"
    | "number"
    | "integers"
    | "numbers"
    | "text"
    | "choice"
    | "options"
    | "switch";
  readonly help: string;
  /** Name of the value in the help, e.g. "N". */
  readonly value?: string;
  /** Values that a choice takes. A switch may be given alone, or be set to one of them. */
  readonly choices?: readonly string[];
  /** Beside the choices, a file whose name ends so. */
  readonly orFile?: RegExp;
  /** For a value that is neither: a sentence, where more is known than that. */
  readonly otherwise?: (text: string) => string | undefined;
  readonly min?: number;
  readonly max?: number;
  /** Given more than once, all its values count, with commas between. */
  readonly repeats?: boolean;
  /** What the help says where there is no fixed default. */
  readonly defaultText?: string;
}

export type FlagTable = Readonly<Record<string, Flag>>;
export type FlagValue = string | number | boolean | readonly number[] | Options;
/** Only the flags that were given. */
export type GivenFlags = Readonly<Record<string, FlagValue>>;

/** Wrong usage: the command ends with exit code 2 and this one sentence. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** @throws {UsageError} for an unknown flag, a value missing, or one out of range */
export function parseFlags(args: readonly string[], table: FlagTable): GivenFlags {
  let parsed;
  try {
    parsed = parseArgs({
      args: [...args],
      options: Object.fromEntries(
        Object.entries(table).map(([name, flag]) => [
          name,
          { type: flag.kind === "switch" ? "boolean" as const : "string" as const },
        ]),
      ),
      strict: false,
      allowPositionals: true,
      tokens: true,
    });
  } catch (cause) {
    throw new UsageError(cause instanceof Error ? cause.message : String(cause), { cause });
  }
  const given: Record<string, FlagValue> = {};
  for (const token of parsed.tokens ?? []) {
    if (token.kind === "positional") {
      throw new UsageError(`Unknown argument "${token.value}": flags start with --; see --help`);
    }
    if (token.kind !== "option") continue;
    const flag = Object.hasOwn(table, token.name) ? table[token.name] : undefined;
    if (!flag) throw new UsageError(unknownFlag(token.rawName, table));
    if (flag.kind === "switch") {
      if (token.value !== undefined && !flag.choices?.includes(token.value)) {
        const takes = flag.choices
          ? `takes no value but ${flag.choices.join(", ")}`
          : "takes no value";
        throw new UsageError(`--${token.name} ${takes}: found "${token.value}"`);
      }
      given[token.name] = token.value ?? true;
    } else {
      // What looks like the next flag is one: `--out --json` has forgotten its folder.
      const isFlag = !token.inlineValue && token.value?.startsWith("--");
      if (token.value === undefined || token.value === "" || isFlag) {
        throw new UsageError(`--${token.name} needs a value: ${valueName(flag)}`);
      }
      const before = flag.repeats ? given[token.name] : undefined;
      const value = before === undefined ? token.value : `${before},${token.value}`;
      given[token.name] = readValue(token.name, flag, value);
    }
  }
  return given;
}

/**
 * Flags from a JSON object, e.g. {"lanes": 12, "learning-rate": 0.001, "filters": [16, 16]}.
 * @throws {UsageError} naming the file and the key
 */
export function flagsFromObject(object: unknown, table: FlagTable, source: string): GivenFlags {
  if (typeof object !== "object" || object === null || Array.isArray(object)) {
    throw new UsageError(`Cannot read ${source}: it must hold one JSON object of flags`);
  }
  const given: Record<string, FlagValue> = {};
  for (const [name, value] of Object.entries(object)) {
    const flag = Object.hasOwn(table, name) ? table[name] : undefined;
    if (!flag) throw new UsageError(`${unknownFlag(`--${name}`, table)} (in ${source})`);
    if (flag.kind === "switch") {
      const isChoice = typeof value === "string" && flag.choices?.includes(value);
      if (typeof value !== "boolean" && !isChoice) {
        const choices = ["true", "false", ...flag.choices ?? []].join(" or ");
        throw new UsageError(`"${name}" in ${source} must be ${choices}: found ${value}`);
      }
      if (value) given[name] = value;
    } else if (flag.kind === "options") {
      given[name] = readOptionsObject(name, value, source);
    } else {
      const isList = flag.kind === "integers" || flag.kind === "numbers";
      const items = isList && Array.isArray(value) ? value : [value];
      const isPlain = (item: unknown) => typeof item === "number" || typeof item === "string";
      if (items.length === 0 || !items.every(isPlain) || value === "") {
        throw new UsageError(
          `"${name}" in ${source} must be ${valueName(flag)}: found ${JSON.stringify(value)}`,
        );
      }
      given[name] = readValue(name, flag, items.join(","));
    }
  }
  return given;
}

/** What stands for the value in help and errors. */
function valueName(flag: Flag): string {
  return [...flag.choices ?? [], ...(flag.value ? [flag.value] : [])].join("|") || "TEXT";
}

function readValue(name: string, flag: Flag, text: string): FlagValue {
  switch (flag.kind) {
    case "integer":
    case "number":
      return readNumber(name, flag, text);
    case "integers":
      return text.split(",").map((part) => readNumber(name, { ...flag, kind: "integer" }, part));
    case "numbers":
      return text.split(",").map((part) => readNumber(name, { ...flag, kind: "number" }, part));
    case "choice":
      if (!flag.choices!.includes(text) && !flag.orFile?.test(text)) {
        const file = flag.orFile ? `, or name a ${flag.value}` : "";
        throw new UsageError(
          flag.otherwise?.(text) ??
            `Unknown --${name} "${text}": choose one of ${flag.choices!.join(", ")}${file}`,
        );
      }
      return text;
    case "options":
      return readOptions(name, text);
    default:
      return text;
  }
}

/**
 * "latent=6,filters=32,64,warm=true": what has no name goes on with the list before it. Or an object
 * in JSON, whose texts may be anything.
 */
function readOptions(name: string, text: string): Options {
  if (text.startsWith("{")) {
    return readOptionsObject(name, readJson(name, text), "the command line");
  }
  const lists = new Map<string, OptionValue[]>();
  let last: OptionValue[] | undefined;
  for (const part of text.split(",")) {
    const equals = part.indexOf("=");
    const option = part.slice(0, equals).trim();
    if (equals < 0 ? last === undefined : option === "" || lists.has(option)) {
      throw new UsageError(
        `--${name} must be NAME=VALUE,NAME=VALUE,... with each name once: found "${text}"`,
      );
    }
    if (equals >= 0) lists.set(option, last = []);
    last!.push(readOptionValue(part.slice(equals + 1).trim()));
  }
  return Object.fromEntries(
    [...lists].map(([option, values]) => {
      if (values.length === 1) return [option, values[0]];
      if (values.every((value) => typeof value === "number")) return [option, values as number[]];
      throw new UsageError(`--${name} ${option} must be numbers: found "${values.join(",")}"`);
    }),
  );
}

function readJson(name: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new UsageError(`--${name} begins as JSON and is none: found "${text}"`, { cause });
  }
}

function readOptionValue(text: string): string | number | boolean {
  if (text === "true" || text === "false") return text === "true";
  return text === "" || Number.isNaN(Number(text)) ? text : Number(text);
}

function readOptionsObject(name: string, value: unknown, source: string): Options {
  const isValue = (each: unknown) =>
    ["number", "string", "boolean"].includes(typeof each) ||
    (Array.isArray(each) && each.every((item) => typeof item === "number"));
  if (typeof value !== "object" || value === null || !Object.values(value).every(isValue)) {
    throw new UsageError(
      `"${name}" in ${source} must be an object of numbers, texts, true or false, or lists of ` +
        `numbers: found ${JSON.stringify(value)}`,
    );
  }
  return value as Options;
}

function readNumber(name: string, flag: Flag, text: string): number {
  const value = text.trim() === "" ? NaN : Number(text);
  const wanted = flag.kind === "integer" ? "a whole number" : "a number";
  const { min = -Infinity, max = Infinity } = flag;
  if (!Number.isFinite(value) || (flag.kind === "integer" && !Number.isSafeInteger(value))) {
    throw new UsageError(`--${name} must be ${wanted}: found "${text}"`);
  }
  if (value < min || value > max) {
    const range = max === Infinity
      ? `at least ${min}`
      : min === -Infinity
      ? `at most ${max}`
      : `between ${min} and ${max}`;
    throw new UsageError(`--${name} must be ${range}: found ${text}`);
  }
  return value;
}

function unknownFlag(rawName: string, table: FlagTable): string {
  const name = rawName.replace(/^-+/, "");
  // Beyond half of its letters, a word is no misspelling of another.
  const distanceMax = Math.min(3, name.length / 2);
  const [nearest] = Object.keys(table)
    .map((known) => ({ known, distance: known.startsWith(name) ? 0 : editDistance(name, known) }))
    .filter(({ distance }) => distance <= distanceMax)
    .sort((a, b) => a.distance - b.distance);
  const hint = flagHint(name, Object.keys(table)) ??
    (nearest ? `did you mean --${nearest.known}?` : "see --help");
  return `Unknown flag ${rawName}: ${hint}`;
}

/** Levenshtein distance. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replace = row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replace, row[j] + 1, next[j - 1] + 1));
    }
    row = next;
  }
  return row[b.length];
}

/** Arguments that `parseFlags` reads these flags from; those that the table lacks are left out. */
export function flagArgs(given: GivenFlags, table: FlagTable): string[] {
  return Object.entries(given).filter(([name]) => Object.hasOwn(table, name))
    .flatMap(([name, value]) => {
      if (typeof value === "boolean") return value ? [`--${name}`] : [];
      const isOptions = typeof value === "object" && !Array.isArray(value);
      return [`--${name}=${isOptions ? JSON.stringify(value) : value}`];
    });
}

/** The flags with their help, aligned. */
export function helpText(usage: string, table: FlagTable): string {
  const rows = Object.entries(table).map(([name, flag]) => {
    const value = flag.kind === "switch" ? "" : valueName(flag);
    const choices = flag.kind === "switch" && flag.choices ? `[=${flag.choices.join("|")}]` : "";
    const fallback = flag.defaultText === undefined ? "" : ` (default: ${flag.defaultText})`;
    return { left: `  --${name}${choices} ${value}`.trimEnd(), right: flag.help + fallback };
  });
  const width = Math.min(44, Math.max(...rows.map(({ left }) => left.length)));
  const lines = rows.map(({ left, right }) =>
    left.length > width
      ? `${left}\n${" ".repeat(width + 2)}${right}`
      : `${left.padEnd(width)}  ${right}`
  );
  return [usage, "", ...lines, ""].join("\n");
}
