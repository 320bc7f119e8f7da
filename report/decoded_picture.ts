/** What an autoencoder draws of points of its latent plane, on a grid with the points' values. */
import { colourScale } from "./colour_scale.ts";
import { background, ink, muted } from "./ink.ts";
import { Raster, textHeight, textWidth } from "./raster.ts";

export interface DecodedPicture {
  readonly title: string;
  /** Names of the two latent values. */
  readonly axes: readonly [horizontal: string, vertical: string];
  /** Values along the axes, from left to right and from the bottom up. */
  readonly horizontal: readonly number[];
  readonly vertical: readonly number[];
  /** [vertical, horizontal, height, width, channels], in the order of the values */
  readonly images: Float32Array;
  readonly frameShape: readonly [height: number, width: number, channels: number];
  readonly scale: "gray" | "rain" | "vil";
}

const imagePixelsMin = 72;
const margin = 28;
const gap = 2;
const textDot = 2;
const titleDot = 3;

/**
 * @returns a PNG of 8-bit RGB
 * @throws {RangeError} where the images are not those of the grid, or have neither 1 nor 3 channels
 */
export function renderDecoded(picture: DecodedPicture): Uint8Array {
  const { title, axes, horizontal, vertical, images, frameShape, scale } = picture;
  const [height, width, channels] = frameShape;
  const size = height * width * channels;
  const count = horizontal.length * vertical.length;
  if (images.length !== count * size || (channels !== 1 && channels !== 3)) {
    throw new RangeError(
      `Cannot draw ${count} images of [${frameShape.join(", ")}] from ${images.length} values`,
    );
  }
  const zoom = Math.max(1, Math.ceil(imagePixelsMin / Math.max(height, width)));
  const [cellWidth, cellHeight] = [width * zoom + gap, height * zoom + gap];
  const texts = (values: readonly number[]) => values.map((value) => value.toPrecision(2));
  const [rowTexts, columnTexts] = [texts(vertical), texts(horizontal)];
  const line = textHeight(textDot);
  const left = margin + Math.max(...rowTexts.map((text) => textWidth(text, textDot))) + 10;
  const top = margin + textHeight(titleDot) + 14 + line + 10;
  const bottom = top + vertical.length * cellHeight;
  const right = left + horizontal.length * cellWidth;
  const raster = new Raster(
    Math.max(
      right,
      margin + textWidth(title, titleDot),
      left + textWidth(axes[0], textDot),
      margin + textWidth(axes[1], textDot),
    ) + margin,
    bottom + 2 * (line + 8) + margin,
    background,
  );
  raster.text(title, margin, margin, titleDot, ink);
  raster.text(axes[1], margin, top - line - 10, textDot, muted);
  const colours = colourScale(scale);
  for (const [row, text] of rowTexts.entries()) {
    const y = bottom - (row + 1) * cellHeight;
    const textLeft = left - 10 - textWidth(text, textDot);
    raster.text(text, textLeft, y + ((cellHeight - line) >> 1), textDot, muted);
    for (const column of columnTexts.keys()) {
      const index = row * horizontal.length + column;
      const values = images.subarray(index * size, (index + 1) * size);
      raster.frame(
        { values, height, width, channels },
        left + column * cellWidth,
        y,
        zoom,
        colours,
      );
    }
  }
  // Every second one, or fewer, where they would run into each other.
  const widest = Math.max(...columnTexts.map((text) => textWidth(text, textDot))) + 8;
  const every = Math.ceil(widest / cellWidth);
  for (const [column, text] of columnTexts.entries()) {
    if (column % every !== 0) continue;
    const x = left + column * cellWidth + ((cellWidth - textWidth(text, textDot)) >> 1);
    raster.text(text, Math.max(x, 0), bottom + 8, textDot, muted);
  }
  const nameLeft = left + ((right - left - textWidth(axes[0], textDot)) >> 1);
  raster.text(axes[0], Math.max(nameLeft, left), bottom + 16 + line, textDot, muted);
  return raster.toPng();
}
