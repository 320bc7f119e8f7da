/** SHA-256 over arrays and text: how workers prove that they hold the same weights and data. */
import { createHash } from "node:crypto";

/** Hex digest over the parts in their order; arrays as little-endian float32. */
export function fingerprint(...parts: readonly (Float32Array | string)[]): string {
  const hash = createHash("sha256");
  for (const part of parts) {
    hash.update(
      typeof part === "string"
        ? part
        : new Uint8Array(part.buffer, part.byteOffset, part.byteLength),
    );
  }
  return hash.digest("hex");
}
