/**
 * The disk as an argument: the few operations that checkpoints and run folders need, so that tests
 * can fail any one of them or crash the machine at it. Durability is explicit, as POSIX has it
 * (Pillai et al., OSDI 2014): a file's bytes are safe after its own `sync`, its name only after
 * `syncDirectory` of the folder that holds it.
 */
import { dirname } from "node:path";

export interface WritableFile {
  /** Writes some of the bytes, as write(2) does, and returns how many. */
  write(bytes: Uint8Array): Promise<number>;
  /** fsync(2). A failure means that the file cannot be trusted any more, retried or not. */
  sync(): Promise<void>;
  close(): void;
}

export interface FileSystem {
  /** Makes one folder; its parent exists and it does not. */
  makeDirectory(path: string): Promise<void>;
  /** Makes the names in a folder durable. */
  syncDirectory(path: string): Promise<void>;
  /** Opens a new file; it must not exist. */
  createFile(path: string): Promise<WritableFile>;
  /** Moves a file (over an existing one) or a folder (the target must not exist). */
  rename(from: string, to: string): Promise<void>;
  /** Removes a file, or a folder with all it holds. */
  remove(path: string): Promise<void>;
  /** Names in a folder, sorted. */
  list(path: string): Promise<string[]>;
  /** What is at a path; undefined where nothing is. */
  entry(path: string): Promise<FileEntry | undefined>;
  /** A whole file. Ask `entry` for its size first: this allocates it. */
  readFile(path: string): Promise<Uint8Array>;
}

export interface FileEntry {
  readonly kind: "file" | "directory" | "other";
  readonly bytes: number;
}

/** The real disk. */
export const diskFileSystem: FileSystem = {
  async makeDirectory(path) {
    await Deno.mkdir(path);
  },
  async syncDirectory(path) {
    // Windows neither opens a folder as a file nor needs it: NTFS journals names by itself.
    if (Deno.build.os === "windows") return;
    using directory = await Deno.open(path, { read: true });
    await directory.sync();
  },
  async createFile(path) {
    return await Deno.open(path, { write: true, createNew: true });
  },
  async rename(from, to) {
    await Deno.rename(from, to);
  },
  async remove(path) {
    await Deno.remove(path, { recursive: true });
  },
  async list(path) {
    const names: string[] = [];
    for await (const entry of Deno.readDir(path)) names.push(entry.name);
    return names.sort();
  },
  async entry(path) {
    try {
      const info = await Deno.stat(path);
      const kind = info.isFile ? "file" : info.isDirectory ? "directory" : "other";
      return { kind, bytes: info.size };
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return undefined;
      throw error;
    }
  },
  async readFile(path) {
    return await Deno.readFile(path);
  },
};

/** Writes a new file, all of it, and makes its bytes (not yet its name) durable. */
export async function writeNewFile(
  fileSystem: FileSystem,
  path: string,
  bytes: Uint8Array,
): Promise<void> {
  const file = await fileSystem.createFile(path);
  try {
    let written = 0;
    while (written < bytes.length) {
      const count = await file.write(bytes.subarray(written));
      if (count <= 0) throw new Error(`Wrote ${written} of ${bytes.length} bytes to ${path}`);
      written += count;
    }
    await file.sync();
  } finally {
    file.close();
  }
}

/** Replaces or creates a file so that a crash leaves the old bytes or the new ones, whole. */
export async function replaceFile(
  fileSystem: FileSystem,
  path: string,
  bytes: Uint8Array,
): Promise<void> {
  const partial = `${path}.partial`;
  if (await fileSystem.entry(partial) !== undefined) await fileSystem.remove(partial);
  await writeNewFile(fileSystem, partial, bytes);
  await fileSystem.rename(partial, path);
  await fileSystem.syncDirectory(dirname(path));
}

/** Makes a folder and those above it where they are missing, each name durable. */
export async function ensureDirectory(fileSystem: FileSystem, path: string): Promise<void> {
  const entry = await fileSystem.entry(path);
  if (entry?.kind === "directory") return;
  if (entry !== undefined) throw new Error(`Not a folder: ${path}`);
  const parent = dirname(path);
  await ensureDirectory(fileSystem, parent);
  await fileSystem.makeDirectory(path);
  await fileSystem.syncDirectory(parent);
}
