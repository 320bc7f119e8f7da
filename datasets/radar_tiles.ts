/** A radar composite as a grid of square tiles, of which those are used that are observed enough. */
import type { RadarFrame } from "./radar_frame.ts";

export interface Tile {
  /** Of the grid, from the north-west. */
  readonly row: number;
  readonly column: number;
  /** Pixels */
  readonly top: number;
  readonly left: number;
}

/**
 * Tiles of `size` x `size` pixels, row by row, each `step` pixels from the next: side by side where
 * that is their size, else overlapping. What is left over at the edges is cut.
 */
export function tileGrid(rows: number, columns: number, size: number, step = size): Tile[] {
  const along = (pixels: number) => Math.max(0, 1 + Math.floor((pixels - size) / step));
  const across = along(columns);
  return Array.from({ length: along(rows) * across }, (_, index) => {
    const row = Math.floor(index / across);
    const column = index % across;
    return { row, column, top: row * step, left: column * step };
  });
}

/**
 * Pixels of each tile whose value is `wetFrom` or more; -1 where more than `missingMax` of its pixels
 * are not observed.
 * @param values of `CodeValues`
 */
export function wetPixels(
  frame: RadarFrame,
  tiles: readonly Tile[],
  size: number,
  values: Float32Array | undefined,
  wetFrom: number,
  missingMax = 0,
): Int32Array {
  const { codes, columns } = frame;
  return Int32Array.from(tiles, ({ top, left }) => {
    let [wet, missing] = [0, 0];
    for (let row = top; row < top + size; row++) {
      for (let i = row * columns + left; i < row * columns + left + size; i++) {
        const value = values === undefined ? codes[i] : values[codes[i]];
        if (Number.isNaN(value) && ++missing > missingMax) return -1;
        if (value >= wetFrom) wet++;
      }
    }
    return wet;
  });
}

/** Pixels of each tile that are observed. @param values of `CodeValues` */
export function observedPixels(
  { codes, columns }: RadarFrame,
  tiles: readonly Tile[],
  size: number,
  values: Float32Array | undefined,
): Int32Array {
  return Int32Array.from(tiles, ({ top, left }) => {
    let observed = 0;
    for (let row = top; row < top + size; row++) {
      for (let i = row * columns + left; i < row * columns + left + size; i++) {
        if (!Number.isNaN(values === undefined ? codes[i] : values[codes[i]])) observed++;
      }
    }
    return observed;
  });
}

/** Writes a tile's values, [size, size], to the start of `into`. @param values of `CodeValues` */
export function cutTile(
  frame: RadarFrame,
  { top, left }: Tile,
  values: Float32Array | undefined,
  into: Float32Array,
): void {
  const { codes } = frame;
  const size = Math.sqrt(into.length);
  for (let row = 0; row < size; row++) {
    const start = (top + row) * frame.columns + left;
    for (let column = 0; column < size; column++) {
      const code = codes[start + column];
      into[row * size + column] = values === undefined ? code : values[code];
    }
  }
}
