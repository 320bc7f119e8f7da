/** Settings that cannot do what they say, in sentences: known once data and network are open. */
import type { Dataset } from "../datasets/dataset.ts";
import { planEpoch } from "../datasets/plan.ts";
import type { WindowShape } from "../datasets/window_shape.ts";
import type { RunConfiguration } from "../net/run_configuration.ts";
import { trainingSteps } from "./training_span.ts";

/** Above this share of padding, lanes compute mostly nothing. */
const paddedShareMax = 0.25;

export function settingWarnings(
  configuration: Pick<
    RunConfiguration,
    "lanes" | "seed" | "shuffle" | "epochs" | "steps" | "optimizer"
  >,
  dataset: Dataset,
  window: WindowShape,
): string[] {
  const { lanes, seed, shuffle, optimizer: { warmupSteps, schedule } } = configuration;
  const warnings = [...dataset.warnings ?? []];
  const planned = dataset.catalogue("train", 0);
  const { paddedShare } = planEpoch({ sequences: planned, window, lanes, seed, epoch: 0, shuffle });
  if (paddedShare > paddedShareMax) {
    const sequences = planned.length;
    warnings.push(
      `${Math.round(100 * paddedShare)} % of what ${lanes} lanes compute is padding, with ` +
        `${sequences} training ${
          sequences === 1 ? "sequence" : "sequences"
        } to share; give fewer ` +
        "--lanes, or more or shorter sequences",
    );
  }
  if (warmupSteps > 0) {
    const steps = trainingSteps(configuration, dataset, window);
    if (warmupSteps >= steps) {
      warnings.push(
        `--warmup-steps ${warmupSteps} is not below the run's ${steps} steps: the learning rate ` +
          `rises to its end${
            schedule === "constant" ? "" : ` and --schedule ${schedule} never begins`
          }`,
      );
    }
  }
  return warnings;
}
