/**
 * Moving points: a bright point crosses the frame from left to right on a sine, a level, a rising or
 * a falling line, and the answer is which of them it was. One frame says nothing; only the sequence
 * does, which makes it a small test of memory.
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
}

/** @throws {DatasetError} if an option is out of range */
export function movingPoints(options: MovingPointsOptions, seed: number): Dataset {
  const { frameSize: [rows, columns] } = options;
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
      `classes`,
    unit: "white",
    targetShape: [movingPointsClasses.length],
    classes: movingPointsClasses,
    ...generatedSequences({
      name,
      seed,
      draw({ random, frames, index }, span) {
        const heightAt = drawCourse(random, movingPointsClasses[classOf(index)], rows);
        const values = new Float32Array(span.frames * rows * columns);
        for (let frame = 0; frame < span.frames; frame++) {
          const way = frames === 1 ? 0.5 : (span.offset + frame) / (frames - 1);
          const x = radius + way * (columns - 1 - 2 * radius);
          drawPoint(
            values.subarray(frame * rows * columns, (frame + 1) * rows * columns),
            columns,
            heightAt(way) * (rows - 1),
            x,
          );
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
