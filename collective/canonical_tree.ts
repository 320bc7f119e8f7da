/**
 * The one order in which gradients are added, whoever computed them.
 *
 * Floating-point addition is not associative, so a sum has the same bits at any world size only if
 * the same pairs are added. The shards are the leaves of a fixed binary tree; each inner node is
 * the sum of its two children. A rank forms the sums of the largest subtrees that it owns whole
 * (its partials) and only these travel; whoever combines them adds along the rest of the tree.
 * Since a + b has the bits of b + a, the sides may come in any order, and sums form in place.
 */

/** A subtree: the shards from `lo` up to, not including, `hi`. */
export interface Node {
  readonly lo: number;
  readonly hi: number;
}

/** A largest subtree that one rank owns whole. */
export interface Partial extends Node {
  readonly rank: number;
}

/** Adds partial `right` to partial `left`, in place; then `left` stands for their parent. */
export interface Combination {
  readonly left: number;
  readonly right: number;
}

export interface TreePlan {
  /** From left to right; together they cover every shard once. */
  readonly partials: readonly Partial[];
  /** In an order in which each operand is complete; afterwards partial 0 is the total. */
  readonly combinations: readonly Combination[];
}

/** Where [lo, hi) is cut in two; the left part is the longer one. */
export function splitOf({ lo, hi }: Node): number {
  return lo + Math.ceil((hi - lo) / 2);
}

/**
 * Owner of each shard: contiguous, and as even as it goes, with the larger groups first.
 *
 * @throws {RangeError} unless 1 <= ranks <= shards
 */
export function assignShards(shards: number, ranks: number): number[] {
  if (!Number.isInteger(ranks) || !Number.isInteger(shards) || ranks < 1 || shards < ranks) {
    throw new RangeError(
      `Cannot deal ${shards} shards to ${ranks} workers: each worker needs at least one shard`,
    );
  }
  const owners: number[] = [];
  for (let rank = 0; rank < ranks; rank++) {
    const count = Math.floor(shards / ranks) + (rank < shards % ranks ? 1 : 0);
    for (let i = 0; i < count; i++) owners.push(rank);
  }
  return owners;
}

/** What to send and how to combine it, when `owners[shard]` is the rank of each shard. */
export function planTree(owners: readonly number[]): TreePlan {
  if (owners.length === 0) throw new RangeError("Cannot plan a tree without shards");
  const partials: Partial[] = [];
  const combinations: Combination[] = [];
  /** Returns the index of the partial that stands for `node` once it is combined. */
  function visit(node: Node): number {
    const rank = owners[node.lo];
    let whole = true;
    for (let shard = node.lo; shard < node.hi; shard++) whole &&= owners[shard] === rank;
    if (whole) return partials.push({ ...node, rank }) - 1;
    const middle = splitOf(node);
    const left = visit({ lo: node.lo, hi: middle });
    const right = visit({ lo: middle, hi: node.hi });
    combinations.push({ left, right });
    return left;
  }
  visit({ lo: 0, hi: owners.length });
  return { partials, combinations };
}

/** target[i] += values[i] in float32. */
export function addInto(target: Float32Array, values: Float32Array): void {
  // `Math.fround` is what storing into a Float32Array does to the sum of two float32 anyway.
  for (let i = 0; i < target.length; i++) target[i] += values[i];
}
