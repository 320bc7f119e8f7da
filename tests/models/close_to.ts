/** Asserts that numbers agree within a relative tolerance with an absolute floor. */
import assert from "node:assert/strict";

export function assertClose(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  what: string,
  { relative = 1e-5, floor = 1e-7 }: { relative?: number; floor?: number } = {},
): void {
  assert.equal(actual.length, expected.length, `${what}: number of values`);
  for (let i = 0; i < expected.length; i++) {
    const allowed = floor + relative * Math.abs(expected[i]);
    const isClose = Math.abs(actual[i] - expected[i]) <= allowed;
    assert.ok(isClose, `${what}, value ${i}: ${actual[i]} where ${expected[i]} was expected`);
  }
}
