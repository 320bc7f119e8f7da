/**
 * Whether numbers are numbers: one NaN or infinity spreads to every weight and every lane within a
 * few steps, so it is looked for wherever values are about to be kept.
 */

/** Whether no value is NaN or infinite. */
export function isAllFinite(values: Float32Array): boolean {
  // x - x is 0 for every finite x and NaN for all others: one sum in place of a branch for each.
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i] - values[i];
  return sum === 0;
}
