/** What nobody observed, in stripes of a colour that no scale has. */
import type { Colour } from "./colour_scale.ts";

const stripes: readonly [Colour, Colour] = [[214, 200, 170], [168, 152, 122]];
/** Pixels, along a row. */
const stripeWidth = 3;

/** Colour by the pixel's place in the picture, so that stripes go on from one cell to the next. */
export function hatchColour(x: number, y: number): Colour {
  return stripes[Math.floor((x + y) / stripeWidth) % 2];
}

export const missingName = "not observed";

/** Whether anything of it is missing: NaN. */
export function missesAny(
  { truth, seen }: { readonly truth: Float32Array; readonly seen?: Float32Array },
): boolean {
  return truth.some(Number.isNaN) || (seen?.some(Number.isNaN) ?? false);
}
