/**
 * The window of frames that a saved network of layers asks for, read without loading it: flags are
 * checked by it before a run begins.
 */

/**
 * The window of frames that a network is saved for.
 * @returns undefined where it reads single frames, or time of any length
 */
export function fixedWindow(saved: unknown): number | undefined {
  const [, ...each] = firstInputShape(saved) ?? [];
  // [time, ...frame] with a frame whole or as one row of numbers.
  const hasTime = each.length === 4 || each.length === 2;
  return hasTime && typeof each[0] === "number" ? each[0] : undefined;
}

/** The first in the file: what a network reads comes before what is within it. */
function firstInputShape(part: unknown): readonly unknown[] | undefined {
  if (typeof part !== "object" || part === null) return undefined;
  for (const [name, value] of Object.entries(part)) {
    if (batchShapes.includes(name) && Array.isArray(value)) return value;
    const found = firstInputShape(value);
    if (found) return found;
  }
  return undefined;
}

const batchShapes = ["batch_input_shape", "batchInputShape", "batch_shape"];
