/**
 * Learning rates as pure functions of the step, so that a resumed run continues the same course
 * without any state.
 */
import type { OptimizerConfiguration } from "../net/run_configuration.ts";

/** The learning rate of a step, counted from 1. After the last step it stays what it was there. */
export type Schedule = (step: number) => number;

/** Where the cosine ends, as a share of the highest rate. */
export const COSINE_FLOOR_SHARE = 0.01;
/** As the defaults of PyTorch's OneCycleLR. */
const ONE_CYCLE = { warmupShare: 0.3, startDivisor: 25, endDivisor: 1e4 } as const;

/**
 * `warmupSteps` of linear rise come before `constant` and `cosine`; `one-cycle` has its own.
 * @param totalSteps of the whole run
 */
export function buildSchedule(
  { schedule, learningRate, warmupSteps }: Pick<
    OptimizerConfiguration,
    "schedule" | "learningRate" | "warmupSteps"
  >,
  totalSteps: number,
): Schedule {
  switch (schedule) {
    case "constant":
      return (step) => learningRate * Math.min(step / Math.max(warmupSteps, 1), 1);
    case "cosine":
      return cosine(learningRate, warmupSteps, totalSteps);
    case "one-cycle":
      return oneCycle(learningRate, totalSteps);
  }
}

/**
 * Rises in a line to `peak` at step `warmupSteps`, then falls along half a cosine to
 * `COSINE_FLOOR_SHARE` × `peak` at step `totalSteps` (Loshchilov and Hutter 2017, without restarts;
 * Keras' CosineDecay).
 */
export function cosine(peak: number, warmupSteps: number, totalSteps: number): Schedule {
  const floor = peak * COSINE_FLOOR_SHARE;
  return (step) => {
    if (step < warmupSteps) return peak * (step / warmupSteps);
    const share = Math.min((step - warmupSteps) / Math.max(totalSteps - warmupSteps, 1), 1);
    return halfCosine(peak, floor, share);
  };
}

/**
 * Rises along half a cosine from `peak` / 25 during the first 30 % of the steps, then falls along
 * another to a 10,000th of that start (Smith and Topin 2018; PyTorch's OneCycleLR).
 */
export function oneCycle(peak: number, totalSteps: number): Schedule {
  const start = peak / ONE_CYCLE.startDivisor;
  const end = start / ONE_CYCLE.endDivisor;
  const top = ONE_CYCLE.warmupShare * totalSteps - 1;
  return (step) => {
    const index = Math.min(step, totalSteps) - 1;
    if (index <= top) return halfCosine(start, peak, index / top);
    return halfCosine(peak, end, (index - top) / (totalSteps - 1 - top));
  };
}

function halfCosine(from: number, to: number, share: number): number {
  return to + (from - to) / 2 * (1 + Math.cos(Math.PI * share));
}
