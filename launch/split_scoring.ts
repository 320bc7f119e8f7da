/** What `evaluate` scores of a trained model, the same in each process that takes a part of it. */
import { atStride } from "../datasets/window_shape.ts";
import { type SampleOptions, unsampledBecause } from "../worker/answer_samples.ts";
import type { ScoreSplitOptions } from "../worker/score_split.ts";
import { type FlagTable, type GivenFlags, UsageError } from "./flags.ts";
import { scoredEventFlags, scoredEvents } from "./scored_events.ts";
import type { TrainedModel } from "./trained_model.ts";

export const splitScoringFlags = {
  ...scoredEventFlags,
  samples: {
    kind: "integer",
    value: "N",
    min: 2,
    max: 1000,
    help: "answers with drawn noise for each frame, scored together (CRPS)",
    defaultText: "none",
  },
} as const satisfies FlagTable;

/** @throws {UsageError} where a flag would do nothing */
export function splitScoring(given: GivenFlags, trained: TrainedModel): ScoreSplitOptions {
  const { engine, dataset, split, loss, configuration, parameters } = trained;
  const { lanes, shards, windowStride } = configuration;
  // Runs from before there was a stride have none.
  const window = atStride(trained.model.window, windowStride ?? null);
  return {
    ...{ engine, parameters, dataset, split, loss, lanes, shards },
    model: { ...trained.model, window },
    samples: samplesOf(given, trained),
    ...scoredEvents(given, dataset),
  };
}

function samplesOf(
  given: GivenFlags,
  { model, configuration: { seed } }: TrainedModel,
): SampleOptions | undefined {
  const count = given.samples as number | undefined;
  if (count === undefined) return undefined;
  const why = unsampledBecause(model);
  if (why === undefined) return { count, seed };
  throw new UsageError(
    `Cannot use --samples ${count} with ${model.name}: ${why}; leave --samples out`,
  );
}
