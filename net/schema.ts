/**
 * Checks what arrives from the network before it is used: a schema is a value that takes an
 * unknown one and returns it with its type, or names the field that is wrong. Every text, list and
 * byte field has a limit; unknown fields are refused, so that two versions that differ say so.
 */
export interface Schema<T> {
  /** @throws {SchemaError} naming `path` */
  check(value: unknown, path: string): T;
}

/** The type that a schema checks for. */
export type Infer<S> = S extends Schema<infer T> ? T : never;

/** What arrived is not what was agreed. */
export class SchemaError extends Error {
  override readonly name = "SchemaError";
}

/** A text of at most `lengthMax` UTF-16 units, and of this form where one is given. */
export function string(
  { lengthMax, form }: { lengthMax: number; form?: RegExp },
): Schema<string> {
  return {
    check(value, path) {
      if (typeof value !== "string") throw mismatch(path, "a string", value);
      limited(value, lengthMax, path);
      if (form && !form.test(value)) throw mismatch(path, `a string like ${form}`, value);
      return value;
    },
  };
}

/** A safe integer in [min, max]. */
export function integer({ min, max }: { min: number; max: number }): Schema<number> {
  return {
    check(value, path) {
      if (!Number.isSafeInteger(value)) throw mismatch(path, "an integer", value);
      const number = value as number;
      if (number < min || number > max) {
        throw mismatch(path, `an integer from ${min} to ${max}`, value);
      }
      return number;
    },
  };
}

/** A number that is neither infinite nor NaN, or with `finite: false` any number. */
export function number(
  { finite = true, min }: { finite?: boolean; min?: number } = {},
): Schema<number> {
  return {
    check(value, path) {
      const isNumber = typeof value === "number" && (!finite || Number.isFinite(value));
      if (isNumber && (min === undefined || value >= min)) return value;
      const kind = finite ? "a finite number" : "a number";
      throw mismatch(path, min === undefined ? kind : `${kind} of at least ${min}`, value);
    },
  };
}

export function boolean(): Schema<boolean> {
  return {
    check(value, path) {
      if (typeof value === "boolean") return value;
      throw mismatch(path, "true or false", value);
    },
  };
}

/** One of the given values. */
export function literal<const T extends string | number | boolean | null>(
  ...values: readonly T[]
): Schema<T> {
  return {
    check(value, path) {
      const found = values.find((candidate) => candidate === value);
      if (found !== undefined) return found;
      throw mismatch(path, values.map((each) => JSON.stringify(each)).join(" or "), value);
    },
  };
}

/** Bytes as they lie in the message: copy what outlives it. */
export function bytes(
  { lengthMin = 0, lengthMax }: { lengthMin?: number; lengthMax: number },
): Schema<Uint8Array> {
  return {
    check(value, path) {
      if (!(value instanceof Uint8Array)) throw mismatch(path, "bytes", value);
      if (value.length < lengthMin) throw mismatch(path, `at least ${lengthMin} bytes`, value);
      return limited(value, lengthMax, path);
    },
  };
}

/** A Float32Array of its own, copied from little-endian bytes. */
export function float32Array({ lengthMax }: { lengthMax: number }): Schema<Float32Array> {
  const inner = bytes({ lengthMax: lengthMax * 4 });
  return { check: (value, path) => new Float32Array(wordsOf(inner.check(value, path), path)) };
}

/** An Int32Array of its own, copied from little-endian bytes. */
export function int32Array({ lengthMax }: { lengthMax: number }): Schema<Int32Array> {
  const inner = bytes({ lengthMax: lengthMax * 4 });
  return { check: (value, path) => new Int32Array(wordsOf(inner.check(value, path), path)) };
}

/** A list of at most `lengthMax` items. */
export function array<T>(
  item: Schema<T>,
  { lengthMin = 0, lengthMax }: { lengthMin?: number; lengthMax: number },
): Schema<T[]> {
  return {
    check(value, path) {
      if (!Array.isArray(value)) throw mismatch(path, "a list", value);
      if (value.length < lengthMin) throw mismatch(path, `at least ${lengthMin} items`, value);
      return limited(value, lengthMax, path).map((each, i) => item.check(each, `${path}[${i}]`));
    },
  };
}

/** A list with one schema for each place: the compact form of an object. */
export function tuple<const S extends readonly Schema<unknown>[]>(
  ...items: S
): Schema<{ -readonly [I in keyof S]: Infer<S[I]> }> {
  return {
    check(value, path) {
      if (!Array.isArray(value) || value.length !== items.length) {
        throw mismatch(path, `a list of ${items.length}`, value);
      }
      return items.map((item, i) => item.check(value[i], `${path}[${i}]`)) as {
        -readonly [I in keyof S]: Infer<S[I]>;
      };
    },
  };
}

