/**
 * Where two configurations differ, field by field, so that a refused resume can say exactly which
 * option to change back.
 */
import type { JsonValue } from "./checkpoint_manifest.ts";

export interface ConfigurationDifference {
  /** A path such as "model.filters[1]". */
  readonly field: string;
  /** Undefined where the field is absent. */
  readonly saved: JsonValue | undefined;
  readonly given: JsonValue | undefined;
}

/**
 * Differences in the order of the saved fields, then of the new ones.
 * @param mayChange fields to leave out, with all below them
 */
export function configurationDifferences(
  saved: JsonValue,
  given: JsonValue,
  mayChange: readonly string[],
): ConfigurationDifference[] {
  return compare("", saved, given, new Set(mayChange));
}

function compare(
  field: string,
  saved: JsonValue | undefined,
  given: JsonValue | undefined,
  mayChange: ReadonlySet<string>,
): ConfigurationDifference[] {
  // A run from before a field was there did without it.
  if (mayChange.has(field) || Object.is(saved ?? null, given ?? null)) return [];
  if (isList(saved) && isList(given)) {
    return Array.from(
      { length: Math.max(saved.length, given.length) },
      (_, index) => compare(`${field}[${index}]`, saved[index], given[index], mayChange),
    ).flat();
  }
  if (isMap(saved) && isMap(given)) {
    const names = new Set([...Object.keys(saved), ...Object.keys(given)]);
    return [...names].flatMap((name) =>
      compare(field === "" ? name : `${field}.${name}`, saved[name], given[name], mayChange)
    );
  }
  return [{ field: field === "" ? "the configuration" : field, saved, given }];
}

function isList(value: JsonValue | undefined): value is readonly JsonValue[] {
  return Array.isArray(value);
}

function isMap(value: JsonValue | undefined): value is { readonly [key: string]: JsonValue } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
