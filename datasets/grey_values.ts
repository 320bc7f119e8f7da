/** Grey levels 0 to 255 as values in [0, 1], as float32 division gives them. */
export function greyValues(bytes: Uint8Array): Float32Array {
  const values = new Float32Array(bytes.length);
  for (let i = 0; i < bytes.length; i++) values[i] = bytes[i] / 255;
  return values;
}
