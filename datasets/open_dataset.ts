/** Datasets by name: the one place that knows them all. */
import { type Dataset, DatasetError } from "./dataset.ts";
import { type MovingMnistOptions, openMovingMnist } from "./moving_mnist.ts";
import { openRadar, type RadarOptions } from "./radar.ts";

/** What `--dataset` accepts. */
export const datasetNames = ["moving-mnist", "radar"] as const;

export interface DatasetOptions extends MovingMnistOptions, RadarOptions {
  /** One of `datasetNames`. */
  readonly name: string;
}

/**
 * The same sequences for the same options and seed, on every machine.
 * @throws {DatasetError} if the name is unknown, an option is out of range or the data at
 *   `options.path` cannot be read
 */
export async function openDataset(options: DatasetOptions, seed: number): Promise<Dataset> {
  switch (options.name) {
    case "moving-mnist":
      return await openMovingMnist(options, seed);
    case "radar":
      return await openRadar(options, seed);
    default:
      throw new DatasetError(
        `Cannot open dataset "${options.name}": known datasets are ${datasetNames.join(", ")}`,
      );
  }
}
