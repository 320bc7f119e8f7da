/**
 * Copies a block of an n-dimensional array into another array. Slicing and concatenating are such
 * copies; the stock kernels copy the whole source first and make a view for each row, which takes
 * microseconds for rows of a few channels.
 */

export interface StridedLayout {
  /** Elements before the block's first element. */
  readonly offset: number;
  /** Elements from one index to the next along each axis; the last is 1. */
  readonly strides: readonly number[];
}

type NumberArray = Float32Array | Int32Array | Uint8Array;

/** Runs of at least this many elements are copied by `set`, shorter ones element by element. */
const setRunMin = 32;

/** Strides of a dense row-major array, in elements. */
export function denseStrides(shape: readonly number[]): number[] {
  const strides = Array<number>(shape.length).fill(1);
  for (let axis = shape.length - 2; axis >= 0; axis--) {
    strides[axis] = strides[axis + 1] * shape[axis + 1];
  }
  return strides;
}

/** Copies the block of this shape; the arrays may view one buffer but the blocks must not overlap. */
export function copyStrided(
  shape: readonly number[],
  source: NumberArray,
  from: StridedLayout,
  target: NumberArray,
  to: StridedLayout,
): void {
  if (shape.includes(0)) return;
  const axes = mergedAxes(shape, from.strides, to.strides);
  const run = axes.pop()!.length;
  const inner = axes.pop() ?? { length: 1, from: 0, to: 0 };

  function copyRows(sourceBegin: number, targetBegin: number): void {
    let [s, t] = [sourceBegin, targetBegin];
    for (let row = 0; row < inner.length; row++, s += inner.from, t += inner.to) {
      if (run >= setRunMin) target.set(source.subarray(s, s + run), t);
      else for (let i = 0; i < run; i++) target[t + i] = source[s + i];
    }
  }

  function copyAxis(level: number, s: number, t: number): void {
    if (level === axes.length) return copyRows(s, t);
    const axis = axes[level];
    for (let i = 0; i < axis.length; i++) copyAxis(level + 1, s + i * axis.from, t + i * axis.to);
  }

  copyAxis(0, from.offset, to.offset);
}

interface Axis {
  length: number;
  from: number;
  to: number;
}

/** Joins neighbouring axes that both arrays keep dense: fewer loops, longer runs. */
function mergedAxes(
  shape: readonly number[],
  from: readonly number[],
  to: readonly number[],
): Axis[] {
  const merged: Axis[] = [];
  for (let axis = 0; axis < shape.length; axis++) {
    const outer = merged.at(-1);
    const span = { from: from[axis] * shape[axis], to: to[axis] * shape[axis] };
    if (outer !== undefined && outer.from === span.from && outer.to === span.to) {
      outer.length *= shape[axis];
      outer.from = from[axis];
      outer.to = to[axis];
    } else if (shape[axis] !== 1 || axis === shape.length - 1) {
      merged.push({ length: shape[axis], from: from[axis], to: to[axis] });
    }
  }
  return merged.length > 0 ? merged : [{ length: 1, from: 1, to: 1 }];
}
