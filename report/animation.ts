/** Pictures of one size as an animated GIF that repeats. The one file that names gifenc. */
import gifenc from "gifenc";
import type { Raster } from "./raster.ts";

/** What is used of gifenc, which brings no types of its own. */
interface Gifenc {
  GIFEncoder(): GifStream;
  quantize(rgba: Uint8Array, colours: number): number[][];
}

interface GifStream {
  writeFrame(
    index: Uint8Array,
    width: number,
    height: number,
    options: { palette?: number[][]; delay: number; repeat: number },
  ): void;
  finish(): void;
  bytes(): Uint8Array;
}

const { GIFEncoder, quantize } = gifenc as unknown as Gifenc;

const coloursMax = 256;
/** Pixels from which a palette is chosen where there are more colours than fit. */
const samplePixelsMax = 200_000;

export interface AnimationFrame {
  readonly picture: Raster;
  readonly durationMs: number;
}

/**
 * All frames share one palette, so that nothing flickers: with up to 256 colours in all it is exact.
 * @throws {RangeError} where there is no frame or sizes differ
 */
export function encodeAnimation(frames: readonly AnimationFrame[]): Uint8Array {
  const [first] = frames;
  if (!first) throw new RangeError("Cannot make an animation of no frames");
  const { width, height } = first.picture;
  const odd = frames.find(({ picture }) => picture.width !== width || picture.height !== height);
  if (odd) {
    throw new RangeError(
      `Cannot animate frames of different sizes: ${width} x ${height} and ` +
        `${odd.picture.width} x ${odd.picture.height} pixels`,
    );
  }
  const counts = new Map<number, number>();
  for (const { picture: { pixels } } of frames) {
    for (let i = 0; i < pixels.length; i += 3) {
      const colour = pixels[i] << 16 | pixels[i + 1] << 8 | pixels[i + 2];
      counts.set(colour, (counts.get(colour) ?? 0) + 1);
    }
  }
  const palette = paletteOf(counts);
  const nearest = new Map<number, number>();
  const stream = GIFEncoder();
  for (const [index, { picture: { pixels }, durationMs }] of frames.entries()) {
    const indices = new Uint8Array(width * height);
    for (let i = 0; i < indices.length; i++) {
      const [red, green, blue] = [pixels[3 * i], pixels[3 * i + 1], pixels[3 * i + 2]];
      const colour = red << 16 | green << 8 | blue;
      let entry = nearest.get(colour);
      if (entry === undefined) nearest.set(colour, entry = nearestEntry(palette, red, green, blue));
      indices[i] = entry;
    }
    stream.writeFrame(indices, width, height, {
      // Given once, it is the palette of the whole file.
      palette: index === 0 ? palette : undefined,
      delay: durationMs,
      repeat: 0,
    });
  }
  stream.finish();
  return stream.bytes();
}

function paletteOf(counts: ReadonlyMap<number, number>): number[][] {
  const split = (colour: number) => [colour >> 16, colour >> 8 & 255, colour & 255];
  if (counts.size <= coloursMax) return [...counts.keys()].map(split);
  const total = counts.values().reduce((sum, count) => sum + count, 0);
  // Every colour at least once: rare ones (a digit's edge, letters) are what one looks at.
  const sample: number[] = [];
  for (const [colour, count] of counts) {
    const times = Math.max(1, Math.round(count / total * samplePixelsMax));
    for (let i = 0; i < times; i++) sample.push(...split(colour), 255);
  }
  return quantize(Uint8Array.from(sample), coloursMax);
}

function nearestEntry(palette: number[][], red: number, green: number, blue: number): number {
  let [best, least] = [0, Infinity];
  for (const [index, [r, g, b]] of palette.entries()) {
    const distance = (r - red) ** 2 + (g - green) ** 2 + (b - blue) ** 2;
    if (distance < least) [best, least] = [index, distance];
  }
  return best;
}
