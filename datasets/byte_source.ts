/** Spans of bytes of a file on disk, or of what was unpacked into memory. */
import { DatasetError } from "./dataset.ts";
import { attempt } from "./files.ts";

export interface ByteSource {
  readonly path: string;
  readonly size: number;
  /**
   * `length` bytes from `start` on, in a buffer of their own.
   * @throws {DatasetError} if there are fewer
   */
  read(start: number, length: number): Promise<Uint8Array>;
  close(): void;
}

export async function openFile(path: string): Promise<ByteSource> {
  const file = await attempt(path, () => Deno.open(path));
  try {
    const { size } = await attempt(path, () => file.stat());
    return {
      ...{ path, size },
      read: (start, length) => attempt(path, () => readSpan(file, path, start, length)),
      close: () => file.close(),
    };
  } catch (error) {
    file.close();
    throw error;
  }
}

/** A part of another source; closing it closes that. */
export function partOf(source: ByteSource, start: number, size: number): ByteSource {
  return {
    ...{ path: source.path, size },
    read: (offset, length) => source.read(start + offset, length),
    close: () => source.close(),
  };
}

export function bytesInMemory(path: string, bytes: Uint8Array): ByteSource {
  return {
    ...{ path, size: bytes.length },
    read: (start, length) => {
      if (start + length > bytes.length) {
        return Promise.reject(missing(path, start, length, bytes.length - start));
      }
      return Promise.resolve(bytes.slice(start, start + length));
    },
    close() {},
  };
}

/** Synchronous, so that no other read comes between a seek and its read: a frame takes µs. */
function readSpan(file: Deno.FsFile, path: string, start: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  file.seekSync(start, Deno.SeekMode.Start);
  let filled = 0;
  while (filled < length) {
    const read = file.readSync(bytes.subarray(filled));
    if (read === null) throw missing(path, start, length, filled);
    filled += read;
  }
  return bytes;
}

function missing(path: string, start: number, length: number, found: number): DatasetError {
  return new DatasetError(
    `Cannot read "${path}": expected ${length} bytes at offset ${start}, found ${found}`,
  );
}
