/**
 * Reading data files whole, with failures that name the file. A broken download is the commonest
 * fault of a data set, so every reader says where it stopped and what it expected there.
 */
import { DatasetError, DataUnavailable } from "./dataset.ts";

/** A radar frame or an IDX file is far below this; a gzip bomb is not. */
export const unpackedBytesMax = 256 * 1024 * 1024;
/** Unpacks to 16 MiB at most, which is all that is held beyond the limit. */
const packedSliceBytes = 16 * 1024;

/**
 * The bytes of a file, unpacked where its name ends in ".gz".
 * @throws {DatasetError} if the file cannot be read or is too long, or its gzip stream is broken
 */
export async function readBytes(path: string): Promise<Uint8Array<ArrayBuffer>> {
  const { isFile, size } = await attempt(path, () => Deno.stat(path));
  if (!isFile) throw new DatasetError(`Cannot read "${path}": it is no plain file`);
  if (size > unpackedBytesMax) {
    throw new DatasetError(
      `Cannot read "${path}": it has ${size} bytes, more than the ${unpackedBytesMax} of any frame`,
    );
  }
  const bytes = await attempt(path, () => Deno.readFile(path));
  return /\.gz$/i.test(path) ? await gunzip(bytes, path) : bytes;
}

/** Runs a file operation; what the system says becomes a `DataUnavailable` that names the path. */
export async function attempt<T>(path: string, operation: () => T | Promise<T>): Promise<T> {
  try {
    return await operation();
  } catch (cause) {
    if (cause instanceof DatasetError) throw cause;
    throw unavailable(path, cause);
  }
}

/** What the system says of a path that it does not give. */
export function unavailable(path: string, cause: unknown): DataUnavailable {
  const reason = cause instanceof Deno.errors.NotFound
    ? "no such file or folder"
    : cause instanceof Deno.errors.PermissionDenied
    ? "permission denied"
    : cause instanceof Error
    ? cause.message
    : String(cause);
  return new DataUnavailable(`Cannot read "${path}": ${reason}`, { cause });
}

/** Names of the plain files in a folder, sorted. */
export async function fileNames(folder: string): Promise<string[]> {
  return await attempt(folder, async () => {
    const names = [];
    for await (const entry of Deno.readDir(folder)) {
      if (!entry.isDirectory) names.push(entry.name);
    }
    return names.sort();
  });
}

async function gunzip(
  packed: Uint8Array<ArrayBuffer>,
  path: string,
): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  try {
    // Slice by slice, since all that a slice unpacks to is made at once.
    let read = 0;
    const slices = new ReadableStream<Uint8Array<ArrayBuffer>>({
      pull(controller) {
        if (read < packed.length) {
          controller.enqueue(packed.subarray(read, read += packedSliceBytes));
        } else controller.close();
      },
    }, { highWaterMark: 0 });
    for await (const chunk of slices.pipeThrough(new DecompressionStream("gzip"))) {
      chunks.push(chunk);
      length += chunk.length;
      if (length > unpackedBytesMax) break;
    }
  } catch (cause) {
    throw new DatasetError(
      `Cannot unpack "${path}": its gzip stream of ${packed.length} bytes is truncated or broken ` +
        `after ${length} unpacked bytes; download the file again`,
      { cause },
    );
  }
  if (length > unpackedBytesMax) {
    throw new DatasetError(
      `Cannot unpack "${path}": it holds more than ${unpackedBytesMax} bytes, no frame does`,
    );
  }
  const bytes = new Uint8Array(length);
  let offset = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, offset);
    offset += chunk.length;
  }
  return bytes;
}
