/** The colours of what is written and drawn around data. */
import type { Colour } from "./colour_scale.ts";

export const background: Colour = [255, 255, 255];
export const ink: Colour = [24, 30, 42];
export const muted: Colour = [112, 120, 134];
export const rule: Colour = [205, 210, 218];
export const faintRule: Colour = [234, 237, 241];
export const accent: Colour = [37, 99, 235];
