/** Made-up gradients, and what their sum must be, by the definition of the canonical tree. */
import { type Node, splitOf } from "../../collective/canonical_tree.ts";
import type { Random } from "../../net/random.ts";

/** Gradients of very different sizes, so that the order of additions shows in the last bits. */
export function randomShards(draw: Random, shards: number, elements: number): Float32Array[] {
  return Array.from(
    { length: shards },
    () => Float32Array.from({ length: elements }, () => draw.normal() * 10 ** draw.integer(6)),
  );
}

/** Any ownership in which every rank has a shard. */
export function randomOwners(draw: Random, shards: number, ranks: number): number[] {
  const owners = Array.from({ length: shards }, (_, i) => i < ranks ? i : draw.integer(ranks));
  return draw.shuffle(owners);
}

/** The sum of a node is the sum of its two halves, in float32. */
export function treeSum(
  shards: readonly Float32Array[],
  node: Node = { lo: 0, hi: shards.length },
): Float32Array {
  if (node.hi - node.lo === 1) return shards[node.lo].slice();
  const middle = splitOf(node);
  const left = treeSum(shards, { lo: node.lo, hi: middle });
  const right = treeSum(shards, { lo: middle, hi: node.hi });
  return left.map((value, i) => Math.fround(value + right[i]));
}

/** Float32 as integers, so that a comparison is one of bits. */
export function bitsOf(values: Float32Array): Uint32Array {
  return new Uint32Array(values.slice().buffer);
}
