/**
 * Predictions as they run: truth, prediction and error side by side, several sequences below each
 * other, as an animated GIF. While the input is read, the places of prediction and error stay empty.
 * Of a class, which is told in words, the label stands above the frames.
 */
import { type AnimationFrame, encodeAnimation } from "./animation.ts";
import { colourScale } from "./colour_scale.ts";
import { accent, background, ink, muted, rule } from "./ink.ts";
import type { PredictionPicture } from "./prediction_picture.ts";
import { legendOf } from "./legend.ts";
import { missesAny } from "./missing_hatch.ts";
import { checkShapes, rowsOf } from "./predicted_sequence.ts";
import { Raster, textHeight, textWidth } from "./raster.ts";

const sidePixelsMin = 128;
const margin = 24;
const gap = 8;
const textDot = 2;
const frameMs = 200;
/** The last frame stays, so that the end can be looked at. */
const lastFrameMs = 1200;

/**
 * @returns a GIF that repeats
 * @throws {RangeError} if an array's length contradicts its shape, or the shapes differ
 */
export function renderPredictionAnimation(picture: PredictionPicture): Uint8Array {
  checkShapes(picture.sequences);
  const { frames } = picture.sequences[0];
  const hasMissing = picture.sequences.some(missesAny);
  const shown = Array.from({ length: frames }, (_, index): AnimationFrame => ({
    picture: drawMoment(picture, index, hasMissing),
    durationMs: index === frames - 1 ? lastFrameMs : frameMs,
  }));
  return encodeAnimation(shown);
}

function drawMoment(
  { title, sequences, scale, classes, predicts }: PredictionPicture,
  index: number,
  hasMissing: boolean,
): Raster {
  const { inputFrames, height, width } = sequences[0];
  const zoom = Math.max(1, Math.ceil(sidePixelsMin / Math.max(height, width)));
  const [cellWidth, cellHeight] = [width * zoom, height * zoom];
  const legend = legendOf(scale, classes, hasMissing);
  const rowNames = rowsOf(sequences[0], predicts, scale).map(({ name }) => name);
  const lineHeight = textHeight(textDot);
  const timeTop = margin + lineHeight + 8;
  const headTop = timeTop + lineHeight + 12;
  const top = headTop + lineHeight + 8;
  // Where only the label says what was predicted.
  const captions = predicts === "nothing" ? sequences.map(({ label }) => label) : [];
  const captionHeight = captions.length > 0 ? lineHeight + 6 : 0;
  const rowHeight = captionHeight + cellHeight + gap;
  const bottom = top + sequences.length * rowHeight - gap;
  // A name may be wider than its frames.
  const columnWidths = rowNames.map((name) => Math.max(cellWidth, textWidth(name, textDot)) + gap);
  const lefts = columnWidths.map((_, column) =>
    columnWidths.slice(0, column).reduce((sum, width) => sum + width, margin)
  );
  const right = lefts[lefts.length - 1] + columnWidths[columnWidths.length - 1] - gap;
  const raster = new Raster(
    Math.max(
      right,
      margin + textWidth(title, textDot),
      margin + legend.width,
      ...captions.map((caption) => margin + textWidth(caption, textDot)),
    ) + margin,
    bottom + margin + (legend.height > 0 ? 16 + legend.height : 0),
    background,
  );
  const isInput = index < inputFrames;
  const time = isInput
    ? `input ${index + 1} of ${inputFrames}`
    : predicts === "forecast" || predicts === "future"
    ? `forecast +${index - inputFrames + 1}`
    : `frame ${index + 1}`;
  raster.text(title, margin, margin, textDot, ink);
  raster.text(time, margin, timeTop, textDot, isInput ? muted : accent);
  rowNames.forEach((name, column) => raster.text(name, lefts[column], headTop, textDot, muted));
  for (const [row, sequence] of sequences.entries()) {
    const cellTop = top + row * rowHeight + captionHeight;
    const caption = captions[row] ?? "";
    raster.text(caption, margin, cellTop - captionHeight, textDot, ink);
    for (
      const [column, { frame: frameAt, scale: own }] of rowsOf(sequence, predicts, scale).entries()
    ) {
      const frame = frameAt(index);
      if (frame) raster.frame(frame, lefts[column], cellTop, zoom, colourScale(own));
      else outline(raster, lefts[column], cellTop, cellWidth, cellHeight);
    }
  }
  legend.draw(raster, margin, bottom + 16);
  return raster;
}

function outline(raster: Raster, left: number, top: number, width: number, height: number): void {
  raster.fill(left, top, width, height, rule);
  raster.fill(left + 1, top + 1, width - 2, height - 2, background);
}
