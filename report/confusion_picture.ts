/**
 * A confusion matrix as a picture: rows are true classes, columns predicted ones, each cell its count
 * on a ground that darkens with its share of the row.
 */
import type { Colour } from "./colour_scale.ts";
import { background, ink, muted } from "./ink.ts";
import { Raster, textHeight, textWidth } from "./raster.ts";

const textDot = 2;
const titleDot = 3;
const margin = 28;
const cellHeight = 44;
const dark: Colour = [21, 84, 158];

/**
 * @param counts [true class, predicted class]
 * @returns a PNG
 * @throws {RangeError} where the counts are not a square over the classes
 */
export function renderConfusion(
  title: string,
  classes: readonly string[],
  counts: ArrayLike<number>,
): Uint8Array {
  if (classes.length === 0 || counts.length !== classes.length ** 2) {
    throw new RangeError(
      `Cannot draw a confusion matrix of ${classes.length} classes from ${counts.length} counts`,
    );
  }
  const texts = Array.from({ length: counts.length }, (_, i) => counts[i].toLocaleString("en"));
  const widest = (names: readonly string[]) =>
    Math.max(...names.map((name) => textWidth(name, textDot)));
  const cellWidth = Math.max(64, widest([...classes, ...texts]) + 20);
  const rowHead = "true class";
  const left = margin + Math.max(widest(classes), textWidth(rowHead, textDot)) + 16;
  const headTop = margin + textHeight(titleDot) + 18;
  const top = headTop + 2 * (textHeight(textDot) + 8);
  const right = left + classes.length * cellWidth;
  const raster = new Raster(
    Math.max(right, margin + textWidth(title, titleDot)) + margin,
    top + classes.length * cellHeight + margin,
    background,
  );
  raster.text(title, margin, margin, titleDot, ink);
  raster.text("predicted class", left, headTop, textDot, muted);
  const namesTop = headTop + textHeight(textDot) + 8;
  raster.text(rowHead, margin, namesTop, textDot, muted);
  for (const [row, name] of classes.entries()) {
    const y = top + row * cellHeight;
    const textTop = y + ((cellHeight - 7 * textDot) >> 1);
    raster.text(name, margin, textTop, textDot, ink);
    const inColumn = left + row * cellWidth + ((cellWidth - textWidth(name, textDot)) >> 1);
    raster.text(name, inColumn, namesTop, textDot, ink);
    const ofRow = classes.map((_, column) => counts[row * classes.length + column]);
    const total = ofRow.reduce((sum, count) => sum + count, 0);
    for (const [column, count] of ofRow.entries()) {
      const share = total === 0 ? 0 : count / total;
      const x = left + column * cellWidth;
      raster.fill(x, y, cellWidth - 2, cellHeight - 2, shade(share));
      const text = texts[row * classes.length + column];
      const textLeft = x + ((cellWidth - 2 - textWidth(text, textDot)) >> 1);
      raster.text(text, textLeft, textTop, textDot, share > 0.5 ? background : ink);
    }
  }
  return raster.toPng();
}

function shade(share: number): Colour {
  const mix = (channel: 0 | 1 | 2) => Math.round(242 + (dark[channel] - 242) * share);
  return [mix(0), mix(1), mix(2)];
}
