/**
 * What the colours of a scale mean, in a row: rates for rain, levels for VIL, names for classes,
 * nothing for grey; and the stripes of what is missing, where anything is.
 */
import { classColour, type ColourScaleName, rainSteps, vilSteps } from "./colour_scale.ts";
import { muted } from "./ink.ts";
import { missingName } from "./missing_hatch.ts";
import { type Raster, textHeight, textWidth } from "./raster.ts";
import { stepLegend } from "./step_legend.ts";

const textDot = 2;
const boxSide = 16;

export interface Legend {
  /** Both 0 where there is none. */
  readonly width: number;
  readonly height: number;
  draw(raster: Raster, left: number, top: number): void;
}

/** @param classes names, for the scale of classes */
export function legendOf(
  scale: ColourScaleName,
  classes: readonly string[] = [],
  hasMissing = false,
): Legend {
  const own = scaleLegend(scale, classes);
  if (!hasMissing) return own;
  const gap = own.width > 0 ? 24 : 0;
  return {
    width: own.width + gap + boxSide + 8 + textWidth(missingName, textDot),
    height: Math.max(own.height, boxSide, textHeight(textDot)),
    draw(raster, left, top) {
      own.draw(raster, left, top);
      const x = left + own.width + gap;
      raster.hatch(x, top, boxSide, boxSide);
      raster.text(missingName, x + boxSide + 8, top + 1, textDot, muted);
    },
  };
}

function scaleLegend(scale: ColourScaleName, classes: readonly string[]): Legend {
  if (scale === "rain") return stepLegend(rainSteps, "mm/h");
  if (scale === "vil") return stepLegend(vilSteps, "VIL of 255");
  if (scale !== "classes" || classes.length === 0) return { width: 0, height: 0, draw() {} };
  const entries = classes.map((name) => ({ name, width: boxSide + 8 + textWidth(name, textDot) }));
  return {
    width: entries.reduce((sum, { width }) => sum + width + 20, -20),
    height: Math.max(boxSide, textHeight(textDot)),
    draw(raster, left, top) {
      let x = left;
      for (const [index, { name, width }] of entries.entries()) {
        raster.fill(x, top, boxSide, boxSide, classColour(index));
        raster.text(name, x + boxSide + 8, top + 1, textDot, muted);
        x += width + 20;
      }
    },
  };
}
