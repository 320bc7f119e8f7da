/** The colours of the rain scale in a row, each from the rate on that stands below its left edge. */
import { rainSteps } from "./colour_scale.ts";
import { muted, rule } from "./ink.ts";
import { type Raster, textHeight, textWidth } from "./raster.ts";

const textDot = 2;
const boxWidth = 42;
const boxHeight = 16;
const unit = "mm/h";

export const rainLegendWidth = rainSteps.length * boxWidth + 30 + textWidth(unit, textDot);
export const rainLegendHeight = boxHeight + 8 + textHeight(textDot);

export function drawRainLegend(raster: Raster, left: number, top: number): void {
  for (const [index, [rate, colour]] of rainSteps.entries()) {
    const x = left + index * boxWidth;
    raster.fill(x, top, boxWidth, boxHeight, colour);
    if (index === 0) continue;
    raster.fill(x, top + boxHeight, 1, 4, rule);
    const text = String(rate);
    raster.text(text, x - (textWidth(text, textDot) >> 1), top + boxHeight + 8, textDot, muted);
  }
  const end = left + rainSteps.length * boxWidth;
  raster.text(unit, end + 14, top + boxHeight + 8, textDot, muted);
}
