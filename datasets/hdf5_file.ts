/**
 * HDF5 files through h5wasm, the HDF5 library compiled to WebAssembly: the one file that names it.
 * It blocks while it reads, a few ms for a frame, so it runs in the decode worker only.
 */
import h5wasm, { Dataset, type File, Group } from "h5wasm";
import { DatasetError } from "./dataset.ts";
import { unavailable } from "./files.ts";

export { Dataset as Hdf5Dataset, type File as Hdf5File, Group as Hdf5Group };

const module = await h5wasm.ready;
// Without it the library prints to standard error and returns what its memory happened to hold.
module.activate_throwing_error_handler();

/** The library's memory never shrinks, so a file that unpacks to more is refused. */
const memoryBytesMax = 512 * 1024 * 1024;
let grewTooFar = false;
/** What the system refused, of which the library says only that it failed. */
let systemFault: { readonly cause: unknown } | undefined;
const { grow } = WebAssembly.Memory.prototype;
// The library grows its memory by this method, and takes an error for "no more".
WebAssembly.Memory.prototype.grow = function (this: WebAssembly.Memory, pages: number): number {
  const isLibrary = this.buffer === (module as unknown as { HEAPU8: Uint8Array }).HEAPU8.buffer;
  if (isLibrary && this.buffer.byteLength + pages * 65_536 > memoryBytesMax) {
    grewTooFar = true;
    throw new RangeError(`HDF5 may take ${memoryBytesMax} bytes`);
  }
  try {
    return grow.call(this, pages);
  } catch (cause) {
    if (isLibrary) systemFault ??= { cause };
    throw cause;
  }
};

let filesRead = 0;

/**
 * What `use` makes of a file. Bytes are given where they are in memory; otherwise the library reads
 * what it needs of the file at `path`, however long that is.
 * @param path names the file in errors
 * @throws {DatasetError} if it is no readable HDF5 file, or `use` throws one; of kind
 * `DataUnavailable` if the system does not give the file or the memory for it
 */
export function readHdf5<T>(path: string, use: (file: File) => T, bytes?: Uint8Array): T {
  // A name of its own: the library would take a name that a failure left open for the same file.
  const virtualPath = `file-${filesRead++}.h5`;
  grewTooFar = false;
  systemFault = undefined;
  const stored = bytes === undefined ? opened(path) : undefined;
  module.FS.writeFile(virtualPath, bytes ?? new Uint8Array(0));
  try {
    if (stored) readThrough(virtualPath, stored);
    const file = new h5wasm.File(virtualPath, "r");
    try {
      const result = use(file);
      // What `use` took for a broken event may have been this.
      requireNoSystemFault(path);
      return result;
    } finally {
      file.close();
    }
  } catch (cause) {
    requireNoSystemFault(path);
    if (cause instanceof DatasetError) throw cause;
    const length = bytes?.length ?? stored!.statSync().size;
    throw new DatasetError(
      `Cannot read "${path}": ${hdf5Reason(cause)} (HDF5 file of ${length} bytes)`,
      { cause },
    );
  } finally {
    stored?.close();
    module.FS.unlink(virtualPath);
  }
}

function opened(path: string): Deno.FsFile {
  try {
    return Deno.openSync(path);
  } catch (cause) {
    throw unavailable(path, cause);
  }
}

function requireNoSystemFault(path: string): void {
  if (systemFault) throw unavailable(path, systemFault.cause);
}

/** The parts of Emscripten's in-memory file system that stand between the library and a file. */
interface FileNode {
  usedBytes: number;
  stream_ops: {
    read(
      stream: unknown,
      buffer: Int8Array,
      offset: number,
      length: number,
      position: number,
    ): number;
  };
}

/** Makes reads of a file in the library's memory go to a file on disk. */
function readThrough(virtualPath: string, file: Deno.FsFile): void {
  const { lookupPath } = module.FS as unknown as { lookupPath(path: string): { node: FileNode } };
  const { node } = lookupPath(virtualPath);
  node.usedBytes = file.statSync().size;
  node.stream_ops = {
    ...node.stream_ops,
    read(_stream, buffer, offset, length, position) {
      const target = new Uint8Array(buffer.buffer, buffer.byteOffset + offset, length);
      try {
        return readAt(file, position, target);
      } catch (cause) {
        systemFault ??= { cause };
        throw cause;
      }
    },
  };
}

function readAt(file: Deno.FsFile, position: number, target: Uint8Array): number {
  file.seekSync(position, Deno.SeekMode.Start);
  let filled = 0;
  while (filled < target.length) {
    const read = file.readSync(target.subarray(filled));
    if (read === null) break;
    filled += read;
  }
  return filled;
}

/** Step by step, because asking for a path of which the group is absent is an error. */
export function hdf5Member(root: Group, path: string): ReturnType<Group["get"]> {
  let found: ReturnType<Group["get"]> = root;
  for (const name of path.split("/")) {
    if (!(found instanceof Group) || !found.keys().includes(name)) return null;
    found = found.get(name);
  }
  return found;
}

/** An attribute's text or number; undefined where it is absent. */
export function hdf5Attribute(
  owner: Group | Dataset | null,
  name: string,
): string | number | undefined {
  const value: unknown = owner?.attrs[name]?.value;
  const first = ArrayBuffer.isView(value) || Array.isArray(value)
    ? (value as unknown as ArrayLike<unknown>)[0]
    : value;
  if (first === undefined || first === null) return undefined;
  // Texts of a fixed length are padded with zeros or spaces.
  return typeof first === "string" ? first.replace(/[\s\0]+$/, "") : Number(first);
}

/** All numbers of an attribute; empty where it is absent or a text. */
export function hdf5Numbers(owner: Group | Dataset | null, name: string): number[] {
  const value: unknown = owner?.attrs[name]?.value;
  const all = ArrayBuffer.isView(value) || Array.isArray(value)
    ? Array.from(value as unknown as ArrayLike<unknown>)
    : [value];
  return all.filter((each) => typeof each === "number" || typeof each === "bigint").map(Number);
}

/** Whether the library itself says that it cannot decode what it read. */
export function isHdf5Failure(cause: unknown): boolean {
  return cause instanceof Error && failureLine.test(cause.message) && !grewTooFar && !systemFault;
}

/** One entry of the library's error stack, with its reason. */
const failureLine = /#\d+: .*? in \w+\(\): (.*)/;

/** The innermost reason of the library's error stack, e.g. "truncated file: eof = 30000, …". */
export function hdf5Reason(cause: unknown): string {
  if (grewTooFar) return `it needs more than ${memoryBytesMax} bytes of memory`;
  const message = cause instanceof Error ? cause.message : String(cause);
  const reasons = [...message.matchAll(new RegExp(failureLine, "g"))];
  return reasons.at(-1)?.[1] ?? message.split("\n")[0];
}