/** A map from names to values of one kind. */
export function record<T>(
  item: Schema<T>,
  { sizeMax }: { sizeMax: number },
): Schema<Record<string, T>> {
  return {
    check(value, path) {
      const entries = Object.entries(plainObject(value, path));
      limited(entries, sizeMax, path);
      return Object.fromEntries(
        entries.map(([key, each]) => [key, item.check(each, `${path}.${key}`)]),
      );
    },
  };
}

type OptionalKeys<F> = {
  [K in keyof F]: undefined extends Infer<F[K]> ? K : never;
}[keyof F];

/** The type of an object with these fields; those that may be undefined may be left out. */
export type Fields<F> =
  & { readonly [K in Exclude<keyof F, OptionalKeys<F>>]: Infer<F[K]> }
  & { readonly [K in OptionalKeys<F>]?: Infer<F[K]> };

/** An object with these fields, whatever else it has. */
export function partOf<const F extends Record<string, Schema<unknown>>>(
  fields: F,
): Schema<Fields<F>> {
  const exact = object(fields);
  return {
    check(value, path) {
      const given = plainObject(value, path);
      const part = Object.keys(fields).filter((key) => key in given).map((
        key,
      ) => [key, given[key]]);
      return exact.check(Object.fromEntries(part), path);
    },
  };
}

/** An object with exactly these fields. */
export function object<const F extends Record<string, Schema<unknown>>>(
  fields: F,
): Schema<Fields<F>> {
  const known = new Set(Object.keys(fields));
  return {
    check(value, path) {
      const given = plainObject(value, path);
      for (const key of Object.keys(given)) {
        if (!known.has(key)) throw new SchemaError(`Cannot accept ${path}: unknown field "${key}"`);
      }
      const result: Record<string, unknown> = {};
      for (const [key, schema] of Object.entries(fields)) {
        const checked = schema.check(given[key], `${path}.${key}`);
        if (checked !== undefined) result[key] = checked;
      }
      return result as Fields<F>;
    },
  };
}

/** `schema`, or nothing. */
export function optional<T>(schema: Schema<T>): Schema<T | undefined> {
  return {
    check: (value, path) => value === undefined ? undefined : schema.check(value, path),
  };
}

/** `schema`, or null. */
export function nullable<T>(schema: Schema<T>): Schema<T | null> {
  return { check: (value, path) => value === null ? null : schema.check(value, path) };
}

/** Objects told apart by the text in field `tag`: one of `variants`, by that text. */
export function union<const V extends Record<string, Schema<unknown>>>(
  tag: string,
  variants: V,
): Schema<Infer<V[keyof V]>> {
  return {
    check(value, path) {
      const kind = plainObject(value, path)[tag];
      if (typeof kind !== "string" || !Object.hasOwn(variants, kind)) {
        throw mismatch(`${path}.${tag}`, Object.keys(variants).join(" or "), kind);
      }
      return variants[kind].check(value, path) as Infer<V[keyof V]>;
    },
  };
}

function plainObject(value: unknown, path: string): Record<string, unknown> {
  if (typeof value === "object" && value !== null) {
    const prototype = Object.getPrototypeOf(value);
    if (prototype === Object.prototype || prototype === null) {
      return value as Record<string, unknown>;
    }
  }
  throw mismatch(path, "an object", value);
}

function limited<T extends { readonly length: number }>(
  value: T,
  lengthMax: number,
  path: string,
): T {
  if (value.length <= lengthMax) return value;
  throw new SchemaError(
    `Cannot accept ${path}: length ${value.length} is above the limit of ${lengthMax}`,
  );
}

/** Copies to memory of its own: inside a message, words do not lie on multiples of four. */
function wordsOf(data: Uint8Array, path: string): ArrayBuffer {
  if (data.length % 4 !== 0) {
    throw new SchemaError(`Cannot accept ${path}: ${data.length} bytes are not whole 4-byte words`);
  }
  const copy = new Uint8Array(data.length);
  copy.set(data);
  return copy.buffer;
}

function mismatch(path: string, expected: string, value: unknown): SchemaError {
  return new SchemaError(`Cannot accept ${path}: expected ${expected}, got ${inWords(value)}`);
}

function inWords(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.slice(0, 40));
  if (value === null || value === undefined || typeof value === "boolean") return String(value);
  if (typeof value === "number" || typeof value === "bigint") return String(value);
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (value instanceof Uint8Array) return `${value.length} bytes`;
  return "an object";
}
