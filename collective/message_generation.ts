/**
 * The generation that a chunk or a credit names first, read without the rest: what was long enough
 * for the members of an earlier one may be too long for those of this one, and is late and not wrong.
 * @returns undefined where it names none
 */
export function generationOf(data: Uint8Array): number | undefined {
  if (data.length < 2 || data[0] >> 4 !== listTag) return undefined;
  if (data[1] < 0x80) return data[1];
  const width = unsignedWidths.get(data[1]);
  if (width === undefined || data.length < 2 + width) return undefined;
  return data.subarray(2, 2 + width).reduce((value, byte) => value * 256 + byte, 0);
}

/** MessagePack's mark of a list of up to 15 items, and the bytes of its unsigned integers. */
const listTag = 0x9;
const unsignedWidths = new Map([[0xcc, 1], [0xcd, 2], [0xce, 4]]);
