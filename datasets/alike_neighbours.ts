/**
 * Whether frames that should follow each other do: a sequence's next frame is nearer to a frame than
 * the same moment of another sequence. Where it is the other way round, sequences were taken for
 * frames. Small frames, noise and still pictures tell nothing.
 */
import type { FrameArray } from "./npy_blocks.ts";

export interface Neighbours {
  /** Mean differences of coarse frames, along the sequences and along the frames of each. */
  readonly acrossSequences: number;
  readonly alongFrames: number;
  readonly tell: "as read" | "the other way round" | "nothing";
}

/** Compared, with their two neighbours: fewer where frames are large, and none where that is few. */
const anchorsMax = 32;
const anchorsMin = 4;
/** Values of all frames together that are read to compare them. */
const valuesMax = 100_000_000;
const sideMin = 8;
/** A frame is averaged over so many cells a side, because edges move. */
const cellsMax = 8;
/** Largest ratio of the smaller mean difference to the larger, least share of agreeing anchors. */
const ratioMax = 0.6;
const agreeingMin = 0.75;

export async function compareNeighbours(array: FrameArray): Promise<Neighbours> {
  const { N, T, H, W, C } = array.extents;
  const nothing: Neighbours = { acrossSequences: 0, alongFrames: 0, tell: "nothing" };
  if (N < 2 || T < 2 || Math.min(H, W) < sideMin) return nothing;
  const fitting = Math.floor(valuesMax / (3 * H * W * C));
  if (fitting < anchorsMin) return nothing;
  const anchors = Math.max(anchorsMin, Math.min(anchorsMax, fitting, N * T));
  let [across, along, alongIsNearer, acrossIsNearer] = [0, 0, 0, 0];
  for (let anchor = 0; anchor < anchors; anchor++) {
    // Spread over both axes without a common step.
    const sequence = Math.floor((anchor * 0.6180339887 % 1) * (N - 1));
    const frame = Math.floor((anchor * 0.4142135624 % 1) * (T - 1));
    const coarse = async (sequence: number, frame: number) =>
      cellsOf(await array.read(sequence, frame, 1), H, W, C);
    const here = await coarse(sequence, frame);
    const other = distance(here, await coarse(sequence + 1, frame));
    const next = distance(here, await coarse(sequence, frame + 1));
    across += other;
    along += next;
    if (next < 0.7 * other) alongIsNearer++;
    if (other < 0.7 * next) acrossIsNearer++;
  }
  const means = { acrossSequences: across / anchors, alongFrames: along / anchors };
  if (across < ratioMax * along && acrossIsNearer >= agreeingMin * anchors) {
    return { ...means, tell: "the other way round" };
  }
  if (along < ratioMax * across && alongIsNearer >= agreeingMin * anchors) {
    return { ...means, tell: "as read" };
  }
  return { ...means, tell: "nothing" };
}

/** Means over cells and channels; of what is no number, 0. */
function cellsOf(frame: Float32Array, rows: number, columns: number, channels: number) {
  const [down, right] = [Math.min(cellsMax, rows), Math.min(cellsMax, columns)];
  const sums = new Float64Array(down * right);
  for (let row = 0; row < rows; row++) {
    const cellRow = Math.floor(row * down / rows) * right;
    for (let column = 0; column < columns; column++) {
      const cell = cellRow + Math.floor(column * right / columns);
      for (let channel = 0; channel < channels; channel++) {
        const value = frame[(row * columns + column) * channels + channel];
        if (Number.isFinite(value)) sums[cell] += value;
      }
    }
  }
  return sums.map((sum) => sum * down * right / (rows * columns * channels));
}

function distance(one: Float64Array, other: Float64Array): number {
  return one.reduce((sum, value, cell) => sum + Math.abs(value - other[cell]), 0) / one.length;
}
