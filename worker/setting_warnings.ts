/** Settings that cannot do what they say, in sentences: known once data and network are open. */
import type { Dataset } from "../datasets/dataset.ts";
import { planEpoch } from "../datasets/plan.ts";
import type { WindowShape } from "../datasets/window_shape.ts";
import type { RunConfiguration } from "../net/run_configuration.ts";

/** Above this share of padding, lanes compute mostly nothing. */
const paddedShareMax = 0.25;

/** @param totalSteps of the run, where it has a warm-up or a schedule */
export function settingWarnings(
  configuration: Pick<RunConfiguration, "lanes" | "seed" | "shuffle" | "optimizer">,
  dataset: Pick<Dataset, "catalogue" | "warnings">,
  window: WindowShape,
  totalSteps: number,
): string[] {
  const { lanes, seed, shuffle, optimizer: { warmupSteps, schedule } } = configuration;
  const warnings = [...dataset.warnings ?? []];
  const sequences = dataset.catalogue("train", 0);
  const { paddedShare } = planEpoch({ sequences, window, lanes, seed, epoch: 0, shuffle });
  if (paddedShare > paddedShareMax) {
    const { length } = sequences;
    warnings.push(
      `${Math.round(100 * paddedShare)} % of what ${lanes} lanes compute is padding, with ` +
        `${length} training ${length === 1 ? "sequence" : "sequences"} to share; give fewer ` +
        "--lanes, or more or shorter sequences",
    );
  }
  if (warmupSteps > 0 && warmupSteps >= totalSteps) {
    const never = schedule === "constant" ? "" : ` and --schedule ${schedule} never begins`;
    warnings.push(
      `--warmup-steps ${warmupSteps} is not below the run's ${totalSteps} steps: the learning rate ` +
        `rises to its end${never}`,
    );
  }
  return warnings;
}
