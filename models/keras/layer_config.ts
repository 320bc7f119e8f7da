/**
 * Reads the configuration of one layer as its file has it. Every field is either read by the layer's
 * kind or refused: a setting that nobody looks at would be a wrong value that nobody sees.
 */
import { ModelError } from "../check_model.ts";
import { type Activation, findActivation } from "./activations.ts";
import type { LayerMaker, Port, Shape, WeightSpec } from "./layer.ts";

/** What a layer lies in. */
export interface Surroundings {
  /** Path of the `model.json`, which errors name. */
  readonly file: string;
  /** Keras 3 and 2 mean different things by a few equal words. */
  readonly isKeras3: boolean;
  /** Names of the layers around it, the whole network's left out. */
  readonly around: readonly string[];
  /** One around it is not trained. */
  readonly isFrozen: boolean;
  /** Makes a layer within a layer. */
  readonly make: (config: LayerConfig) => MadeLayer;
}

export interface MadeLayer {
  readonly config: LayerConfig;
  readonly maker: LayerMaker;
}

/**
 * A class of layers: reads a configuration.
 * @throws {ModelError} for one that it does not compute as Keras does
 */
export type LayerKind = (config: LayerConfig) => LayerMaker;

export type Fields = Readonly<Record<string, unknown>>;

/** What changes no value that a trained network computes, or is checked for every layer. */
const known = /^(?:name|trainable|dtype|batch_input_shape|batch_shape|input_shape|input_dtype)$/;
const knownToo = /^(?:build_config|seed|autocast|module|registered_name)$|_initializer$/;
const term = /_(?:regularizer|constraint)$/;

export class LayerConfig {
  readonly kind: string;
  readonly name: string;
  readonly isKeras3: boolean;
  readonly isTrained: boolean;
  /** Names of the layers around it and its own. */
  readonly owner: readonly string[];
  readonly #fields: Fields;
  readonly #surroundings: Surroundings;
  readonly #read = new Set<string>();

  constructor(kind: string, fields: Fields, surroundings: Surroundings) {
    this.kind = kind;
    this.#fields = Object.fromEntries(
      Object.entries(fields).map(([name, value]) => [snakeCase(name), value]),
    );
    this.name = `${this.#fields.name ?? kind}`;
    this.#surroundings = surroundings;
    this.isKeras3 = surroundings.isKeras3;
    this.isTrained = !surroundings.isFrozen && this.#fields.trainable !== false;
    this.owner = [...surroundings.around, this.name];
    this.#checkType();
    this.#checkTerms();
  }

  /** "decoder/memory" */
  get path(): string {
    return this.owner.join("/");
  }

  /**
   * @param found as in "has strides [2,2]"
   * @param instead what to write in its place
   */
  refusal(found: string, instead: string): ModelError {
    return new ModelError(
      `Cannot use --model ${this.#surroundings.file}: layer "${this.path}" (${this.kind}) ${found}; ` +
        instead,
    );
  }

  get fieldNames(): readonly string[] {
    return Object.keys(this.#fields);
  }

  /** A field that the kind looks at itself. */
  take(name: string): unknown {
    this.#read.add(name);
    return this.#fields[name] ?? undefined;
  }

  /** @param other the name that another version gives it */
  number(name: string, fallback?: number, other?: string): number {
    const value = numberOf(this.take(name)) ??
      (other === undefined ? undefined : numberOf(this.take(other))) ?? fallback;
    if (other !== undefined) this.take(other);
    if (typeof value === "number" && Number.isFinite(value)) return value;
    throw this.#unlike(name, "a number");
  }

  /** A whole number of at least 1. */
  count(name: string, fallback?: number): number {
    const value = this.number(name, fallback);
    if (Number.isSafeInteger(value) && value > 0) return value;
    throw this.#unlike(name, "a whole number of at least 1");
  }

  flag(name: string, fallback = false): boolean {
    const value = this.take(name) ?? fallback;
    if (typeof value === "boolean") return value;
    throw this.#unlike(name, "true or false");
  }

  choice<Choice extends string>(
    name: string,
    choices: readonly Choice[],
    fallback: Choice,
  ): Choice {
    const value = this.take(name) ?? fallback;
    const found = choices.find((choice) => choice === value);
    if (found !== undefined) return found;
    throw this.#unlike(name, choices.map((choice) => JSON.stringify(choice)).join(" or "));
  }

  /** One number for all, or one for each. */
  counts(name: string, length: number, fallback?: number): readonly number[] {
    const value = this.take(name) ?? fallback;
    const all = Array.isArray(value) ? value : Array(length).fill(value);
    if (all.length === length && all.every((each) => Number.isSafeInteger(each) && each > 0)) {
      return all;
    }
    throw this.#unlike(name, `${length} whole numbers of at least 1`);
  }

  activation(name: string, fallback = "linear"): Activation {
    const value = this.take(name) ?? fallback;
    const found = findActivation(value, this.isKeras3);
    if (found !== undefined) return found;
    const { class_name, config } = isFields(value) ? value : {};
    const word = typeof value === "string"
      ? JSON.stringify(value)
      : `${class_name === "function" ? JSON.stringify(config) : class_name}`;
    throw this.refusal(
      `has the ${name} ${word}, which is none of Keras' own that are computed here`,
      "save it with another one, or with activation=None and a layer of that activation after it",
    );
  }

  /** Refuses every value but one. */
  only(name: string, wanted: unknown, instead: string): void {
    const value = this.take(name) ?? wanted;
    if (JSON.stringify(value) === JSON.stringify(wanted)) return;
    throw this.refusal(`has ${name} ${JSON.stringify(value)}`, instead);
  }

  /** Refuses what draws random numbers: they would be other ones on every worker. */
  withoutDropout(...names: string[]): void {
    for (const name of names) {
      const rate = this.number(name, 0);
      if (rate === 0) continue;
      throw this.refusal(
        `draws random numbers (${name} ${rate}), which would be others on every worker`,
        `leave it out, or save it with ${name}=0 and with a Dropout layer, whose numbers are the run's`,
      );
    }
  }

  weight(name: string, shape: Shape, alias?: string): WeightSpec {
    return { owner: this.owner, name, shape, isTrained: this.isTrained, alias };
  }

  /** The configuration of a layer within this one. */
  innerConfig(description: unknown): LayerConfig {
    return readDescription(description, this.#inside(this.owner));
  }

  /** A layer within this one. */
  inner(description: unknown): MadeLayer {
    return this.#surroundings.make(this.innerConfig(description));
  }

  /** A layer of the whole network, whose name is in no path. */
  ofNetwork(description: unknown): MadeLayer {
    return this.#surroundings.make(readDescription(description, this.#inside([])));
  }

  #inside(around: readonly string[]): Surroundings {
    return { ...this.#surroundings, around, isFrozen: !this.isTrained };
  }

  /** @throws {ModelError} for a field that nobody has read, unless it is off */
  finish(): void {
    for (const [name, value] of Object.entries(this.#fields)) {
      if (this.#read.has(name) || known.test(name) || knownToo.test(name) || term.test(name)) {
        continue;
      }
      if (value === null || value === undefined || value === false) continue;
      throw this.refusal(
        `has ${name} ${JSON.stringify(value).slice(0, 80)}, which is not known here`,
        `save it without ${name}`,
      );
    }
  }

  /** @param rank without lanes */
  checkRank(inputs: readonly Port[], rank: number, meaning: string): Shape {
    if (inputs.length !== 1) {
      throw this.refusal(`reads ${inputs.length} tensors`, "give it one");
    }
    const [{ shape }] = inputs;
    if (shape.length === rank) return shape;
    throw this.refusal(`reads [lanes, ${shape}]`, `give it [lanes, ${meaning}]`);
  }

  #unlike(name: string, wanted: string): ModelError {
    const value = this.#fields[name];
    const found = value === undefined ? `has no ${name}` : `has ${name} ${JSON.stringify(value)}`;
    return this.refusal(found, `save it with ${wanted}`);
  }

  /** The types of its numbers: a name, or Keras 3's policy with a name. */
  #checkType(): void {
    const { dtype } = this.#fields;
    const policy = isFields(dtype) ? dtype.config : undefined;
    const name = (isFields(policy) ? policy.name : dtype) ?? "float32";
    if (name === "float32") return;
    throw this.refusal(
      `computes in ${typeof name === "string" ? JSON.stringify(name) : JSON.stringify(dtype)}`,
      'save it with dtype="float32"; a run may compute in --precision bfloat16',
    );
  }

  #checkTerms(): void {
    const found = Object.keys(this.#fields).find((name) =>
      term.test(name) && (this.#fields[name] ?? null) !== null
    );
    if (found === undefined || !this.isTrained) return;
    throw new ModelError(
      `Cannot train --model ${this.#surroundings.file} as its layers ask: layer "${this.path}" ` +
        `(${this.kind}) has a ${found}, which would not be applied; save it without, and perhaps use --optimizer ` +
        "adamw with --weight-decay",
    );
  }
}

