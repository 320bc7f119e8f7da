/**
 * Sums one subtree's shards as they come, in any order, along the canonical tree. A sum replaces
 * its left operand, and what waits for its sibling is kept in buffers that are used again at every
 * step: as many as shards wait at the same time, at most one for each level if they come in order.
 */
import { addInto, type Node, splitOf } from "./canonical_tree.ts";

/** Buffers of one length, lent and taken back. */
export class BufferPool {
  readonly #length: number;
  readonly #free: Float32Array[] = [];

  constructor(length: number) {
    this.#length = length;
  }

  take(): Float32Array {
    return this.#free.pop() ?? new Float32Array(this.#length);
  }

  give(buffer: Float32Array): void {
    this.#free.push(buffer);
  }
}

export class SubtreeSum {
  readonly #root: Node;
  readonly #pool: BufferPool;
  /** Finished sums whose sibling has not come, by the first and last shard of their node. */
  readonly #waiting = new Map<string, Float32Array>();
  readonly #result: Float32Array;
  #isComplete = false;

  /** @param result where the sum of the whole subtree is put */
  constructor(root: Node, result: Float32Array, pool: BufferPool) {
    this.#root = root;
    this.#result = result;
    this.#pool = pool;
  }

  /** The sum of all shards of the subtree, once `isComplete`. */
  get result(): Float32Array {
    return this.#result;
  }

  get isComplete(): boolean {
    return this.#isComplete;
  }

  /** Takes each shard of the subtree once; `values` stays the caller's and is not kept. */
  add(shard: number, values: Float32Array): void {
    const path = this.#pathTo(shard);
    let sum = values;
    for (let depth = path.length - 1; depth > 0; depth--) {
      const sibling = siblingOf(path[depth], path[depth - 1]);
      const other = this.#waiting.get(key(sibling));
      if (other === undefined) {
        this.#waiting.set(key(path[depth]), sum === values ? this.#copy(values) : sum);
        return;
      }
      this.#waiting.delete(key(sibling));
      addInto(other, sum);
      if (sum !== values) this.#pool.give(sum);
      sum = other;
    }
    this.#result.set(sum);
    if (sum !== values) this.#pool.give(sum);
    this.#isComplete = true;
  }

  clear(): void {
    for (const buffer of this.#waiting.values()) this.#pool.give(buffer);
    this.#waiting.clear();
    this.#isComplete = false;
  }

  #copy(values: Float32Array): Float32Array {
    const buffer = this.#pool.take();
    buffer.set(values);
    return buffer;
  }

  /** Nodes from the root down to the leaf. */
  #pathTo(shard: number): Node[] {
    const path = [this.#root];
    let node = this.#root;
    while (node.hi - node.lo > 1) {
      const middle = splitOf(node);
      node = shard < middle ? { lo: node.lo, hi: middle } : { lo: middle, hi: node.hi };
      path.push(node);
    }
    return path;
  }
}

function siblingOf(node: Node, parent: Node): Node {
  return node.lo === parent.lo ? { lo: node.hi, hi: parent.hi } : { lo: parent.lo, hi: node.lo };
}

function key(node: Node): string {
  return `${node.lo}-${node.hi}`;
}
