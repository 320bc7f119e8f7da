/**
 * Colours for values from 0 to 1, by linear interpolation between stops in sRGB. The rain scale
 * follows the order that weather services use (blue, green, yellow, red, violet) and grows in
 * lightness up to yellow, so that light rain recedes into a dark ground.
 */
export type Colour = readonly [red: number, green: number, blue: number];
export type ColourScale = (value: number) => Colour;
export type ColourScaleName = "gray" | "rain" | "error";

const STOPS: Readonly<Record<ColourScaleName, readonly (readonly [number, Colour])[]>> = {
  gray: [[0, [0, 0, 0]], [1, [255, 255, 255]]],
  // For -10 to 60 dBZ: 0.29 is 10 dBZ (drizzle), 0.57 is 30 dBZ (3 mm/h), 0.86 is 50 dBZ.
  rain: [
    [0, [17, 22, 32]],
    [0.14, [20, 32, 56]],
    [0.29, [31, 70, 135]],
    [0.43, [40, 130, 205]],
    [0.53, [50, 185, 170]],
    [0.62, [120, 205, 80]],
    [0.71, [248, 218, 70]],
    [0.8, [243, 130, 45]],
    [0.88, [215, 40, 60]],
    [0.95, [180, 30, 150]],
    [1, [245, 200, 255]],
  ],
  error: [
    [0, [17, 18, 28]],
    [0.25, [90, 25, 95]],
    [0.5, [200, 55, 75]],
    [0.75, [245, 135, 50]],
    [1, [255, 240, 175]],
  ],
};

/** A table of 256 colours, looked up; values outside [0, 1] take the end colours, NaN the first. */
export function colourScale(name: ColourScaleName): ColourScale {
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
