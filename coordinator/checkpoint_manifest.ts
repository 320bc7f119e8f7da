/**
 * What a checkpoint's `manifest.json` says: where in the plan the run stands, under which
 * configuration, and the length and SHA-256 of every file. Its last member hashes all the text
 * before it, so that a flipped byte in the manifest is found as surely as one in the files.
 */
import { parseJson } from "../net/strict_json.ts";

export type JsonValue =
  | null
  | boolean
  | number
  | string
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue };

/** A run's position and what is known of it: the part of a checkpoint that is not arrays. */
export interface CheckpointFacts {
  /** Optimizer updates applied. */
  readonly step: number;
  readonly epoch: number;
  /** Steps of the epoch's plan that are done. */
  readonly planStep: number;
  /** The run's resolved configuration. */
  readonly configuration: JsonValue;
  /** Finite figures at this step; `validationLoss` decides which checkpoint is the best. */
  readonly metrics: CheckpointMetrics;
  /** ISO 8601, from the caller's clock. */
  readonly createdAt: string;
  /** What the network's answers number, where they are classes with names. */
  readonly classes?: readonly string[];
  /** Number, size and SHA-256 of the files that the run was trained on. */
  readonly data?: string;
}

export interface CheckpointMetrics {
  readonly [name: string]: number;
}

export interface ManifestFile {
  readonly bytes: number;
  readonly sha256: string;
}

export interface Manifest extends CheckpointFacts {
  /** SHA-256 of all parameters in their order as little-endian float32, in hex. */
  readonly parametersSha256: string;
  readonly files: { readonly [name: string]: ManifestFile };
}

/** A checkpoint that could not be written, or whose files are damaged: names the path and why. */
export class CheckpointError extends Error {
  override readonly name = "CheckpointError";
}

export const MANIFEST_BYTES_MAX = 1 << 20;
const FORMAT = "lockstep-checkpoint";
const FORMAT_VERSION = 1;
/** No run has as many steps, no file as many bytes. */
const COUNT_MAX = 2 ** 46;
const HEX_SHA256 = /^[0-9a-f]{64}$/;
const FILE_NAME = /^[A-Za-z0-9_-]{1,64}(\.[A-Za-z0-9_-]{1,32})+$/;

/**
 * @throws {CheckpointError} if a value has no JSON form (such as a metric that is not finite), or
 * the text is longer than `MANIFEST_BYTES_MAX`
 */
export async function encodeManifest(manifest: Manifest): Promise<Uint8Array> {
  const content = { format: FORMAT, formatVersion: FORMAT_VERSION, ...manifest };
  assertJson("metrics", manifest.metrics);
  assertJson("configuration", manifest.configuration);
  const json = JSON.stringify(content, undefined, 2);
  validate(JSON.parse(json));
  const body = json.slice(0, -"\n}".length) + ",\n";
  const bytes = encodeText(body + tail(await sha256(encodeText(body))));
  if (bytes.length > MANIFEST_BYTES_MAX) {
    throw new CheckpointError(
      `A manifest of ${bytes.length} bytes exceeds the limit of ${MANIFEST_BYTES_MAX}`,
    );
  }
  return bytes;
}

/** @throws {CheckpointError} saying what is wrong with the text */
export async function decodeManifest(bytes: Uint8Array): Promise<Manifest> {
  const bodyBytes = bytes.length - tail("0".repeat(64)).length;
  const body = bytes.subarray(0, Math.max(bodyBytes, 0));
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new CheckpointError("it is damaged: not UTF-8 text", { cause });
  }
  if (bodyBytes < 0 || !text.endsWith(tail(await sha256(body)))) {
    throw new CheckpointError("it is damaged: its text does not match its own SHA-256");
  }
  let content: unknown;
  try {
    content = parseJson(text);
  } catch (cause) {
    throw new CheckpointError(`it is damaged: ${(cause as Error).message}`, { cause });
  }
  return validate(content, "manifestSha256");
}

