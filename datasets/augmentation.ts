/**
 * Augmentation by flips and quarter turns: drawn anew for each training sequence and epoch, and the
 * same for all of its frames and answers, so that motion stays motion and carried state stays
 * meaningful. Validation and test sequences are never changed.
 */
import { random } from "../net/random.ts";
import { type Dataset, DatasetError, type ReadRequest } from "./dataset.ts";

export interface AugmentationOptions {
  /** Left to right and top to bottom, each with a chance of a half. */
  readonly flips: boolean;
  /** By 0, 90, 180 or 270 degrees. */
  readonly rotations: boolean;
}

/** How an image is turned: first transposed, then flipped. */
interface Turn {
  readonly transposed: boolean;
  readonly flippedRows: boolean;
  readonly flippedColumns: boolean;
}

/** @throws {DatasetError} if frames that are not square are to be rotated */
export function augmented(dataset: Dataset, options: AugmentationOptions, seed: number): Dataset {
  const { flips, rotations } = options;
  if (!flips && !rotations) return dataset;
  const [rows, columns] = dataset.frameShape;
  if (rotations && rows !== columns) {
    throw new DatasetError(
      `Cannot rotate frames of ${rows}x${columns} by quarter turns: they are not square`,
    );
  }
  const turnOf = ({ epoch, sequence }: ReadRequest): Turn => {
    const stream = random(seed, "augmentation", epoch, sequence);
    const [flippedRows, flippedColumns] = [stream.integer(2) === 1, stream.integer(2) === 1];
    const quarters = stream.integer(4);
    const turn = {
      transposed: false,
      flippedRows: flips && flippedRows,
      flippedColumns: flips && flippedColumns,
    };
    if (!rotations) return turn;
    // A quarter turn is a transposition and one flip; two quarters are both flips.
    const half = quarters >= 2;
    return {
      transposed: quarters % 2 === 1,
      flippedRows: turn.flippedRows !== half,
      flippedColumns: turn.flippedColumns !== (half !== (quarters % 2 === 1)),
    };
  };
  const { targetShape } = dataset;
  const targetsAreImages = targetShape?.length === 3 && targetShape[0] === rows &&
    targetShape[1] === columns;
  return {
    ...dataset,
    description: `${dataset.description}, augmented by ${
      [flips && "flips", rotations && "quarter turns"].filter(Boolean).join(" and ")
    }`,
    async read(request) {
      const frames = await dataset.read(request);
      if (request.split !== "train") return frames;
      return turned(frames, dataset.frameShape, turnOf(request));
    },
    ...(dataset.readTargets && {
      async readTargets(request: ReadRequest) {
        const targets = await dataset.readTargets!(request);
        if (request.split !== "train" || !targetsAreImages) return targets;
        return turned(targets, targetShape as [number, number, number], turnOf(request));
      },
    }),
  };
}

function turned(
  images: Float32Array,
  [rows, columns, channels]: readonly [number, number, number],
  { transposed, flippedRows, flippedColumns }: Turn,
): Float32Array {
  if (!transposed && !flippedRows && !flippedColumns) return images;
  const size = rows * columns * channels;
  const result = new Float32Array(images.length);
  for (let start = 0; start < images.length; start += size) {
    for (let row = 0; row < rows; row++) {
      const y = flippedRows ? rows - 1 - row : row;
      for (let column = 0; column < columns; column++) {
        const x = flippedColumns ? columns - 1 - column : column;
        const from = start + (transposed ? x * columns + y : y * columns + x) * channels;
        const to = start + (row * columns + column) * channels;
        for (let channel = 0; channel < channels; channel++) {
          result[to + channel] = images[from + channel];
        }
      }
    }
  }
  return result;
}
