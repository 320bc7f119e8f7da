/**
 * Extrapolation along a motion that does not change in time: each pixel takes the value from where the
 * motion, followed backwards, says that it came from (U. Germann, I. Zawadzki, Monthly Weather Review
 * 130, 2002). The path is followed by the midpoint rule, step by step, as in pysteps.
 */
import { type Field, field, valueAt } from "./field.ts";
import type { Motion } from "./optical_flow.ts";

/**
 * What flows in from outside of the field: "unknown" gives NaN, which scores leave out, "edge" the
 * value at the edge, for scores over the same pixels as another forecast's.
 */
export type Inflow = "unknown" | "edge";

/**
 * @returns a field for each of `leads` steps in time
 * @throws {RangeError} where field and motion differ in size
 */
export function extrapolate(from: Field, motion: Motion, leads: number, inflow: Inflow): Field[] {
  const { height, width } = from;
  if (motion.rows.height !== height || motion.rows.width !== width) {
    throw new RangeError(
      `Cannot extrapolate a field of ${height} x ${width} pixels by a motion of ` +
        `${motion.rows.height} x ${motion.rows.width}`,
    );
  }
  // Where each pixel's value comes from, relative to the pixel.
  const rows = new Float64Array(height * width);
  const columns = new Float64Array(height * width);
  const rowStep = motion.rows.values.slice();
  const columnStep = motion.columns.values.slice();
  return Array.from({ length: leads }, () => {
    const into = field(height, width);
    for (let row = 0; row < height; row++) {
      for (let column = 0; column < width; column++) {
        const i = row * width + column;
        const middleRow = row + rows[i] - rowStep[i] / 2;
        const middleColumn = column + columns[i] - columnStep[i] / 2;
        rows[i] -= valueAt(motion.rows, middleRow, middleColumn);
        columns[i] -= valueAt(motion.columns, middleRow, middleColumn);
        const [y, x] = [row + rows[i], column + columns[i]];
        rowStep[i] = valueAt(motion.rows, y, x);
        columnStep[i] = valueAt(motion.columns, y, x);
        const isInside = y >= 0 && x >= 0 && y <= height - 1 && x <= width - 1;
        into.values[i] = isInside || inflow === "edge" ? valueAt(from, y, x) : NaN;
      }
    }
    return into;
  });
}