/**
 * A configuration that JSON would change, such as one with a NaN, could not be compared on resume.
 * Members that are undefined are as good as absent.
 * @throws {CheckpointError} naming the first value that JSON has no form for
 */
export function assertJson(field: string, value: unknown): void {
  if (Array.isArray(value)) {
    value.forEach((item, index) => assertJson(`${field}[${index}]`, item));
  } else if (isPlain(value)) {
    for (const [name, item] of Object.entries(value)) {
      if (item !== undefined) assertJson(`${field}.${name}`, item);
    }
  } else if (value !== null && !["boolean", "string"].includes(typeof value)) {
    if (Number.isFinite(value)) return;
    throw new CheckpointError(`JSON cannot hold the value of ${field}: ${String(value)}`);
  }
}

/** SHA-256 in hex, computed off the main thread. */
export async function sha256(bytes: Uint8Array): Promise<string> {
  // WebCrypto's types refuse a view that might lie on shared memory; none here does.
  const digest = await crypto.subtle.digest("SHA-256", bytes as Uint8Array<ArrayBuffer>);
  return new Uint8Array(digest).toHex();
}

function tail(hash: string): string {
  return `  "manifestSha256": "${hash}"\n}\n`;
}

function encodeText(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function validate(content: unknown, ...further: readonly string[]): Manifest {
  if (!isRecord(content) || content.format !== FORMAT) {
    throw new CheckpointError("it is no checkpoint of Lockstep");
  }
  if (content.formatVersion !== FORMAT_VERSION) {
    throw new CheckpointError(
      `it has format version ${content.formatVersion}; this Lockstep reads ${FORMAT_VERSION}`,
    );
  }
  for (const name of Object.keys(content)) {
    if (!Object.hasOwn(MEMBERS, name) && !further.includes(name)) {
      throw new CheckpointError(`it has an unknown member ${JSON.stringify(name)}`);
    }
  }
  for (const [name, isValid] of Object.entries(MEMBERS)) {
    if (!isValid(content[name])) {
      throw new CheckpointError(
        `its "${name}" is not valid: ${JSON.stringify(content[name])?.slice(0, 200)}`,
      );
    }
  }
  const { step, epoch, planStep, configuration, metrics, createdAt, parametersSha256, files } =
    content as unknown as Manifest;
  const { classes, data } = content as unknown as Manifest;
  return {
    ...{ step, epoch, planStep, configuration, metrics, createdAt, parametersSha256, files },
    ...(classes === undefined ? {} : { classes }),
    ...(data === undefined ? {} : { data }),
  };
}

const MEMBERS: { readonly [name in keyof Required<Manifest> | "format" | "formatVersion"]: Check } =
  {
    format: (value) => value === FORMAT,
    formatVersion: (value) => value === FORMAT_VERSION,
    step: isCount,
    epoch: isCount,
    planStep: isCount,
    configuration: (value) => value !== undefined,
    metrics: (value) => isRecord(value) && Object.values(value).every(Number.isFinite),
    createdAt: (value) => typeof value === "string" && !Number.isNaN(Date.parse(value)),
    parametersSha256: isHash,
    classes: (value) =>
      value === undefined ||
      Array.isArray(value) && value.every((each) => typeof each === "string"),
    data: (value) => value === undefined || typeof value === "string",
    files: (value) =>
      isRecord(value) &&
      Object.entries(value).every(([name, file]) => FILE_NAME.test(name) && isFile(file)),
  };

type Check = (value: unknown) => boolean;

function isFile(value: unknown): boolean {
  return isRecord(value) && isCount(value.bytes) && isHash(value.sha256) &&
    Object.keys(value).length === 2;
}

function isHash(value: unknown): boolean {
  return typeof value === "string" && HEX_SHA256.test(value);
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && Number(value) >= 0 && Number(value) <= COUNT_MAX;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isPlain(value: unknown): value is Record<string, unknown> {
  return isRecord(value) && [Object.prototype, null].includes(Object.getPrototypeOf(value));
}
