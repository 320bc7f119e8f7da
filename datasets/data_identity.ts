/**
 * What tells a dataset's files from others under the same path: their number, size and SHA-256. Workers
 * compare it, checkpoints keep it, and whoever goes on from one compares it again.
 */
import { createHash } from "node:crypto";
import { join, relative } from "node:path";
import type { Dataset } from "./dataset.ts";
import { attempt } from "./files.ts";
import { filesBelow } from "./folder_walk.ts";

/** Data of up to so many bytes are hashed whole; of more, a sample of each file is. */
const wholeBytesMax = 256 * 1024 * 1024;
/** Bytes of a sample in one block, and in all blocks together. */
const blockBytes = 4096;
const sampleBytesMax = 64 * 1024 * 1024;
const readBytesMax = 1024 * 1024;
interface DataFile {
  readonly path: string;
  /** Below the folder that was named, so that the folder may move. */
  readonly name: string;
  readonly bytes: number;
}

export interface IdentityOptions {
  /** Folder that names are told from; that of each path by default. */
  readonly root?: string;
  readonly wholeBytesMax?: number;
  readonly sampleBytesMax?: number;
}

/**
 * One line such as "12 files of 48,000 bytes, SHA-256 9f…", equal where the files are equal. Above
 * `wholeBytesMax` it says that names, sizes and samples were hashed in place of all bytes.
 * @param paths files, and folders, with what `folder_walk.ts` finds in them
 * @returns undefined where there is no path
 * @throws {DatasetError} naming what cannot be read
 */
export async function dataIdentity(
  paths: readonly string[],
  options: IdentityOptions = {},
): Promise<string | undefined> {
  if (paths.length === 0) return undefined;
  const listed = await Promise.all(paths.map((path) => listFiles(options.root ?? path, path)));
  const files = listed.flat();
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  const isWhole = bytes <= (options.wholeBytesMax ?? wholeBytesMax);
  const blocks = (options.sampleBytesMax ?? sampleBytesMax) / blockBytes / files.length;
  const hash = createHash("sha256");
  for (const file of files) {
    hash.update(JSON.stringify([file.name, file.bytes]));
    await attempt(file.path, async () => {
      using opened = await Deno.open(file.path);
      for (const [start, length] of isWhole ? wholeOf(file) : sampleOf(file, blocks)) {
        hash.update(await readPart(opened, start, length));
      }
    });
  }
  const counted = `${files.length} ${files.length === 1 ? "file" : "files"} of ` +
    `${bytes.toLocaleString("en")} bytes`;
  const hashed = isWhole ? "SHA-256" : "SHA-256 of names, sizes and samples";
  return `${counted}, ${hashed} ${hash.digest("hex")}`;
}

/** A file itself, or all that is below a folder. */
async function listFiles(root: string, path: string): Promise<DataFile[]> {
  const { isDirectory } = await attempt(path, () => Deno.stat(path));
  const paths = isDirectory
    ? (await filesBelow(path)).names.map((name) => join(path, name))
    : [path];
  return await Promise.all(paths.map(async (each) => {
    const { size } = await attempt(each, () => Deno.stat(each));
    // A file that is named itself may have another name elsewhere.
    return { path: each, name: each === root ? "" : relative(root, each), bytes: size };
  }));
}

/** Starts and lengths of the reads that cover a file. */
function* wholeOf({ bytes }: DataFile): Generator<[start: number, length: number]> {
  for (let start = 0; start < bytes; start += readBytesMax) {
    yield [start, Math.min(readBytesMax, bytes - start)];
  }
}

/** Blocks at equal distances, the first at the file's start and the last at its end. */
function* sampleOf(
  { bytes }: DataFile,
  blocksMax: number,
): Generator<[start: number, length: number]> {
  const blocks = Math.max(2, Math.min(Math.floor(blocksMax), Math.ceil(bytes / blockBytes)));
  const last = Math.max(0, bytes - blockBytes);
  for (let block = 0; block < blocks; block++) {
    yield [Math.floor(last * block / (blocks - 1)), Math.min(blockBytes, bytes)];
  }
}

/** Fewer bytes where the file has become shorter since it was listed. */
async function readPart(file: Deno.FsFile, start: number, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  await file.seek(start, Deno.SeekMode.Start);
  let read = 0;
  while (read < length) {
    const count = await file.read(bytes.subarray(read));
    if (count === null) break;
    read += count;
  }
  return bytes.subarray(0, read);
}

/** That of an opened dataset: of the files that it reads, or of all that was named for it. */
export async function identityOf(
  dataset: Pick<Dataset, "files">,
  named: readonly string[],
): Promise<string | undefined> {
  if (dataset.files === undefined || named.length !== 1) return await dataIdentity(named);
  const files = [...new Set(dataset.files)].sort();
  return await dataIdentity(files, { root: named[0] });
}
