/** The colours of a scale in steps, in a row, each from the value on that stands below its left edge. */
import type { ColourSteps } from "./colour_scale.ts";
import { muted, rule } from "./ink.ts";
import { type Raster, textHeight, textWidth } from "./raster.ts";

const textDot = 2;
const boxWidth = 42;
const boxHeight = 16;

export function stepLegend(steps: ColourSteps, unit: string) {
  return {
    width: steps.length * boxWidth + 30 + textWidth(unit, textDot),
    height: boxHeight + 8 + textHeight(textDot),
    draw(raster: Raster, left: number, top: number): void {
      for (const [index, [from, colour]] of steps.entries()) {
        const x = left + index * boxWidth;
        raster.fill(x, top, boxWidth, boxHeight, colour);
        if (index === 0) continue;
        raster.fill(x, top + boxHeight, 1, 4, rule);
        const text = String(from);
        raster.text(text, x - (textWidth(text, textDot) >> 1), top + boxHeight + 8, textDot, muted);
      }
      const end = left + steps.length * boxWidth;
      raster.text(unit, end + 14, top + boxHeight + 8, textDot, muted);
    },
  };
}
