/** A dataset of arrays that are in memory, for programs that make their own. */
import type { Dataset, FrameShape, Split } from "./dataset.ts";
import { DatasetError } from "./dataset.ts";
import { requestedEntry } from "./requested_entry.ts";

export interface ArrayDatasetOptions {
  readonly name: string;
  /** [height, width, channels] */
  readonly frameShape: FrameShape;
  /** Sequences of each split, [frames, height, width, channels] with values in [0, 1]. */
  readonly sequences: Readonly<Record<Split, readonly Float32Array[]>>;
  /** What a value of 1 means. @default {"white"} */
  readonly unit?: string;
}

/** @throws {DatasetError} where an array is not a whole number of frames */
export function arrayDataset(options: ArrayDatasetOptions): Dataset {
  const { name, frameShape, sequences, unit = "white" } = options;
  const size = frameShape.reduce((product, extent) => product * extent, 1);
  const entriesOf = (split: Split) =>
    sequences[split].map((values, index) => {
      if (values.length === 0 || values.length % size !== 0) {
        throw new DatasetError(
          `Cannot use sequence ${index} of ${split}: its ${values.length} values are no whole ` +
            `number of frames of ${frameShape.join(" x ")}`,
        );
      }
      return { id: `${split}/${String(index).padStart(6, "0")}`, frames: values.length / size };
    });
  const catalogue = {
    train: entriesOf("train"),
    validation: entriesOf("validation"),
    test: entriesOf("test"),
  };
  const counts = Object.values(catalogue).map((entries) => entries.length);
  return {
    name,
    frameShape,
    unit,
    description: `${name}: ${counts[0]} sequences for training, ${counts[1]} for validation, ` +
      `${counts[2]} for test, of ${frameShape.join(" x ")}`,
    catalogue: (split) => catalogue[split],
    read(request) {
      requestedEntry(catalogue[request.split], request);
      const { split, sequence, offset, frames } = request;
      const values = sequences[split][sequence];
      return Promise.resolve(values.slice(offset * size, (offset + frames) * size));
    },
    close() {},
  };
}
