/**
 * A disk in memory that fails or loses power at a chosen operation. It keeps apart what programs
 * see and what is durable, so that a missing fsync shows: file bytes survive a crash only once
 * synced, names only once their folder is.
 */
import type { FileEntry, FileSystem, WritableFile } from "../../coordinator/file_system.ts";

export type Fault =
  /** One operation fails with EIO. */
  | "error"
  /** From here on, nothing can be created or written. */
  | "full"
  /** One write stores half its bytes; from there on the disk is full. */
  | "short"
  /** From here on every operation fails, until `afterCrash`. */
  | "crash";

/** What of the unsynced work a crash leaves. */
export type Survival =
  /** Only what was synced. */
  | "synced"
  /** Every name, but of each file only the synced bytes: the classic torn file. */
  | "names"
  /** Everything. */
  | "all";

interface FileNode {
  bytes: Uint8Array;
  syncedBytes: Uint8Array;
}

interface DirectoryNode {
  entries: Map<string, Node>;
  syncedEntries: Map<string, Node>;
}

type Node = FileNode | DirectoryNode;

export class SimulatedDisk implements FileSystem {
  /** Operations so far. */
  operations = 0;
  #root: DirectoryNode = { entries: new Map(), syncedEntries: new Map() };
  #fault?: { readonly kind: Fault; readonly operation: number };
  #full = false;

  /** Injects a fault at the operation of this index, counted from now. */
  failAt(operation: number, kind: Fault): void {
    this.#fault = { kind, operation: this.operations + operation };
  }

  heal(): void {
    this.#fault = undefined;
    this.#full = false;
  }

  /** The disk after power returns. */
  afterCrash(survival: Survival): SimulatedDisk {
    const disk = new SimulatedDisk();
    disk.#root = surviving(this.#root, survival) as DirectoryNode;
    return disk;
  }

  /** Flips bits of one byte of a file. */
  corrupt(path: string, offset: number, mask: number): void {
    this.#file(path).bytes[offset] ^= mask;
  }

  truncate(path: string, bytes: number): void {
    const file = this.#file(path);
    file.bytes = file.bytes.slice(0, bytes);
  }

  // deno-lint-ignore require-await -- an async method turns its faults into rejections
  async makeDirectory(path: string): Promise<void> {
    this.#operate("makeDirectory", path, true);
    const { parent, name } = this.#locate(path);
    if (parent.entries.has(name)) throw new Error(`EEXIST ${path}`);
    parent.entries.set(name, { entries: new Map(), syncedEntries: new Map() });
  }

  // deno-lint-ignore require-await -- an async method turns its faults into rejections
  async syncDirectory(path: string): Promise<void> {
    this.#operate("syncDirectory", path);
    const node = this.#directory(path);
    node.syncedEntries = new Map(node.entries);
  }

  // deno-lint-ignore require-await -- an async method turns its faults into rejections
  async createFile(path: string): Promise<WritableFile> {
    this.#operate("createFile", path, true);
    const { parent, name } = this.#locate(path);
    if (parent.entries.has(name)) throw new Error(`EEXIST ${path}`);
    const file: FileNode = { bytes: new Uint8Array(), syncedBytes: new Uint8Array() };
    parent.entries.set(name, file);
    return {
      // deno-lint-ignore require-await -- an async method turns its faults into rejections
      write: async (bytes) => {
        const stored = this.#operate("write", path, true) === "short"
          ? bytes.subarray(0, bytes.length >> 1)
          : bytes;
        const joined = new Uint8Array(file.bytes.length + stored.length);
        joined.set(file.bytes);
        joined.set(stored, file.bytes.length);
        file.bytes = joined;
        return stored.length;
      },
      // deno-lint-ignore require-await -- an async method turns its faults into rejections
      sync: async () => {
        this.#operate("sync", path);
        file.syncedBytes = file.bytes.slice();
      },
      close: () => {},
    };
  }

