/**
 * Keeps what was loaded last, up to a number of bytes. Loads that are under way are shared, so an
 * item asked for twice is loaded once; a load that fails is forgotten and tried again next time.
 */
export interface CacheSource<K, V> {
  load(key: K): Promise<V>;
  bytesOf(value: V): number;
}

export class ByteLimitedCache<K, V> {
  readonly #source: CacheSource<K, V>;
  readonly #bytesMax: number;
  /** In order of last use, the least recent first. Bytes are 0 while the load is under way. */
  readonly #items = new Map<K, { readonly value: Promise<V>; bytes: number }>();
  #bytes = 0;

  constructor(source: CacheSource<K, V>, bytesMax: number) {
    this.#source = source;
    this.#bytesMax = bytesMax;
  }

  /** Of all loaded items. */
  get bytes(): number {
    return this.#bytes;
  }

  get(key: K): Promise<V> {
    const known = this.#items.get(key);
    if (known !== undefined) {
      this.#items.delete(key);
      this.#items.set(key, known);
      return known.value;
    }
    const value = this.#source.load(key);
    const item = { value, bytes: 0 };
    this.#items.set(key, item);
    value.then((loaded) => {
      item.bytes = this.#source.bytesOf(loaded);
      this.#bytes += item.bytes;
      this.#evict();
    }, () => this.#items.delete(key));
    return value;
  }

  #evict(): void {
    for (const [key, { bytes }] of this.#items) {
      if (this.#bytes <= this.#bytesMax) return;
      if (bytes === 0) continue;
      this.#items.delete(key);
      this.#bytes -= bytes;
    }
  }
}
