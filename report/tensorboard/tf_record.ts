/**
 * TFRecord, the framing of TensorBoard's event files (tensorflow/core/lib/io/record_writer.cc):
 * length (uint64), masked CRC-32C of the length, the bytes, masked CRC-32C of the bytes; all little
 * endian. A reader stops without harm at a record that was cut off.
 */

/** What a record adds to its bytes. */
export const recordOverheadBytes = 16;

export function encodeRecord(data: Uint8Array): Uint8Array {
  const record = new Uint8Array(recordOverheadBytes + data.length);
  const view = new DataView(record.buffer);
  view.setBigUint64(0, BigInt(data.length), true);
  view.setUint32(8, maskedCrc(record.subarray(0, 8)), true);
  record.set(data, 12);
  view.setUint32(12 + data.length, maskedCrc(data), true);
  return record;
}

/** So that the checksum of data that holds checksums is a good one. */
function maskedCrc(bytes: Uint8Array): number {
  const crc = crc32c(bytes);
  return ((crc >>> 15 | crc << 17) + 0xa282ead8) >>> 0;
}

/** Castagnoli's polynomial, reflected. */
const table = Uint32Array.from({ length: 256 }, (_, index) => {
  let crc = index;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? crc >>> 1 ^ 0x82f63b78 : crc >>> 1;
  return crc;
});

export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (let i = 0; i < bytes.length; i++) crc = table[(crc ^ bytes[i]) & 255] ^ crc >>> 8;
  return ~crc >>> 0;
}
