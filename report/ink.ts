/** The colours of what is written and drawn around data, and of what must be told apart. */
import type { Colour } from "./colour_scale.ts";

export const background: Colour = [255, 255, 255];
export const ink: Colour = [24, 30, 42];
export const muted: Colour = [112, 120, 134];
export const rule: Colour = [205, 210, 218];
export const faintRule: Colour = [234, 237, 241];
export const accent: Colour = [37, 99, 235];

/** Ten colours that also differ in lightness, after Matplotlib's "tab10"; they repeat beyond. */
const categories: readonly Colour[] = [
  [31, 119, 180],
  [230, 115, 15],
  [44, 150, 60],
  [205, 45, 50],
  [140, 95, 185],
  [125, 80, 70],
  [220, 110, 185],
  [105, 110, 118],
  [175, 170, 35],
  [25, 175, 195],
];

export function categoryColour(index: number): Colour {
  return categories[index % categories.length];
}
