/**
 * Flat float32 vectors that workers send in parts: parameters, optimizer slots, lane states, sample
 * predictions. Collected by name until whole; every part is checked against what the vector may be.
 */
export interface VectorPart {
  readonly name: string;
  /** Bytes of the whole vector, and where this part begins. */
  readonly totalBytes: number;
  readonly offset: number;
  readonly data: Uint8Array;
}

export interface VectorCollection {
  /** @throws {RangeError} for a part that does not fit its vector or the limit */
  add(part: VectorPart): void;
  /** @throws {RangeError} where the vector has not come in whole */
  take(name: string): Float32Array;
  /** Forgets vectors whose names begin so, whole or not. */
  discard(prefix: string): void;
  clear(): void;
}

export function createVectorCollection(bytesMax: number): VectorCollection {
  const vectors = new Map<string, { bytes: Uint8Array; received: number }>();
  let held = 0;
  return {
    add({ name, totalBytes, offset, data }) {
      let vector = vectors.get(name);
      if (!vector) {
        if (held + totalBytes > bytesMax || totalBytes % 4 !== 0) {
          throw new RangeError(
            `Cannot take vector "${name}" of ${totalBytes} bytes: ${held} of at most ${bytesMax} ` +
              "bytes are taken",
          );
        }
        vector = { bytes: new Uint8Array(totalBytes), received: 0 };
        vectors.set(name, vector);
        held += totalBytes;
      }
      // Parts of one vector come from one sender in order, each acknowledged before it counts.
      if (
        vector.bytes.length !== totalBytes || offset !== vector.received ||
        offset + data.length > totalBytes
      ) {
        throw new RangeError(
          `Cannot take part [${offset}, ${offset + data.length}) of vector "${name}": ` +
            `${vector.received} of ${vector.bytes.length} bytes came before`,
        );
      }
      vector.bytes.set(data, offset);
      vector.received += data.length;
    },
    take(name) {
      const vector = vectors.get(name);
      if (!vector || vector.received < vector.bytes.length) {
        const found = vector ? `${vector.received} of ${vector.bytes.length}` : "0";
        throw new RangeError(`Cannot use vector "${name}": ${found} bytes came`);
      }
      vectors.delete(name);
      held -= vector.bytes.length;
      return new Float32Array(vector.bytes.buffer);
    },
    discard(prefix) {
      for (const [name, { bytes }] of vectors) {
        if (!name.startsWith(prefix)) continue;
        vectors.delete(name);
        held -= bytes.length;
      }
    },
    clear() {
      vectors.clear();
      held = 0;
    },
  };
}
