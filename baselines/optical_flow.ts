/**
 * How radar echoes move: dense optical flow by the method of B. D. Lucas and T. Kanade (1981), from
 * coarse to fine (J.-Y. Bouguet 2001). At each pixel the motion is the one that best explains how a
 * neighbourhood changes between frames. Where a neighbourhood has no texture (dry areas, even rain)
 * nothing can be seen; motion there is that of what surrounds it, by an average weighted with how
 * much is seen, which also makes the field as smooth as winds are.
 */
import { enlarged, type Field, field, halved, smooth, valueAt } from "./field.ts";

/** Pixels for each step in time, positive towards higher columns and rows. */
export interface Motion {
  readonly columns: Field;
  readonly rows: Field;
}

export interface OpticalFlowOptions {
  /** Standard deviation of the neighbourhood that moves together, in pixels of each level. */
  readonly neighbourhood?: number;
  /** Standard deviation of the weighted average, as a share of the longer side. */
  readonly smoothness?: number;
}

/** The coarsest level is at least this many pixels high and wide. */
const coarsestSide = 12;
const iterations = 5;
/** Of the mean squared gradient: below it a neighbourhood says nothing. */
const textureLeast = 1e-3;
/** Share of what was smoothed into a pixel that has to be observed. */
const clearLeast = 0.999;

/**
 * The motion that is common to all pairs of consecutive frames.
 * @param frames at least two, of one size; what any of them does not observe (NaN) says nothing
 * @throws {RangeError} where there are fewer frames or a size differs
 */
export function opticalFlow(frames: readonly Field[], options: OpticalFlowOptions = {}): Motion {
  const { neighbourhood = 4, smoothness = 0.15 } = options;
  const [{ height, width }] = frames;
  if (frames.length < 2 || frames.some((each) => each.height !== height || each.width !== width)) {
    throw new RangeError(
      "Cannot tell motion: at least two frames of one size are needed, received " +
        frames.map((each) => `${each.height} x ${each.width}`).join(", "),
    );
  }
  let level = frames.map((each) =>
    field(height, width, each.values.map((value) => Number.isNaN(value) ? 0 : value))
  );
  let observed = observedByAll(frames);
  const pyramid = [{ level, isClear: clearPixels(observed) }];
  while (Math.min(level[0].height, level[0].width) >= 2 * coarsestSide) {
    level = level.map(halved);
    observed = observed && halved(observed);
    pyramid.push({ level, isClear: clearPixels(observed) });
  }
  let motion: Motion | undefined;
  for (const { level, isClear } of pyramid.toReversed()) {
    const { height, width } = level[0];
    motion = motion ? doubled(motion, height, width) : still(height, width);
    for (let iteration = 0; iteration < iterations; iteration++) {
      const deviation = smoothness * Math.max(height, width);
      motion = improved(level, isClear, motion, neighbourhood, deviation);
    }
  }
  return motion!;
}

function still(height: number, width: number): Motion {
  return { columns: field(height, width), rows: field(height, width) };
}

/** 1 where every frame observes, else 0; undefined where that is everywhere. */
function observedByAll(frames: readonly Field[]): Field | undefined {
  const { height, width } = frames[0];
  const into = field(height, width);
  for (let i = 0; i < into.values.length; i++) {
    into.values[i] = frames.some(({ values }) => Number.isNaN(values[i])) ? 0 : 1;
  }
  return into.values.includes(0) ? into : undefined;
}

/**
 * Pixels whose gradient no unobserved pixel has touched: the edge of what radars see stands still, and
 * would say that the rain does. Undefined where they are all clear.
 */
