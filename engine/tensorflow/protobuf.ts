/**
 * The wire format of protocol buffers, as much as three small messages need: the session's
 * configuration and tensors of strings are written with it, and op definitions are read with it
 * (https://protobuf.dev/programming-guides/encoding).
 */
/** A field of type int32, bool or enum. */
export function varintField(field: number, value: number): number[] {
  return [...varint(field << 3), ...varint(value)];
}

/** A field that is a message itself. */
export function messageField(field: number, message: readonly number[]): number[] {
  return [...bytesHeader(field, message.length), ...message];
}

/** What stands before a field of so many bytes. */
export function bytesHeader(field: number, length: number): number[] {
  return [...varint(field << 3 | 2), ...varint(length)];
}

function varint(value: number): number[] {
  const bytes: number[] = [];
  for (; value > 0x7f; value = Math.floor(value / 128)) bytes.push(value % 128 | 0x80);
  bytes.push(value);
  return bytes;
}

/** A field as read: a number, or the bytes of a string or message. */
export interface Field {
  readonly field: number;
  readonly value: number | Uint8Array;
}

/** The fields of a message in their order. */
export function* readFields(message: Uint8Array): Generator<Field> {
  let at = 0;
  function readVarint(): number {
    let value = 0;
    let scale = 1;
    for (;;) {
      const byte = message[at++];
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 128;
    }
  }
  while (at < message.length) {
    const tag = readVarint();
    const field = tag >>> 3;
    switch (tag & 7) {
      case 0:
        yield { field, value: readVarint() };
        break;
      case 1:
        yield { field, value: message.subarray(at, at += 8) };
        break;
      case 2: {
        const length = readVarint();
        yield { field, value: message.subarray(at, at += length) };
        break;
      }
      case 5:
        yield { field, value: message.subarray(at, at += 4) };
        break;
      default:
        throw new RangeError(`Cannot read a protocol buffer: wire type ${tag & 7} at byte ${at}`);
    }
  }
}
