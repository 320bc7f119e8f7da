/**
 * A checkpoint: everything that a run needs to go on bit for bit, as one folder that exists whole
 * or not at all. It is written under another name, made durable, and only then renamed, so that no
 * failure at any point can cost an earlier checkpoint; it is read only if every byte is as written.
 */
import {
  CheckpointError,
  type CheckpointFacts,
  decodeManifest,
  encodeManifest,
  type Manifest,
  MANIFEST_BYTES_MAX,
  type ManifestFile,
  sha256,
} from "./checkpoint_manifest.ts";
import { sentence } from "./error_sentence.ts";
import { type FileSystem, writeNewFile } from "./file_system.ts";
import {
  bytesOf,
  decodeSafetensors,
  encodeSafetensors,
  type NamedArray,
  type NamedArrays,
} from "./safetensors.ts";

export interface Checkpoint extends CheckpointFacts {
  /** In the model's fixed order. */
  readonly parameters: NamedArrays;
  readonly optimizer: NamedArrays;
  /** Each [lanes, ...shape]. */
  readonly states: NamedArrays;
}

export interface SavedCheckpoint extends Checkpoint {
  /** SHA-256 of all parameters in their order as little-endian float32, in hex. */
  readonly parametersSha256: string;
}

/** A new checkpoint grows under this suffix; what bears it after a crash is rubbish. */
export const PARTIAL_SUFFIX = ".partial";
/** An older checkpoint of the same step, while a new one takes its place. */
export const REPLACED_SUFFIX = ".replaced";
const MANIFEST_NAME = "manifest.json";
const SECTIONS = ["parameters", "optimizer", "states"] as const;

/** SHA-256 of arrays in their order as little-endian float32, in hex. */
export async function hashArrays(arrays: NamedArrays): Promise<string> {
  const bytes = new Uint8Array(arrays.reduce((sum, { values }) => sum + values.byteLength, 0));
  let offset = 0;
  for (const { values } of arrays) {
    bytes.set(bytesOf(values), offset);
    offset += values.byteLength;
  }
  return await sha256(bytes);
}

/** The folder name of a step's checkpoint, "step-000012". */
export function checkpointName(step: number): string {
  return `step-${String(step).padStart(6, "0")}`;
}

/**
 * Writes a checkpoint as `<folder>/step-NNNNNN`, durably, in place of one of the same step.
 * @param folder exists
 * @param checkpoint is copied before the first await; the caller may then reuse its arrays
 * @returns the SHA-256 of the parameters
 * @throws {CheckpointError} with path and bytes needed; every earlier checkpoint is then intact
 */
export async function writeCheckpoint(
  fileSystem: FileSystem,
  folder: string,
  checkpoint: Checkpoint,
): Promise<string> {
  const path = `${folder}/${checkpointName(checkpoint.step)}`;
  const partial = path + PARTIAL_SUFFIX;
  let bytesNeeded = 0;
  let started = false;
  try {
    const { files, parametersSha256 } = await encode(checkpoint);
    bytesNeeded = files.reduce((sum, { bytes }) => sum + bytes.length, 0);
    if (await fileSystem.entry(partial) !== undefined) await fileSystem.remove(partial);
    started = true;
    await fileSystem.makeDirectory(partial);
    for (const { name, bytes } of files) {
      await writeNewFile(fileSystem, `${partial}/${name}`, bytes);
    }
    await fileSystem.syncDirectory(partial);
    await moveIntoPlace(fileSystem, folder, partial, path);
    return parametersSha256;
  } catch (cause) {
    // A half-written folder holds space that the next attempt may need. It is rubbish to every
    // reader, so a failure to remove it changes nothing, and the first error is the one to report.
    if (started) await fileSystem.remove(partial).catch(() => {});
    throw new CheckpointError(
      `Cannot write checkpoint ${path} (${bytesNeeded} bytes): ${sentence(cause)}; earlier ` +
        "checkpoints are intact: make room or mend the disk, then resume the run",
      { cause },
    );
  }
}

/**
 * Reads a checkpoint's folder and checks every byte of it.
 * @throws {CheckpointError} naming the file and what is wrong with it
 */