const ofKeras = /^(?:tf_)?keras(?:\.src)?(?:$|\.(?:layers|models|engine)\b)/;

/**
 * @param description a layer as files have it: its class and its configuration
 * @throws {ModelError} where it is none, or a class that is not of Keras
 */
export function readDescription(description: unknown, surroundings: Surroundings): LayerConfig {
  const fields = isFields(description) ? description : {};
  const kind = fields.class_name ?? fields.className;
  const { config, module } = fields;
  if (typeof kind !== "string" || typeof config !== "object" || config === null) {
    const place = surroundings.around.join("/") || "the network";
    throw new ModelError(
      `Cannot use --model ${surroundings.file}: ${place} holds what is no layer with a class_name ` +
        `and a config, ${JSON.stringify(description)?.slice(0, 80)}; save it again`,
    );
  }
  // Old files have the list of a Sequential's layers in place of its configuration.
  const own = isFields(config) ? config : { layers: config };
  const read = new LayerConfig(kind, own, surroundings);
  if (typeof module !== "string" || ofKeras.test(module)) return read;
  throw read.refusal(
    `is ${module}.${kind}, which is no layer of Keras' own`,
    insteadOf(module, kind),
  );
}

function insteadOf(module: string, kind: string): string {
  if (!/\bops\b/.test(module)) return "write it with Keras' own layers";
  return /^(?:NotEqual|Any|LogicalAnd|LogicalOr|LogicalNot)$/.test(kind)
    ? "Keras 3 writes the mask of a graph so: save the network as keras.Sequential, or with Keras 2 " +
      "(pip install tf_keras)"
    : "write a layer in its place, such as Add()([a, b]) for a + b, or Rescaling for a product with " +
      "a number";
}

export function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Keras 3 writes some numbers as it serializes arrays. */
function numberOf(value: unknown): number | undefined {
  if (typeof value === "number") return value;
  if (!isFields(value) || !isFields(value.config)) return undefined;
  const { value: inner } = value.config;
  return typeof inner === "number" ? inner : undefined;
}

function snakeCase(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