function clearPixels(
  observed: Field | undefined,
): ((row: number, column: number) => boolean) | undefined {
  if (!observed) return;
  const { height, width, values } = observed;
  const clear = values.map((_, i) => {
    const [row, column] = [Math.floor(i / width), i % width];
    for (let y = Math.max(0, row - 1); y <= Math.min(height - 1, row + 1); y++) {
      for (let x = Math.max(0, column - 1); x <= Math.min(width - 1, column + 1); x++) {
        if (values[y * width + x] < clearLeast) return 0;
      }
    }
    return 1;
  });
  return (row, column) => clear[Math.round(row) * width + Math.round(column)] === 1;
}

/** To a level of twice the size, where the same motion is twice as many pixels. */
function doubled({ columns, rows }: Motion, height: number, width: number): Motion {
  const large = (from: Field) => {
    const into = enlarged(from, height, width);
    return { ...into, values: into.values.map((value) => 2 * value) };
  };
  return { columns: large(columns), rows: large(rows) };
}

/** One step of Gauss and Newton for every pixel, then the weighted average. */
function improved(
  frames: readonly Field[],
  isClear: ((row: number, column: number) => boolean) | undefined,
  motion: Motion,
  neighbourhood: number,
  smoothDeviation: number,
): Motion {
  const { height, width } = frames[0];
  const [xx, xy, yy, xt, yt] = Array.from({ length: 5 }, () => field(height, width));
  for (let pair = 1; pair < frames.length; pair++) {
    const [before, after] = [frames[pair - 1], frames[pair]];
    for (let row = 0; row < height; row++) {
      for (let column = 0; column < width; column++) {
        const i = row * width + column;
        const [y, x] = [row + motion.rows.values[i], column + motion.columns.values[i]];
        // What has moved in or out of the picture says nothing.
        if (y < 1 || x < 1 || y > height - 2 || x > width - 2) continue;
        if (isClear && !(isClear(row, column) && isClear(y, x))) continue;
        const slopeX = (valueAt(after, y, x + 1) - valueAt(after, y, x - 1)) / 2;
        const slopeY = (valueAt(after, y + 1, x) - valueAt(after, y - 1, x)) / 2;
        const change = valueAt(after, y, x) - before.values[i];
        xx.values[i] += slopeX * slopeX;
        xy.values[i] += slopeX * slopeY;
        yy.values[i] += slopeY * slopeY;
        xt.values[i] += slopeX * change;
        yt.values[i] += slopeY * change;
      }
    }
  }
  const meanSquare = xx.values.reduce((sum, value, i) => sum + value + yy.values[i], 0) /
    xx.values.length;
  if (meanSquare === 0) return motion;
  const [a, b, c, d, e] = [xx, xy, yy, xt, yt].map((each) => smooth(each, neighbourhood).values);
  const [weight, columns, rows] = Array.from({ length: 3 }, () => field(height, width));
  const damping = textureLeast * meanSquare;
  for (let i = 0; i < weight.values.length; i++) {
    const [p, q] = [a[i] + damping, c[i] + damping];
    const determinant = p * q - b[i] * b[i];
    const stepX = -(q * d[i] - b[i] * e[i]) / determinant;
    const stepY = -(p * e[i] - b[i] * d[i]) / determinant;
    // The smaller eigenvalue: how well the motion is determined in the direction seen worst.
    const seen = (a[i] + c[i]) / 2 - Math.hypot((a[i] - c[i]) / 2, b[i]);
    weight.values[i] = Math.max(seen, 0) + 1e-9 * damping;
    columns.values[i] = weight.values[i] * (motion.columns.values[i] + limited(stepX));
    rows.values[i] = weight.values[i] * (motion.rows.values[i] + limited(stepY));
  }
  const weights = smooth(weight, smoothDeviation).values;
  const average = (each: Field) =>
    field(
      height,
      width,
      smooth(each, smoothDeviation).values.map((value, i) => value / weights[i]),
    );
  return { columns: average(columns), rows: average(rows) };
}

/** A linear picture of the frames holds for about a pixel. */
function limited(step: number): number {
  return Math.min(Math.max(step, -1.5), 1.5);
}
