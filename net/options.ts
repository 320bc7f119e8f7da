/**
 * Options of one model or one dataset: what is given is checked against what it declares, so that a
 * misspelled name or a value out of range is told before anything runs.
 */
export type OptionValue = number | string | boolean | readonly number[];
export type Options = Readonly<Record<string, OptionValue>>;

/** The kind of the default is the kind of the option. */
export interface OptionSpec {
  readonly name: string;
  readonly default: OptionValue;
  readonly meaning: string;
  /** Of a number, or of each number of a list. */
  readonly min?: number;
  readonly max?: number;
  /** A number is whole unless this says otherwise. */
  readonly fraction?: boolean;
  /** Of a text. */
  readonly choices?: readonly string[];
  /** Whether a text is the path of a file, which processes need the right to read. */
  readonly isPath?: boolean;
  /** Whether it is about files, and does nothing where sequences are generated. */
  readonly ofFiles?: boolean;
}

/** An option that is not declared, or a value that does not fit its declaration. */
export class OptionError extends Error {
  override readonly name = "OptionError";
}

/**
 * All declared options, with their defaults where nothing is given.
 * @param owner whose options they are, e.g. "--model convlstm"
 * @throws {OptionError} naming the option, and those that are known
 */
export function resolveOptions(
  specs: readonly OptionSpec[],
  given: Options,
  owner: string,
): Options {
  const known = new Map(specs.map((spec) => [spec.name, spec]));
  for (const name of Object.keys(given)) {
    if (known.has(name)) continue;
    const hint = specs.length === 0
      ? "it has none; leave them out"
      : `choose from ${specs.map(inWords).join("; ")}`;
    throw new OptionError(`Unknown option "${name}" of ${owner}: ${hint}`);
  }
  return Object.fromEntries(specs.map((spec) => {
    const value = given[spec.name];
    return [spec.name, value === undefined ? spec.default : checked(spec, value, owner)];
  }));
}

/** "latent, points of an autoencoder's bottleneck (default: 2)" */
function inWords({ name, meaning, default: fallback }: OptionSpec): string {
  return `${name}, ${meaning} (default: ${fallback})`;
}

function checked(spec: OptionSpec, value: OptionValue, owner: string): OptionValue {
  const wrong = (wanted: string) =>
    new OptionError(
      `Option "${spec.name}" of ${owner} must be ${wanted}: found ${JSON.stringify(value)}`,
    );
  if (Array.isArray(spec.default)) {
    const list = Array.isArray(value) ? value as readonly number[] : [value];
    if (list.length === 0) throw wrong("a list of numbers");
    for (const each of list) if (!isNumber(spec, each)) throw wrong(`a list of ${numbers(spec)}`);
    return list as readonly number[];
  }
  switch (typeof spec.default) {
    case "number":
      if (!isNumber(spec, value)) throw wrong(numbers(spec));
      return value;
    case "boolean":
      if (typeof value !== "boolean") throw wrong("true or false");
      return value;
    default:
      if (typeof value === "object" || (spec.choices && !spec.choices.includes(`${value}`))) {
        throw wrong(spec.choices ? `one of ${spec.choices.join(", ")}` : "a text");
      }
      return `${value}`;
  }
}

function isNumber({ min = -Infinity, max = Infinity, fraction }: OptionSpec, value: unknown) {
  return typeof value === "number" && Number.isFinite(value) && value >= min && value <= max &&
    (fraction === true || Number.isSafeInteger(value));
}

function numbers({ min, max, fraction }: OptionSpec): string {
  const kind = fraction ? "numbers" : "whole numbers";
  const from = min === undefined ? "" : ` from ${min}`;
  return `${kind}${from}${max === undefined ? "" : ` up to ${max}`}`;
}
