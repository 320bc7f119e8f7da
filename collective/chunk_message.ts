/**
 * A piece of a gradient on the wire: [generation, sender, sequence, step, partial, chunk, bytes]. A
 * list, not a map, because its field names would be sent with every chunk. What it is (a partial sum
 * for the owner of a slice, or the total for everybody) is said by its subject.
 */
import { decode, encodeInto, encodeOverheadBytes } from "../net/codec.ts";
import { bytes, type Infer, integer, tuple } from "../net/schema.ts";

/** More than the header of the longest message takes. */
export const headerBytesMax = 64;

const count = integer({ min: 0, max: 0xffff_ffff });
/** Messages are counted for as long as a generation lasts. */
const sequence = integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
const chunkSchema = (chunkBytesMax: number) =>
  tuple(
    count,
    count,
    sequence,
    count,
    count,
    count,
    bytes({ lengthMin: 4, lengthMax: chunkBytesMax }),
  );

/**
 * Generation, sender's rank, number of the message among the sender's, step, index of the partial,
 * index of the chunk, float32 bytes.
 */
export type Chunk = Infer<ReturnType<typeof chunkSchema>>;

export interface ChunkCodec {
  /** Into `target`, which `bufferBytes` are enough for. */
  encode(target: Uint8Array, chunk: Chunk): Uint8Array;
  /** The bytes are a view of `data`. @throws {SchemaError} */
  decode(data: Uint8Array): Chunk;
  readonly bufferBytes: number;
}

/** The codec for chunks of at most `chunkBytesMax` bytes of numbers. */
export function createChunkCodec(chunkBytesMax: number): ChunkCodec {
  const schema = chunkSchema(chunkBytesMax);
  const options = { bytesMax: chunkBytesMax + headerBytesMax, name: "chunk" };
  return {
    encode: encodeInto,
    decode: (data) => decode(data, schema, options),
    bufferBytes: chunkBytesMax + encodeOverheadBytes,
  };
}
