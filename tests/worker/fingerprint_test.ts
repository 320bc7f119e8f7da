import assert from "node:assert/strict";
import { fingerprint } from "../../worker/fingerprint.ts";

async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

Deno.test("fingerprint is SHA-256 over little-endian float32 and UTF-8, in order", async () => {
  // FIPS 180-2, appendix B.1.
  const abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
  assert.equal(fingerprint("abc"), abc);
  assert.equal(fingerprint("a", "bc"), abc);
  const values = [1.5, -0, NaN, 1e-40, 3.4e38];
  const bytes = new DataView(new ArrayBuffer(20));
  values.forEach((value, index) => bytes.setFloat32(4 * index, value, true));
  const expected = await sha256(new Uint8Array(bytes.buffer));
  assert.equal(fingerprint(Float32Array.from(values)), expected);
  // Of a part of a larger array, that part.
  const part = Float32Array.from([9, ...values, 9]).subarray(1, 6);
  assert.equal(fingerprint(part), expected);
  assert.equal(fingerprint(part.subarray(0, 2), part.subarray(2)), expected);
  assert.notEqual(fingerprint(Float32Array.from([1.5, 0])), fingerprint(part.subarray(0, 2)));
});