  // deno-lint-ignore require-await -- an async method turns its faults into rejections
  async rename(from: string, to: string): Promise<void> {
    this.#operate("rename", from);
    const [source, target] = [this.#locate(from), this.#locate(to)];
    const node = source.parent.entries.get(source.name);
    if (node === undefined) throw new Error(`ENOENT ${from}`);
    const there = target.parent.entries.get(target.name);
    if (there !== undefined && "entries" in there) throw new Error(`ENOTEMPTY ${to}`);
    source.parent.entries.delete(source.name);
    target.parent.entries.set(target.name, node);
  }

  // deno-lint-ignore require-await -- an async method turns its faults into rejections
  async remove(path: string): Promise<void> {
    const { parent, name } = this.#locate(path);
    try {
      this.#operate("remove", path);
    } catch (error) {
      // Removing a folder is many operations in truth: a failure leaves a part of it.
      const node = parent.entries.get(name);
      if (node !== undefined && "entries" in node) node.entries.delete("states.safetensors");
      throw error;
    }
    if (!parent.entries.delete(name)) throw new Error(`ENOENT ${path}`);
  }

  // deno-lint-ignore require-await -- an async method turns its faults into rejections
  async list(path: string): Promise<string[]> {
    this.#operate("list", path);
    return [...this.#directory(path).entries.keys()].sort();
  }

  // deno-lint-ignore require-await -- an async method turns its faults into rejections
  async entry(path: string): Promise<FileEntry | undefined> {
    this.#operate("entry", path);
    const node = this.#find(path);
    if (node === undefined) return undefined;
    return "entries" in node
      ? { kind: "directory", bytes: 0 }
      : { kind: "file", bytes: node.bytes.length };
  }

  // deno-lint-ignore require-await -- an async method turns its faults into rejections
  async readFile(path: string): Promise<Uint8Array> {
    this.#operate("readFile", path);
    return this.#file(path).bytes.slice();
  }

  #operate(name: string, path: string, needsSpace = false): Fault | undefined {
    const operation = this.operations++;
    const fault = this.#fault;
    if (this.#full && needsSpace) throw new Error(`ENOSPC: ${name} ${path}`);
    if (fault === undefined || operation < fault.operation) return undefined;
    if (fault.kind === "crash") throw new Error(`Lost power at ${name} ${path}`);
    if (operation > fault.operation) return undefined;
    if (fault.kind === "error") throw new Error(`EIO: ${name} ${path}`);
    this.#full = true;
    if (fault.kind === "full" && needsSpace) throw new Error(`ENOSPC: ${name} ${path}`);
    return fault.kind;
  }

  #locate(path: string): { parent: DirectoryNode; name: string } {
    const cut = path.lastIndexOf("/");
    return {
      parent: cut < 0 ? this.#root : this.#directory(path.slice(0, cut)),
      name: path.slice(cut + 1),
    };
  }

  #find(path: string): Node | undefined {
    let node: Node | undefined = this.#root;
    for (const name of path.split("/").filter((part) => part !== "" && part !== ".")) {
      if (node === undefined || !("entries" in node)) return undefined;
      node = node.entries.get(name);
    }
    return node;
  }

  #directory(path: string): DirectoryNode {
    const node = this.#find(path);
    if (node === undefined || !("entries" in node)) throw new Error(`ENOENT ${path}`);
    return node;
  }

  #file(path: string): FileNode {
    const node = this.#find(path);
    if (node === undefined || "entries" in node) throw new Error(`ENOENT ${path}`);
    return node;
  }
}

function surviving(node: Node, survival: Survival): Node {
  if (!("entries" in node)) {
    const bytes = (survival === "all" ? node.bytes : node.syncedBytes).slice();
    return { bytes, syncedBytes: bytes.slice() };
  }
  const entries = new Map<string, Node>();
  for (const [name, child] of survival === "synced" ? node.syncedEntries : node.entries) {
    entries.set(name, surviving(child, survival));
  }
  return { entries, syncedEntries: new Map(entries) };
}
