/** Writes NumPy's array files (NEP 1, format version 1): float32, C order, little-endian. */

const alignment = 64;

/** @throws {RangeError} if the shape does not have as many values as there are */
export function encodeNpy(values: Float32Array, shape: readonly number[]): Uint8Array<ArrayBuffer> {
  const size = shape.reduce((product, side) => product * side, 1);
  if (size !== values.length) {
    throw new RangeError(`Cannot write ${values.length} values as an array of (${shape})`);
  }
  // A tuple of one has a comma at its end.
  const tuple = shape.length === 1 ? `${shape[0]},` : shape.join(", ");
  const text = `{'descr': '<f4', 'fortran_order': False, 'shape': (${tuple}), }`;
  const prefix = 10;
  const padded = Math.ceil((prefix + text.length + 1) / alignment) * alignment - prefix;
  const bytes = new Uint8Array(prefix + padded + 4 * size);
  bytes.set([0x93, ...new TextEncoder().encode("NUMPY"), 1, 0]);
  const view = new DataView(bytes.buffer);
  view.setUint16(8, padded, true);
  bytes.set(new TextEncoder().encode(`${text.padEnd(padded - 1)}\n`), prefix);
  values.forEach((value, index) => view.setFloat32(prefix + padded + 4 * index, value, true));
  return bytes;
}
