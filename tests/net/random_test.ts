import assert from "node:assert/strict";
import { random, secretToken } from "../../net/random.ts";

function draws(count: number, ...path: (string | number)[]): number[] {
  const stream = random(...path);
  return Array.from({ length: count }, () => stream.uniform());
}

/**
 * sfc32 as its author's reference code has it (PractRand, RNG/sfc.cpp), on 64-bit integers: another
 * arithmetic than the product's 32-bit tricks.
 */
function referenceSfc32(seeds: readonly bigint[]): () => number {
  const mask = 0xffff_ffffn;
  let [a, b, c] = seeds;
  let counter = 1n;
  const next = () => {
    const output = (a + b + counter++) & mask;
    a = b ^ (b >> 9n);
    b = (c + (c << 3n)) & mask;
    c = ((((c << 21n) | (c >> 11n)) & mask) + output) & mask;
    return Number(output);
  };
  for (let i = 0; i < 12; i++) next();
  return next;
}

/** FNV-1a by its definition (Fowler, Noll, Vo), from another offset basis where one is given. */
function referenceHash(text: string, basis: bigint): bigint {
  return [...text].reduce(
    (hash, char) => ((hash ^ BigInt(char.codePointAt(0)!)) * 0x01000193n) & 0xffff_ffffn,
    basis,
  );
}

Deno.test("random draws the numbers of sfc32, seeded by the path's FNV-1a hashes", () => {
  const paths: [(string | number)[], string][] = [
    [[7, "plan", 3], "number:7/string:plan/number:3"],
    [["layer0/kernel"], "string:layer0/kernel"],
    [[], ""],
  ];
  for (const [path, text] of paths) {
    const bases = [0x811c9dc5n, 0x01234567n, 0x89abcdefn];
    const next = referenceSfc32(bases.map((basis) => referenceHash(text, basis)));
    const expected = Array.from({ length: 1000 }, () => next() / 2 ** 32);
    assert.deepEqual(draws(1000, ...path), expected);
  }
});

Deno.test("random gives the same numbers for a path, and others for every other path", () => {
  const paths = [
    [1, "plan", 0],
    [1, "plan", 1],
    [2, "plan", 0],
    [1, "plan"],
    [1, "plan", "0"],
    ["1", "plan", 0],
    ["plan", 1, 0],
    [12],
    [1, 2],
  ];
  const streams = paths.map((path) => draws(5, ...path).join());
  assert.equal(new Set(streams).size, paths.length);
  assert.deepEqual(draws(5, 1, "plan", 0).join(), streams[0]);
  // Streams are told apart by name, not by the order in which they are opened or drawn from.
  const [first, second] = [random(1, "plan", 0), random(1, "plan", 1)];
  const mixed = [first.uniform(), second.uniform(), first.uniform()];
  assert.deepEqual([mixed[0], mixed[2]], draws(2, 1, "plan", 0));
});

Deno.test("random's uniform numbers fill [0, 1) evenly", () => {
  // 1000 bins of 1000 expected draws: chi-square has mean 999 and deviation 45.
  const bins = new Array<number>(1000).fill(0);
  for (const value of draws(1_000_000, "uniform")) {
    assert.ok(value >= 0 && value < 1);
    bins[Math.floor(value * 1000)]++;
  }
  const chiSquare = bins.reduce((sum, count) => sum + (count - 1000) ** 2 / 1000, 0);
  assert.ok(chiSquare > 800 && chiSquare < 1200, `${chiSquare}`);
});

Deno.test("random's integers and shuffles are even", () => {
  const stream = random("shuffle");
  const counts = new Map<string, number>();
  for (let i = 0; i < 24_000; i++) {
    const items = [0, 1, 2, 3];
    assert.equal(stream.shuffle(items), items);
    counts.set(items.join(""), (counts.get(items.join("")) ?? 0) + 1);
  }
  assert.equal(counts.size, 24, "not every order comes up");
  const chiSquare = [...counts.values()].reduce(
    (sum, count) => sum + (count - 1000) ** 2 / 1000,
    0,
  );
  assert.ok(chiSquare < 60, `${chiSquare}, expected about 23`);
  for (const bound of [1, 2, 7, 2 ** 20]) {
    for (let i = 0; i < 1000; i++) {
      const value = stream.integer(bound);
      assert.ok(Number.isInteger(value) && value >= 0 && value < bound);
    }
  }
  assert.deepEqual(stream.shuffle([]), []);
});

Deno.test("random's normal numbers have the moments of the normal distribution", () => {
  const stream = random("normal");
  const count = 200_000;
  const values = Array.from({ length: count }, () => stream.normal());
  assert.ok(values.every(Number.isFinite));
  const moment = (power: number) => values.reduce((sum, value) => sum + value ** power, 0) / count;
  for (const [power, expected] of [[1, 0], [2, 1], [3, 0], [4, 3]]) {
    assert.ok(Math.abs(moment(power) - expected) < 0.05, `moment ${power}: ${moment(power)}`);
  }
  const within = values.filter((value) => Math.abs(value) < 1.959964).length / count;
  assert.ok(Math.abs(within - 0.95) < 0.003, `${within}`);
});

Deno.test("secretToken gives as many bytes in hexadecimal, never the same twice", () => {
  assert.match(secretToken(6), /^[0-9a-f]{12}$/);
  assert.equal(secretToken(0), "");
  assert.equal(new Set(Array.from({ length: 200 }, () => secretToken(16))).size, 200);
});
