/** Which events `evaluate` scores where its flags do not say: those that a dataset's forecasts are known by. */
import type { Dataset } from "../datasets/dataset.ts";
import { isRainDataset } from "../datasets/rain_dataset.ts";
import { sevirThresholds } from "../metrics/contingency.ts";
import type { FlagTable, GivenFlags } from "./flags.ts";

export const scoredEventFlags = {
  thresholds: {
    kind: "numbers",
    value: "X,X,...",
    min: 0,
    max: 1e6,
    help: "score events of at least this, in mm/h for radar, of 255 for sevir",
    defaultText: `0.5,2,5 for radar, ${sevirThresholds} for sevir, else none`,
  },
  scales: {
    kind: "integers",
    value: "N,N,...",
    min: 1,
    max: 10_000,
    help: "sides of the fractions skill score's neighbourhoods in pixels",
    defaultText: "1,5 for radar, else none",
  },
} as const satisfies FlagTable;

const rainThresholds = [0.5, 2, 5];
const rainScales = [1, 5];

export interface ScoredEvents {
  readonly thresholds: readonly number[];
  readonly scales: readonly number[];
}

export function scoredEvents(given: GivenFlags, dataset: Dataset): ScoredEvents {
  const isRain = isRainDataset(dataset);
  const usual = isRain ? rainThresholds : dataset.name === "sevir" ? sevirThresholds : [];
  return {
    thresholds: given.thresholds as readonly number[] | undefined ?? usual,
    scales: given.scales as readonly number[] | undefined ?? (isRain ? rainScales : []),
  };
}
