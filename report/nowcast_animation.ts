/** Rain as it was and as several forecasts have it, side by side, as an animated GIF. */
import { type AnimationFrame, encodeAnimation } from "./animation.ts";
import { colourScale } from "./colour_scale.ts";
import { accent, background, ink, muted, rule } from "./ink.ts";
import { legendOf } from "./legend.ts";
import { Raster, textHeight, textWidth } from "./raster.ts";

const margin = 16;
const gap = 8;
const textDot = 2;
const frameMs = 250;
const lastFrameMs = 1500;

export interface NowcastAnimation {
  readonly title: string;
  readonly height: number;
  readonly width: number;
  /** Values in [0, 1] of -10 to 60 dBZ, NaN where nothing is known; forecasts begin after this many true frames. */
  readonly inputFrames: number;
  readonly truth: readonly Float32Array[];
  readonly forecasts: readonly {
    readonly name: string;
    readonly frames: readonly Float32Array[];
  }[];
  /** Between frames. */
  readonly minutes: number;
}

/** @returns a GIF that repeats */
export function renderNowcastAnimation(picture: NowcastAnimation): Uint8Array {
  const { truth, forecasts } = picture;
  const hasMissing = [...truth, ...forecasts.flatMap(({ frames }) => frames)]
    .some((values) => values.some(Number.isNaN));
  return encodeAnimation(truth.map((_, index): AnimationFrame => ({
    picture: drawMoment(picture, index, hasMissing),
    durationMs: index === truth.length - 1 ? lastFrameMs : frameMs,
  })));
}

function drawMoment(picture: NowcastAnimation, index: number, hasMissing: boolean): Raster {
  const { title, height, width, inputFrames, truth, forecasts, minutes } = picture;
  const lineHeight = textHeight(textDot);
  const timeTop = margin + lineHeight + 8;
  const headTop = timeTop + lineHeight + 12;
  const top = headTop + lineHeight + 6;
  const panels = 1 + forecasts.length;
  const legend = legendOf("rain", [], hasMissing);
  const right = margin + panels * (width + gap) - gap;
  const raster = new Raster(
    Math.max(right, margin + textWidth(title, textDot), margin + legend.width) + margin,
    top + height + 14 + legend.height + margin,
    background,
  );
  const lead = index - inputFrames + 1;
  const time = lead > 0 ? `forecast +${lead * minutes} min` : `seen, ${lead * minutes} min`;
  raster.text(title, margin, margin, textDot, ink);
  raster.text(time, margin, timeTop, textDot, lead > 0 ? accent : muted);
  const colours = colourScale("rain");
  const shown = [
    { name: "truth", values: truth[index] },
    ...forecasts.map(({ name, frames }) => ({ name, values: frames[lead - 1] })),
  ];
  for (const [panel, { name, values }] of shown.entries()) {
    const left = margin + panel * (width + gap);
    raster.text(name, left, headTop, textDot, muted);
    if (values) raster.frame({ values, height, width }, left, top, 1, colours);
    else {
      raster.fill(left, top, width, height, rule);
      raster.fill(left + 1, top + 1, width - 2, height - 2, background);
    }
  }
  legend.draw(raster, margin, top + height + 14);
  return raster;
}
