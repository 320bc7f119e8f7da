/** Rain without data: seeded fields that drift, grow and decay, so that `radar` works anywhere. */
import { DatasetError } from "./dataset.ts";
import {
  describeGenerated,
  type GeneratedOptions,
  generatedSequences,
} from "./generated_sequences.ts";
import { marshallPalmer, radarUnit } from "./radar_scale.ts";
import type { RainDataset } from "./rain_dataset.ts";
import { drawRainField, rainFrames } from "./rain_field.ts";

export interface SyntheticRainOptions extends GeneratedOptions {
  /** Rows and columns of a frame. */
  readonly frameSize: number;
}

/** @throws {DatasetError} if an option is out of range */
export function syntheticRain(options: SyntheticRainOptions, seed: number): RainDataset {
  const { frameSize } = options;
  if (!Number.isSafeInteger(frameSize) || frameSize < 1) {
    throw new DatasetError(
      `Cannot generate rain: frameSize must be a whole number of at least 1, found ${frameSize}`,
    );
  }
  return {
    name: "radar",
    frameShape: [frameSize, frameSize, 1],
    description: `Synthetic rain, ${describeGenerated(options)}, no real radar data`,
    unit: radarUnit,
    relation: marshallPalmer,
    ...generatedSequences({
      name: "synthetic-rain",
      seed,
      draw: ({ random, frames }, span) =>
        rainFrames(drawRainField(random, frames, frameSize), span),
    }, options),
    close() {},
  };
}
