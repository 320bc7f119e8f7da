/**
 * NumPy's `.npz` files: a zip archive with an `.npy` file for each array (`numpy.savez`, and
 * `savez_compressed`). A stored array is read in place; a deflated one is unpacked into memory.
 */
import { crc32 } from "node:zlib";
import { bytesInMemory, type ByteSource, partOf } from "./byte_source.ts";
import { DatasetError } from "./dataset.ts";
import { headerBytesMax, parseNpyHeader } from "./npy_header.ts";

/** Bytes of one deflated array. Every process that reads it holds it in memory. */
export const unpackedArrayBytesMax = 2 ** 31;
/** What deflate can do at most: 258 bytes from two bits, nearly. */
const deflateRatioMax = 1040;
/** The archive's list of members: about 60 bytes each. */
const directoryBytesMax = 16 * 1024 * 1024;
/** Bytes of the record at an archive's end, with the longest comment. */
const endBytesMax = 22 + 65_535;
/** Arrays that an error names. */
const namedMax = 20;

const signatures = { local: 0x04034b50, member: 0x02014b50, end: 0x06054b50 } as const;
const signatures64 = { end: 0x06064b50, locator: 0x07064b50 } as const;
const methods = { stored: 0, deflated: 8 } as const;
/** What a 32-bit field holds where the value stands in the member's 64-bit field. */
const inExtra = 0xffff_ffff;

interface Member {
  /** Without its ending. */
  readonly name: string;
  readonly method: number;
  readonly isEncrypted: boolean;
  readonly crc: number;
  readonly packedBytes: number;
  readonly bytes: number;
  /** Where its local header begins in the archive. */
  readonly offset: number;
}

export async function isZip(file: ByteSource): Promise<boolean> {
  if (file.size < 22) return false;
  const view = viewOf(await file.read(0, 4));
  const signature = view.getUint32(0, true);
  // An archive of nothing is its end alone.
  return signature === signatures.local || signature === signatures.end;
}

/**
 * @param name of the array, with or without `.npy`; empty for the only one
 * @throws {DatasetError} naming the arrays that there are where that is none of them, or not one
 */
export async function openNpzArray(file: ByteSource, name: string): Promise<ByteSource> {
  const members = await membersOf(file);
  const wanted = name.replace(/\.npy$/, "");
  const member = wanted === "" && members.length === 1
    ? members[0]
    : members.find((member) => member.name === wanted);
  if (member === undefined) {
    throw new DatasetError(
      (wanted === ""
        ? `Cannot tell which array of "${file.path}" to take`
        : `Cannot find array "${wanted}" in "${file.path}"`) +
        `: it holds ${await listed(file, members)}; name one with --dataset-options array=NAME, ` +
        "or targets-array=NAME for answers",
    );
  }
  return await memberSource(file, member);
}

async function memberSource(file: ByteSource, member: Member): Promise<ByteSource> {
  const path = `${file.path}[${member.name}]`;
  const refuse = (why: string) => new DatasetError(`Cannot read "${path}": ${why}`);
  if (member.isEncrypted) throw refuse("it is encrypted; save it with numpy.savez");
  const local = viewOf(await file.read(member.offset, 30));
  if (local.getUint32(0, true) !== signatures.local) {
    throw refuse(`expected a member of the archive at offset ${member.offset}, found none there`);
  }
  const start = member.offset + 30 + local.getUint16(26, true) + local.getUint16(28, true);
  if (start + member.packedBytes > file.size) {
    throw refuse(`its ${member.packedBytes} bytes at offset ${start} end behind the archive's end`);
  }
  const packed = partOf(file, start, member.packedBytes);
  if (member.method === methods.stored) {
    if (member.bytes !== member.packedBytes) {
      throw refuse(`it is said to take ${member.packedBytes} bytes and ${member.bytes} unpacked`);
    }
    await checkStored(packed, member, refuse);
    return { ...partOf(packed, 0, member.bytes), path };
  }
  if (member.method !== methods.deflated) {
    throw refuse(
      `it is packed by method ${member.method}, expected 0 (stored) or 8 (deflated); save it with ` +
        "numpy.savez or numpy.savez_compressed",
    );
  }
  if (member.bytes > deflateRatioMax * (member.packedBytes + 1)) {
    throw refuse(`no ${member.packedBytes} deflated bytes unpack to ${member.bytes}`);
  }
  if (member.bytes > unpackedArrayBytesMax) {
    throw refuse(
      `it takes ${member.bytes} bytes unpacked, at most ${unpackedArrayBytesMax} are held in ` +
        "memory; save it as an .npy file, or with numpy.savez, which are read in place",
    );
  }
  const bytes = await inflated(packed, member, refuse);
  file.close();
  return bytesInMemory(path, bytes);
}

/** Spans of a member that are read at a time. */
const spanBytes = 4 * 1024 * 1024;

/** Damage shows in the checksum alone. Of what takes many seconds to read, that is left out. */
async function checkStored(
  packed: ByteSource,
  member: Member,
  refuse: (why: string) => DatasetError,
): Promise<void> {
  if (member.bytes > unpackedArrayBytesMax) return;
  let crc = 0;
  for (let at = 0; at < packed.size; at += spanBytes) {
    crc = crc32(await packed.read(at, Math.min(spanBytes, packed.size - at)), crc);
  }
  if (crc !== member.crc) {
    throw refuse("its bytes are not those that the archive's checksum is of; copy it again");
  }
}

