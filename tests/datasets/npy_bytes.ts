/** Writes NumPy's array files for tests, well-formed unless asked otherwise. */
export interface NpyParts {
  readonly shape: readonly number[];
  readonly data: Uint8Array;
  readonly dtype?: string;
  readonly fortran?: boolean;
}

export function npyBytes(
  { shape, data, dtype = "|u1", fortran = false }: NpyParts,
): Uint8Array<ArrayBuffer> {
  const header = `{'descr': '${dtype}', 'fortran_order': ${fortran ? "True" : "False"}, ` +
    `'shape': (${shape.join(", ")}${shape.length === 1 ? "," : ""}), }`;
  const padded = header.padEnd(Math.ceil((10 + header.length + 1) / 64) * 64 - 11) + "\n";
  const bytes = new Uint8Array(10 + padded.length + data.length);
  bytes.set([0x93, ...new TextEncoder().encode("NUMPY"), 1, 0]);
  new DataView(bytes.buffer).setUint16(8, padded.length, true);
  bytes.set(new TextEncoder().encode(padded), 10);
  bytes.set(data, 10 + padded.length);
  return bytes;
}