export async function readCheckpoint(
  fileSystem: FileSystem,
  path: string,
): Promise<SavedCheckpoint> {
  const manifest = await readManifest(fileSystem, path);
  const names = Object.keys(manifest.files).sort().join(", ");
  const expected = SECTIONS.map(fileName).sort().join(", ");
  if (names !== expected) {
    throw damaged(`${path}/${MANIFEST_NAME}`, `it lists ${names} and not ${expected}`);
  }
  const [parameters, optimizer, states] = await Promise.all(
    SECTIONS.map((section) =>
      readArrays(fileSystem, `${path}/${fileName(section)}`, manifest.files[fileName(section)])
    ),
  );
  if (await hashArrays(parameters) !== manifest.parametersSha256) {
    throw damaged(
      `${path}/${fileName("parameters")}`,
      "its parameters do not match parametersSha256",
    );
  }
  const { files: _, ...facts } = manifest;
  return { ...facts, parameters, optimizer, states };
}

/**
 * Reads only a checkpoint's manifest.
 * @throws {CheckpointError} naming the file and what is wrong with it
 */
export async function readManifest(fileSystem: FileSystem, path: string): Promise<Manifest> {
  const file = `${path}/${MANIFEST_NAME}`;
  try {
    const bytes = await sizeOf(fileSystem, file);
    if (bytes > MANIFEST_BYTES_MAX) {
      throw new Error(`it has ${bytes} bytes where at most ${MANIFEST_BYTES_MAX} are possible`);
    }
    return await decodeManifest(await fileSystem.readFile(file));
  } catch (cause) {
    throw damaged(file, sentence(cause), cause);
  }
}

async function encode(checkpoint: Checkpoint) {
  // Everything is copied before the first await, so that the caller may train on meanwhile.
  const hash = hashArrays(checkpoint.parameters);
  const files = SECTIONS.map((section) => {
    return { name: fileName(section), bytes: encodeSafetensors(checkpoint[section]) };
  });
  const { step, epoch, planStep, configuration, metrics, createdAt, classes, data } = checkpoint;
  const listed: Record<string, ManifestFile> = {};
  for (const { name, bytes } of files) {
    listed[name] = { bytes: bytes.length, sha256: await sha256(bytes) };
  }
  const parametersSha256 = await hash;
  const manifest = await encodeManifest({
    step,
    epoch,
    planStep,
    createdAt,
    metrics,
    parametersSha256,
    configuration,
    classes,
    data,
    files: listed,
  });
  files.push({ name: MANIFEST_NAME, bytes: manifest });
  return { files, parametersSha256 };
}

/**
 * A folder cannot be renamed over another, so an older checkpoint of the same step first steps
 * aside. Between the two renames it is still found, under the name that readers know.
 */
async function moveIntoPlace(
  fileSystem: FileSystem,
  folder: string,
  partial: string,
  path: string,
): Promise<void> {
  const replaced = path + REPLACED_SUFFIX;
  const replaces = await fileSystem.entry(path) !== undefined;
  if (replaces) {
    if (await fileSystem.entry(replaced) !== undefined) await fileSystem.remove(replaced);
    await fileSystem.rename(path, replaced);
  }
  await fileSystem.rename(partial, path);
  await fileSystem.syncDirectory(folder);
  // The new checkpoint is safe by now; what stays of the old one is cleared at the next start.
  if (replaces) await fileSystem.remove(replaced).catch(() => {});
}

async function readArrays(
  fileSystem: FileSystem,
  path: string,
  listed: ManifestFile,
): Promise<NamedArray[]> {
  try {
    const size = await sizeOf(fileSystem, path);
    if (size !== listed.bytes) {
      throw new Error(`it has ${size} bytes and the manifest says ${listed.bytes}`);
    }
    const bytes = await fileSystem.readFile(path);
    const hash = await sha256(bytes);
    if (hash !== listed.sha256) {
      throw new Error(`its SHA-256 is ${hash} and the manifest says ${listed.sha256}`);
    }
    return decodeSafetensors(bytes);
  } catch (cause) {
    throw damaged(path, sentence(cause), cause);
  }
}

async function sizeOf(fileSystem: FileSystem, path: string): Promise<number> {
  const entry = await fileSystem.entry(path);
  if (entry === undefined) throw new Error("it is missing");
  if (entry.kind !== "file") throw new Error("it is not a file");
  return entry.bytes;
}

function fileName(section: typeof SECTIONS[number]): string {
  return `${section}.safetensors`;
}

function damaged(path: string, what: string, cause?: unknown): CheckpointError {
  return new CheckpointError(`Cannot read ${path}: ${what}`, { cause });
}
