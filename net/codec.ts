/**
 * Messages as msgpack; the one file that names the library. Typed arrays travel as binary in the
 * byte order of the machine, which is little-endian wherever Deno runs. What comes in is checked
 * three times: its length, its shape (`msgpack_shape.ts`), and each field (`schema.ts`).
 *
 * Records are off: they are decoded by generated code, which bytes from a network must not reach.
 */
import { Packr, Unpackr } from "msgpackr";
import { Buffer } from "node:buffer";
import { checkShape } from "./msgpack_shape.ts";
import { type Schema, SchemaError } from "./schema.ts";

/** A value that can be sent. */
export type Encodable =
  | null
  | undefined
  | boolean
  | number
  | string
  | Uint8Array
  | Float32Array
  | Int32Array
  | readonly Encodable[]
  | { readonly [key: string]: Encodable };

const packer = new Packr({ useRecords: false, variableMapSize: true });
const packerInto = new Packr({ useRecords: false, variableMapSize: true });
const unpacker = new Unpackr({ useRecords: false, int64AsType: "number" });

/** Room that `encodeInto` needs beside the binary data of a message with a small header. */
export const encodeOverheadBytes = 4096;

/**
 * Fields that are undefined are left out. The result is a copy: all packers of the library share the
 * buffer that one of them was given last, so it may lie in a `target` that is written again.
 */
export function encode(value: Encodable): Uint8Array {
  return plainBytes(packer.pack(toWire(value))).slice();
}

/**
 * Encodes into `target`, which saves allocating and clearing memory for each chunk: 30 GB/s
 * against 3 to 9 GB/s with `encode` for 64 KiB to 1 MB of binary data. Returns a view of `target`, or
 * other memory where the message does not fit with `encodeOverheadBytes` to spare.
 */
export function encodeInto(target: Uint8Array, value: Encodable): Uint8Array {
  packerInto.useBuffer(Buffer.from(target.buffer, target.byteOffset, target.byteLength));
  return plainBytes(packerInto.pack(toWire(value)));
}

/**
 * Decodes and checks. Byte fields are views of `data`.
 *
 * @param name what errors call the message
 * @throws {SchemaError} if longer than `bytesMax`, malformed, or not of this schema
 */
export function decode<T>(
  data: Uint8Array,
  schema: Schema<T>,
  { bytesMax, name = "message" }: { bytesMax: number; name?: string },
): T {
  if (data.length > bytesMax) {
    throw new SchemaError(
      `Cannot accept ${name}: ${data.length} bytes are above the limit of ${bytesMax}`,
    );
  }
  checkShape(data);
  return schema.check(unpack(data, name), name);
}

function unpack(data: Uint8Array, name: string): unknown {
  try {
    return unpacker.unpack(data);
  } catch (cause) {
    // E.g. a map whose keys are not texts.
    throw new SchemaError(`Cannot decode ${name}: ${(cause as Error).message}`, { cause });
  }
}

/** The library gives a node Buffer, whose slice() is a view where a copy is expected. */
function plainBytes({ buffer, byteOffset, byteLength }: Uint8Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

/**
 * Replaces typed arrays by their bytes, without a copy. Which bits a NaN has depends on the processor and
 * on whether the division that it came of was compiled yet: the same message is to be the same bytes.
 */
function toWire(value: Encodable): unknown {
  if (typeof value === "number") return Number.isNaN(value) ? NaN : value;
  if (ArrayBuffer.isView(value)) {
    return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  }
  if (Array.isArray(value)) return value.map(toWire);
  if (typeof value === "object" && value !== null) {
    const result: Record<string, unknown> = {};
    for (const [key, each] of Object.entries(value)) {
      if (each !== undefined) result[key] = toWire(each);
    }
    return result;
  }
  return value;
}

/** A typed array's bytes, in place. */
export function bytesOf(values: Float32Array | Int32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}