async function inflated(
  packed: ByteSource,
  member: Member,
  refuse: (why: string) => DatasetError,
): Promise<Uint8Array> {
  const bytes = new Uint8Array(member.bytes);
  let [filled, at] = [0, 0];
  const spans = new ReadableStream<BufferSource>({
    async pull(controller) {
      const length = Math.min(spanBytes, packed.size - at);
      if (length === 0) return controller.close();
      controller.enqueue(await packed.read(at, length) as Uint8Array<ArrayBuffer>);
      at += length;
    },
  }, { highWaterMark: 0 });
  try {
    for await (const chunk of spans.pipeThrough(new DecompressionStream("deflate-raw"))) {
      // It ends here, before more than was announced is held.
      if (filled + chunk.length > bytes.length) {
        throw refuse(`it unpacks to more than the ${bytes.length} bytes that it announces`);
      }
      bytes.set(chunk, filled);
      filled += chunk.length;
    }
  } catch (cause) {
    if (cause instanceof DatasetError) throw cause;
    throw refuse(`its deflated bytes are broken after ${filled} unpacked ones; copy it again`);
  }
  if (filled !== bytes.length || crc32(bytes) !== member.crc) {
    throw refuse(
      `its ${filled} unpacked bytes are not the ${bytes.length} that the archive's checksum is of; ` +
        "copy it again",
    );
  }
  return bytes;
}

/** "frames (20, 10, 64, 64) and labels (20)" */
async function listed(file: ByteSource, members: readonly Member[]): Promise<string> {
  if (members.length === 0) return "no arrays";
  const words = [];
  for (const member of members.slice(0, namedMax)) {
    words.push(`${member.name}${await shapeInWords(file, member)}`);
  }
  if (members.length > namedMax) words.push(`${members.length - namedMax} more`);
  return words.join(", ");
}

/** The shape of an array that is stored. An error is not worth unpacking a deflated one. */
async function shapeInWords(file: ByteSource, member: Member): Promise<string> {
  if (member.method !== methods.stored || member.isEncrypted) return "";
  try {
    const source = await memberSource(file, member);
    const beginning = await source.read(0, Math.min(source.size, headerBytesMax));
    return ` (${parseNpyHeader(beginning, member.name).shape.join(", ")})`;
  } catch {
    return "";
  }
}

async function membersOf(file: ByteSource): Promise<Member[]> {
  const refuse = (why: string) => new DatasetError(`Cannot read "${file.path}": ${why}`);
  const endBytes = Math.min(file.size, endBytesMax);
  const tail = viewOf(await file.read(file.size - endBytes, endBytes));
  let end = endBytes - 22;
  while (end >= 0 && tail.getUint32(end, true) !== signatures.end) end--;
  if (end < 0) throw refuse("it has no list of its members; it is cut short: copy it again");
  let count = tail.getUint16(end + 10, true);
  let length = tail.getUint32(end + 12, true);
  let start = tail.getUint32(end + 16, true);
  const locator = end - 20;
  if (locator >= 0 && tail.getUint32(locator, true) === signatures64.locator) {
    const at = bigNumber(tail, locator + 8);
    const record = at + 56 <= file.size ? viewOf(await file.read(at, 56)) : undefined;
    if (record?.getUint32(0, true) !== signatures64.end) {
      throw refuse(`expected the record of a large archive at offset ${at}, found none there`);
    }
    [count, length, start] = [32, 40, 48].map((offset) => bigNumber(record, offset));
  }
  if (length > directoryBytesMax || start + length > file.size) {
    throw refuse(
      `its list of members of ${length} bytes at offset ${start} does not fit: the file has ` +
        `${file.size}, and at most ${directoryBytesMax} are read`,
    );
  }
  const list = viewOf(await file.read(start, length));
  const members: Member[] = [];
  let at = 0;
  for (let index = 0; index < count; index++) {
    if (at + 46 > length || list.getUint32(at, true) !== signatures.member) {
      throw refuse(`expected member ${index} of ${count} in its list at offset ${start + at}`);
    }
    const [nameBytes, extraBytes, commentBytes] = [28, 30, 32].map((offset) =>
      list.getUint16(at + offset, true)
    );
    const extraStart = at + 46 + nameBytes;
    const next = extraStart + extraBytes + commentBytes;
    if (next > length) throw refuse(`member ${index} of ${count} ends behind its list`);
    const name = new TextDecoder().decode(
      new Uint8Array(list.buffer, list.byteOffset + at + 46, nameBytes),
    );
    if (name.endsWith(".npy")) {
      const sizes = [at + 24, at + 20, at + 42].map((offset) => list.getUint32(offset, true));
      const [bytes, packedBytes, offset] = wideSizes(list, extraStart, extraBytes, sizes);
      members.push({
        name: name.slice(0, -".npy".length),
        method: list.getUint16(at + 10, true),
        isEncrypted: (list.getUint16(at + 8, true) & 1) === 1,
        crc: list.getUint32(at + 16, true),
        ...{ bytes, packedBytes, offset },
      });
    }
    at = next;
  }
  return members;
}

/** Those that do not fit 32 bits stand in the field 1 of the extra ones, in this order. */
function wideSizes(list: DataView, start: number, length: number, sizes: number[]): number[] {
  let at = start;
  while (at + 4 <= start + length) {
    const fieldBytes = list.getUint16(at + 2, true);
    if (list.getUint16(at, true) === 1) {
      let place = at + 4;
      return sizes.map((size) => {
        if (size !== inExtra || place + 8 > at + 4 + fieldBytes) return size;
        place += 8;
        return bigNumber(list, place - 8);
      });
    }
    at += 4 + fieldBytes;
  }
  return sizes;
}

function bigNumber(view: DataView, offset: number): number {
  return Number(view.getBigUint64(offset, true));
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}
