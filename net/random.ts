/**
 * Seeded random numbers: the same on every machine, so that every process computes the same plan,
 * the same initial weights and the same generated sequences. Streams are told apart by a path of
 * names and numbers, never by the order in which they are drawn.
 *
 * Generator: sfc32 (C. Doty-Humphrey, PractRand), seeded through the FNV-1a hash of the path.
 */
export interface Random {
  /** Uniform in [0, 1), 32 bits of resolution. */
  uniform(): number;
  /** Uniform integer in [0, bound). */
  integer(bound: number): number;
  /** Standard normal (Box-Muller, one value for each call). */
  normal(): number;
  /** Shuffles in place (Fisher-Yates) and returns the array. */
  shuffle<T>(items: T[]): T[];
}

/** A stream for this path, e.g. `random(seed, "plan", epoch)`. */
export function random(...path: readonly (string | number)[]): Random {
  let [a, b, c] = [fnv1a(path, 0x811c9dc5), fnv1a(path, 0x01234567), fnv1a(path, 0x89abcdef)];
  let counter = 1;
  const next = (): number => {
    const sum = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + sum | 0;
    return sum >>> 0;
  };
  // sfc32's seeding: the state mixes over the first dozen outputs.
  for (let i = 0; i < 12; i++) next();
  const uniform = () => next() / 0x1_0000_0000;
  const integer = (bound: number) => Math.floor(uniform() * bound);
  return {
    uniform,
    integer,
    normal() {
      const radius = Math.sqrt(-2 * Math.log(1 - uniform()));
      return radius * Math.cos(2 * Math.PI * uniform());
    },
    shuffle(items) {
      for (let i = items.length - 1; i > 0; i--) {
        const j = integer(i + 1);
        [items[i], items[j]] = [items[j], items[i]];
      }
      return items;
    },
  };
}

function fnv1a(path: readonly (string | number)[], basis: number): number {
  let hash = basis;
  for (const char of path.map((part) => `${typeof part}:${part}`).join("/")) {
    hash = Math.imul(hash ^ char.codePointAt(0)!, 0x01000193);
  }
  return hash | 0;
}

/**
 * A secret of `bytes` random bytes in hexadecimal, from the system's generator: for credentials,
 * the one thing that must not follow from a seed.
 */
export function secretToken(bytes: number): string {
  return Array.from(
    crypto.getRandomValues(new Uint8Array(bytes)),
    (byte) => byte.toString(16).padStart(2, "0"),
  ).join("");
}
