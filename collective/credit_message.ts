/**
 * What a rank tells another one that sends it chunks: which of them it holds. It says all that it
 * holds and not what is new, so that a credit may be lost, come twice or come late.
 */
import { decode } from "../net/codec.ts";
import { bytes, type Infer, integer, literal, tuple } from "../net/schema.ts";

/** More than a credit takes beside its bits. */
const fixedBytesMax = 80;

const count = integer({ min: 0, max: 0xffff_ffff });
/** Messages are counted for as long as a generation lasts. */
const sequence = integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
const creditSchema = (bitBytesMax: number) =>
  tuple(
    // Generation and sender's rank.
    count,
    count,
    // 1 asks for a credit in return.
    literal(0, 1),
    // The last message that the sender sent to this receiver: what was sent before it and has not
    // come by now is lost.
    sequence,
    // The last message of the receiver that the sender has heard of.
    sequence,
    // The step whose partials it waits for, and which of the receiver's it holds; all of those before.
    count,
    bytes({ lengthMax: bitBytesMax }),
    // The same of totals.
    count,
    bytes({ lengthMax: bitBytesMax }),
  );

export type Credit = Infer<ReturnType<typeof creditSchema>>;

export interface CreditCodec {
  /** The bits are views of `data`. @throws {SchemaError} */
  decode(data: Uint8Array): Credit;
  readonly bytesMax: number;
}

/** The codec for credits over at most `chunksMax` chunks of each kind. */
export function createCreditCodec(chunksMax: number): CreditCodec {
  const bitBytesMax = 4 * Math.ceil(chunksMax / 32);
  const schema = creditSchema(bitBytesMax);
  const bytesMax = fixedBytesMax + 2 * bitBytesMax;
  return {
    decode: (data) => decode(data, schema, { bytesMax, name: "credit" }),
    bytesMax,
  };
}
