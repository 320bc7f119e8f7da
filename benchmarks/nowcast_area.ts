/** The part of a composite that radars observe, as frames for a network and for a forecast of motion. */
import type { RadarComposites } from "../datasets/radar_composites.ts";

/** Networks halve and cut frames: sides are multiples of this. */
const sideMultiple = 16;

export interface ObservedArea {
  readonly top: number;
  readonly left: number;
  readonly height: number;
  readonly width: number;
}

/** The smallest rectangle with all pixels that a scan observes, made larger to what networks take. */
export function observedArea(scan: Float32Array, rows: number, columns: number): ObservedArea {
  let [top, left, bottom, right] = [rows, columns, -1, -1];
  for (let i = 0; i < scan.length; i++) {
    if (Number.isNaN(scan[i])) continue;
    const [row, column] = [Math.floor(i / columns), i % columns];
    [top, bottom] = [Math.min(top, row), Math.max(bottom, row)];
    [left, right] = [Math.min(left, column), Math.max(right, column)];
  }
  if (bottom < 0) throw new Error("Cannot forecast from a scan that observes no pixel");
  const side = (pixels: number) => Math.ceil(pixels / sideMultiple) * sideMultiple;
  return { top, left, height: side(bottom - top + 1), width: side(right - left + 1) };
}

/** Scans [from, from + count) of an area, [count, height, width], NaN where not observed. */
export async function readArea(
  composites: RadarComposites,
  { top, left, height, width }: ObservedArea,
  from: number,
  count: number,
): Promise<Float32Array> {
  const { rows, columns } = composites;
  const frames = new Float32Array(count * height * width).fill(NaN);
  for (let index = 0; index < count; index++) {
    const scan = await composites.read(from + index);
    for (let row = 0; row < Math.min(height, rows - top); row++) {
      const start = (top + row) * columns + left;
      const line = scan.subarray(start, start + Math.min(width, columns - left));
      frames.set(line, (index * height + row) * width);
    }
  }
  return frames;
}
