/**
 * Colours for values from 0 to 1, by linear interpolation between stops in sRGB, or in steps of rain
 * rate or of vertically integrated liquid. The rain scale follows the order that weather services use (blue, green, yellow, red, violet)
 * and grows in lightness up to yellow, so that light rain recedes into a dark ground.
 */
export type Colour = readonly [red: number, green: number, blue: number];
export type ColourScale = (value: number) => Colour;
/** `classes` takes the number of a class, from 0 on. */
export type ColourScaleName = "gray" | "rain" | "vil" | "error" | "classes";
/** From which value on, and its colour; the first is that of everything below. */
export type ColourSteps = readonly (readonly [from: number, colour: Colour])[];

const STOPS: Readonly<Record<"gray" | "error", readonly (readonly [number, Colour])[]>> = {
  gray: [[0, [0, 0, 0]], [1, [255, 255, 255]]],
  error: [
    [0, [17, 18, 28]],
    [0.25, [90, 25, 95]],
    [0.5, [200, 55, 75]],
    [0.75, [245, 135, 50]],
    [1, [255, 240, 175]],
  ],
};

/** In mm/h. */
export const rainSteps: ColourSteps = [
  [0, [17, 22, 32]],
  [0.1, [27, 48, 92]],
  [0.2, [31, 76, 146]],
  [0.5, [40, 118, 200]],
  [1, [55, 165, 205]],
  [2, [58, 180, 120]],
  [5, [140, 205, 75]],
  [10, [248, 218, 70]],
  [20, [243, 130, 45]],
  [50, [215, 40, 60]],
  [100, [200, 70, 200]],
];

/** In the rain's colours at SEVIR's levels of VIL, of 255; its scores' thresholds are among them. */
export const vilSteps: ColourSteps = [
  [0, [17, 22, 32]],
  [16, [27, 48, 92]],
  [31, [31, 76, 146]],
  [59, [40, 118, 200]],
  [74, [55, 165, 205]],
  [100, [58, 180, 120]],
  [133, [140, 205, 75]],
  [160, [248, 218, 70]],
  [181, [243, 130, 45]],
  [219, [215, 40, 60]],
];

/**
 * The rate that a value of the radar datasets (-10 to 60 dBZ) stands for, in mm/h, by Marshall and
 * Palmer's Z = 200 R^1.6, as weather services print it.
 */
function rainRate(value: number): number {
  return value <= 0 ? 0 : (10 ** (value * 7 - 1) / 200) ** (1 / 1.6);
}

function stepColour(steps: ColourSteps, value: number): Colour {
  return steps.findLast(([from]) => value >= from)?.[1] ?? steps[0][1];
}

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

const ground: Colour = [17, 22, 32];

/** The first class of a segmentation is what is behind everything. */
export function classColour(index: number): Colour {
  return index === 0 ? ground : categoryColour(index - 1);
}

/** Values outside [0, 1] take the end colours; grey and errors have 256 colours each. */
export function colourScale(name: ColourScaleName): ColourScale {
  if (name === "rain") return (value) => stepColour(rainSteps, rainRate(Math.min(value, 1)));
  // To whole levels, as the files have them: 16 / 255 in float32 may be a little less than 16.
  if (name === "vil") return (value) => stepColour(vilSteps, Math.round(value * 255));
  if (name === "classes") return classColour;
  const table = Array.from({ length: 256 }, (_, index) => interpolate(STOPS[name], index / 255));
  return (value) => table[Math.round(Math.min(Math.max(value || 0, 0), 1) * 255)];
}

function interpolate(stops: readonly (readonly [number, Colour])[], value: number): Colour {
  const above = Math.max(stops.findIndex(([position]) => position >= value), 1);
  const [[from, low], [to, high]] = [stops[above - 1], stops[above]];
  const share = (value - from) / (to - from);
  const mix = (channel: 0 | 1 | 2) =>
    Math.round(low[channel] + (high[channel] - low[channel]) * share);
  return [mix(0), mix(1), mix(2)];
}
