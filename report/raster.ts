/**
 * A picture in memory: rectangles, lines, discs, text and enlarged frames on RGB pixels, written as
 * a PNG. Lines and discs are smoothed at their edges: a pixel takes as much of the colour as is
 * covered.
 */
import { encodePng } from "../datasets/png.ts";
import { GLYPH_ROWS, glyphColumns, textColumns } from "./bitmap_font.ts";
import type { Colour, ColourScale } from "./colour_scale.ts";
import { hatchColour } from "./missing_hatch.ts";

/** Row by row. */
export interface Frame {
  /** [height, width, channels] */
  readonly values: Float32Array;
  /** 3 for red, green and blue in [0, 1]. @default {1} */
  readonly channels?: number;
  readonly height: number;
  readonly width: number;
}

/** In pixels from the upper left corner. */
export type Point = readonly [x: number, y: number];

export class Raster {
  readonly width: number;
  readonly height: number;
  readonly #pixels: Uint8Array;

  constructor(width: number, height: number, background: Colour) {
    this.width = width;
    this.height = height;
    this.#pixels = new Uint8Array(width * height * 3);
    this.fill(0, 0, width, height, background);
  }

  /** Fills a rectangle; what lies outside of the picture is left out. */
  fill(left: number, top: number, width: number, height: number, colour: Colour): void {
    const [right, bottom] = [
      Math.min(left + width, this.width),
      Math.min(top + height, this.height),
    ];
    const [red, green, blue] = colour;
    const pixels = this.#pixels;
    for (let y = Math.max(top, 0); y < bottom; y++) {
      const end = (y * this.width + right) * 3;
      for (let at = (y * this.width + Math.max(left, 0)) * 3; at < end; at += 3) {
        pixels[at] = red;
        pixels[at + 1] = green;
        pixels[at + 2] = blue;
      }
    }
  }

  /** A line with round ends between the centres of two pixels. */
  line(from: Point, to: Point, thickness: number, colour: Colour, opacity = 1): void {
    const [[x0, y0], [x1, y1]] = [from, to];
    const [dx, dy] = [x1 - x0, y1 - y0];
    const squaredLength = dx * dx + dy * dy;
    const reach = thickness / 2 + 1;
    const top = Math.floor(Math.min(y0, y1) - reach);
    const bottom = Math.ceil(Math.max(y0, y1) + reach);
    const left = Math.floor(Math.min(x0, x1) - reach);
    const right = Math.ceil(Math.max(x0, x1) + reach);
    for (let y = top; y <= bottom; y++) {
      for (let x = left; x <= right; x++) {
        const along = squaredLength === 0 ? 0 : ((x - x0) * dx + (y - y0) * dy) / squaredLength;
        const nearest = Math.min(Math.max(along, 0), 1);
        const distance = Math.hypot(x - x0 - nearest * dx, y - y0 - nearest * dy);
        this.#cover(
          x,
          y,
          colour,
          opacity * Math.min(Math.max(thickness / 2 + 0.5 - distance, 0), 1),
        );
      }
    }
  }

  disc(centre: Point, radius: number, colour: Colour, opacity = 1): void {
    this.line(centre, centre, 2 * radius, colour, opacity);
  }

  #cover(x: number, y: number, colour: Colour, share: number): void {
    if (share === 0 || x < 0 || y < 0 || x >= this.width || y >= this.height) return;
    const at = (y * this.width + x) * 3;
    for (let channel = 0; channel < 3; channel++) {
      const below = this.#pixels[at + channel];
      this.#pixels[at + channel] = Math.round(below + share * (colour[channel] - below));
    }
  }

  /** Another picture with its upper left corner at (left, top), where it fits in whole. */
  paste(picture: Raster, left: number, top: number): void {
    if (left < 0 || left + picture.width > this.width || top + picture.height > this.height) {
      throw new RangeError(
        `Cannot paste ${picture.width} x ${picture.height} pixels at ${left}, ${top} of ` +
          `${this.width} x ${this.height}`,
      );
    }
    for (let row = 0; row < picture.height; row++) {
      const from = row * picture.width * 3;
      const line = picture.pixels.subarray(from, from + picture.width * 3);
      this.#pixels.set(line, ((top + row) * this.width + left) * 3);
    }
  }

  /** Draws text with its upper left corner at (left, top); a dot is `dotSize` pixels wide. */
  text(text: string, left: number, top: number, dotSize: number, colour: Colour): void {
    let x = left;
    for (const character of text) {
      for (const column of glyphColumns(character)) {
        for (let row = 0; row < GLYPH_ROWS; row++) {
          if (column >> row & 1) this.fill(x, top + row * dotSize, dotSize, dotSize, colour);
        }
        x += dotSize;
      }
      x += dotSize;
    }
  }

  /**
   * Draws a frame with each of its pixels as a square of `zoom` × `zoom`, in `colours` where it has
   * one channel, else in its own; NaN is hatched.
   */
  frame(frame: Frame, left: number, top: number, zoom: number, colours: ColourScale): void {
    const { values, channels = 1 } = frame;
    const byte = (value: number) => Math.round(Math.min(Math.max(value || 0, 0), 1) * 255);
    for (let row = 0; row < frame.height; row++) {
      for (let column = 0; column < frame.width; column++) {
        const at = (row * frame.width + column) * channels;
        if (isMissing(values, at, channels)) {
          this.hatch(left + column * zoom, top + row * zoom, zoom, zoom);
          continue;
        }
        const colour: Colour = channels === 1
          ? colours(values[at])
          : [byte(values[at]), byte(values[at + 1]), byte(values[at + 2])];
        this.fill(left + column * zoom, top + row * zoom, zoom, zoom, colour);
      }
    }
  }

  /** Fills a rectangle, which lies within the picture, with the stripes of what is missing. */
  hatch(left: number, top: number, width: number, height: number): void {
    for (let y = top; y < top + height; y++) {
      for (let x = left; x < left + width; x++) this.fill(x, y, 1, 1, hatchColour(x, y));
    }
  }

  /** [height, width, 3] */
  get pixels(): Uint8Array {
    return this.#pixels;
  }

  /** 8 bits for each of red, green and blue. */
  toPng(): Uint8Array {
    return encodePng({
      width: this.width,
      height: this.height,
      data: this.#pixels,
      channels: 3,
      depth: 8,
    });
  }
}

function isMissing(values: Float32Array, at: number, channels: number): boolean {
  for (let channel = 0; channel < channels; channel++) {
    if (Number.isNaN(values[at + channel])) return true;
  }
  return false;
}

/** Width of a text in pixels. */
export function textWidth(text: string, dotSize: number): number {
  return textColumns(text) * dotSize;
}

/** Height of a line of text in pixels. */
export function textHeight(dotSize: number): number {
  return GLYPH_ROWS * dotSize;
}
