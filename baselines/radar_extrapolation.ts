/**
 * The forecast of operational nowcasting: the motion of the last radar frames, and the newest frame
 * carried along it. Echoes neither grow nor decay.
 */
import { type Field, field } from "./field.ts";
import { opticalFlow } from "./optical_flow.ts";
import { extrapolate, type Inflow } from "./semi_lagrangian.ts";

/** Motion is that of the last three frames at most: older ones have seen other winds. */
const motionFramesMax = 3;

/**
 * @param inputs [frames, height, width], at least 2 frames; reflectivities (or values on their scale),
 * whose spread shows motion better than that of rain rates
 * @returns [leads, height, width]
 * @throws {RangeError} where there are fewer than two frames
 */
export function radarExtrapolation(
  inputs: Float32Array,
  [height, width]: readonly [height: number, width: number, ...unused: number[]],
  leads: number,
  inflow: Inflow = "edge",
): Float32Array {
  const pixels = height * width;
  const frames: Field[] = [];
  const first = Math.max(0, Math.floor(inputs.length / pixels) - motionFramesMax);
  for (let start = first * pixels; start < inputs.length; start += pixels) {
    frames.push(field(height, width, inputs.subarray(start, start + pixels)));
  }
  if (frames.length < 2) {
    throw new RangeError(
      `Cannot tell motion from ${frames.length} frame: extrapolation needs at least 2`,
    );
  }
  const forecast = new Float32Array(leads * pixels);
  extrapolate(frames.at(-1)!, opticalFlow(frames), leads, inflow)
    .forEach(({ values }, lead) => forecast.set(values, lead * pixels));
  return forecast;
}
