/**
 * The axes of SEVIR's `vil`: events, rows, columns and frames as published (NHWT), or frames before
 * rows and columns (NTHW), as many write their copies. Pictures are square, so a shape tells.
 */
import { DatasetError } from "./dataset.ts";

export const sevirLayouts = ["NHWT", "NTHW"] as const;
export type SevirLayout = typeof sevirLayouts[number];

export interface SevirExtents {
  readonly layout: SevirLayout;
  readonly events: number;
  readonly rows: number;
  readonly columns: number;
  readonly frames: number;
}

/**
 * @param wanted is believed where it is given
 * @throws {DatasetError} where the shape has no reading, or two
 */
export function sevirExtents(
  shape: readonly number[],
  path: string,
  wanted?: SevirLayout,
): SevirExtents {
  const [events, one, two, three] = shape;
  const layout = wanted ?? layoutOf(one, two, three);
  if (layout === undefined) {
    throw new DatasetError(
      `Cannot tell the axes of "vil" in "${path}": its shape (${shape.join(", ")}) ${
        one === two ? "has squares both ways" : "has no square pictures"
      }; say them with --dataset-options layout=NHWT for (events, rows, columns, frames) or ` +
        "layout=NTHW for (events, frames, rows, columns)",
    );
  }
  return layout === "NHWT"
    ? { layout, events, rows: one, columns: two, frames: three }
    : { layout, events, frames: one, rows: two, columns: three };
}

function layoutOf(one: number, two: number, three: number): SevirLayout | undefined {
  if (one === two) return two === three ? undefined : "NHWT";
  return two === three ? "NTHW" : undefined;
}
