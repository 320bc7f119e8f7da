/**
 * Moving points: a bright point crosses the frame from left to right on a sine, a level, a rising or
 * a falling line, and the answer is which of them it was. One frame says nothing; only the sequence
 * does, which makes it a small test of memory.
 *
 * `courses` says how the videos of a class differ: "varied", each with a height, slope, amplitude,
 * period and phase of its own; or "alike", by a noise of one pixel alone, with a level point that
 * rests in the middle. Alike they are in the lecture that the two classifiers come from (R. Ramos
 * and J. Arias, Universidad de Antioquia, "CNN-LSTM architectures"), where the level point lies
 * outside of the frame, its row and column exchanged.
 */
import type { Random } from "../net/random.ts";
import { type Dataset, DatasetError } from "./dataset.ts";
import {
  describeGenerated,
  type GeneratedOptions,
  generatedSequences,
} from "./generated_sequences.ts";

const name = "moving-points";
/** In the order of the answers. */
export const movingPointsClasses = ["sine", "constant", "ascending", "descending"] as const;
type Course = typeof movingPointsClasses[number];

/** Of the point, in pixels. */
const radius = 2.5;
const rowsMin = 20;
const columnsMin = 20;

export interface MovingPointsOptions extends GeneratedOptions {
  /** Rows and columns of a frame; 50 x 130 as published. */
  readonly frameSize: readonly [rows: number, columns: number];
  /** How the videos of a class differ. @default {"varied"} */
  readonly courses?: "varied" | "alike";
}

/** @throws {DatasetError} if an option is out of range */
export function movingPoints(options: MovingPointsOptions, seed: number): Dataset {
  const { frameSize: [rows, columns], courses = "varied" } = options;
  if (!(rows >= rowsMin && columns >= columnsMin)) {
    throw new DatasetError(
      `Cannot generate ${name}: a frame needs at least ${rowsMin}x${columnsMin} pixels, found ` +
        `${rows}x${columns}`,
    );
  }
  // Each class is as frequent as the others, whatever the seed.
  const classOf = (index: number) => index % movingPointsClasses.length;
  return {
    name,
    frameShape: [rows, columns, 1],
    description: `Moving points, ${describeGenerated(options)} in ${movingPointsClasses.length} ` +
      `classes${courses === "alike" ? " that differ by noise alone" : ""}`,
    unit: "white",
    targetShape: [movingPointsClasses.length],
    classes: movingPointsClasses,
    ...generatedSequences({
      name,
      seed,
      draw({ random, frames, index }, span) {
        const course = movingPointsClasses[classOf(index)];
        const path = courses === "alike"
          ? noisyPath(random, course)
          : { heightAt: drawCourse(random, course, rows), moves: true, noise: () => 0 };
        const values = new Float32Array(span.frames * rows * columns);
        for (let frame = 0; frame < span.offset + span.frames; frame++) {
          const way = frames === 1 ? 0.5 : frame / (frames - 1);
          const y = path.heightAt(way) * (rows - 1) + path.noise();
          const x = radius + (path.moves ? way : 0.5) * (columns - 1 - 2 * radius);
          const at = (frame - span.offset) * rows * columns;
          // Noise is drawn for the frames before the span as well, so that any run of frames is the same.
          if (at >= 0) drawPoint(values.subarray(at, at + rows * columns), columns, y, x);
        }
        return values;
      },
      drawTargets({ index }, span) {
        const count = movingPointsClasses.length;
        const answers = new Float32Array(span.frames * count);
        for (let frame = 0; frame < span.frames; frame++) {
          answers[frame * count + classOf(index)] = 1;
        }
        return answers;
      },
    }, options),
    close() {},
  };
}

/** Height as a share of the frame, from the top, for the share of the way that is done. */
function drawCourse(random: Random, course: Course, rows: number): (way: number) => number {
  const edge = (radius + 1) / (rows - 1);
  const between = (low: number, high: number) => low + random.uniform() * (high - low);
  switch (course) {
    case "sine": {
      const amplitude = between(0.15, 0.4);
      const middle = between(amplitude + edge, 1 - amplitude - edge);
      const [periods, phase] = [between(1, 3), between(0, 2 * Math.PI)];
      return (way) => middle + amplitude * Math.sin(2 * Math.PI * periods * way + phase);
    }
    case "constant": {
      const height = between(edge, 1 - edge);
      return () => height;
    }
    case "ascending":
    case "descending": {
      const rise = between(0.3, 0.9 - 2 * edge);
      const low = between(rise + edge, 1 - edge);
      return course === "ascending" ? (way) => low - rise * way : (way) => low - rise * (1 - way);
    }
  }
}

/** One course for all videos of a class, with a noise of one pixel; heights as `drawCourse` has them. */
function noisyPath(random: Random, course: Course) {
  const heights: { readonly [course in Course]: (way: number) => number } = {
    sine: (way) => 0.5 - 0.4 * Math.sin(2 * Math.PI * way),
    constant: () => 0.5,
    ascending: (way) => 0.9 - 0.8 * way,
    descending: (way) => 0.1 + 0.8 * way,
  };
  return {
    heightAt: heights[course],
    moves: course !== "constant",
    /** In pixels. */
    noise: () => random.normal(),
  };
}

/** A disc with a soft edge of one pixel. */
function drawPoint(frame: Float32Array, columns: number, y: number, x: number): void {
  const rows = frame.length / columns;
  const reach = radius + 1;
  for (let row = Math.max(0, Math.ceil(y - reach)); row <= Math.min(rows - 1, y + reach); row++) {
    const first = Math.max(0, Math.ceil(x - reach));
    for (let column = first; column <= Math.min(columns - 1, x + reach); column++) {
      const distance = Math.hypot(row - y, column - x);
      frame[row * columns + column] = Math.min(1, Math.max(0, radius + 0.5 - distance));
    }
  }
}
