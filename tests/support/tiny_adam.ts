/**
 * The update of a tiny run: Adam (Kingma and Ba 2015) under a schedule, value by value in float64 and kept
 * in float32. Both moments, the step and its learning rate reach every parameter, so that a slot that is
 * lost or a step that is counted wrongly changes the bits.
 */
import type { OptimizerConfiguration } from "../../net/run_configuration.ts";

export const adamSlots = ["adam/m", "adam/v"] as const;
export type AdamSlots = readonly [m: Float32Array, v: Float32Array];

const [beta1, beta2, epsilon] = [0.9, 0.999, 1e-7];

/** @param step of this update, counted from 1 */
export function adamUpdate(
  parameters: Float32Array,
  [m, v]: AdamSlots,
  gradient: Float32Array,
  { step, learningRate }: { readonly step: number; readonly learningRate: number },
): { readonly parameters: Float32Array; readonly slots: AdamSlots } {
  const newM = m.map((value, i) => value + (1 - beta1) * (gradient[i] - value));
  const newV = v.map((value, i) => value + (1 - beta2) * (gradient[i] ** 2 - value));
  const rate = learningRate / (1 - beta1 ** step);
  const correction = 1 - beta2 ** step;
  return {
    parameters: parameters.map((value, i) =>
      value - rate * newM[i] / (Math.sqrt(newV[i] / correction) + epsilon)
    ),
    slots: [newM, newV],
  };
}

/**
 * What the learning rate of each step is, said once more and not taken from the product: a list over the
 * whole run, without a step that a trainer could have counted wrongly.
 */
export function learningRates(
  { schedule, learningRate: peak, warmupSteps }: OptimizerConfiguration,
  steps: number,
): number[] {
  const halfCosine = (from: number, to: number, share: number) =>
    to + (from - to) / 2 * (1 + Math.cos(Math.PI * share));
  return Array.from({ length: steps }, (_, index) => {
    const step = index + 1;
    if (schedule === "one-cycle") {
      const top = 0.3 * steps - 1;
      return index <= top
        ? halfCosine(peak / 25, peak, index / top)
        : halfCosine(peak, peak / 25 / 1e4, (index - top) / (steps - 1 - top));
    }
    if (step < warmupSteps) return peak * (step / warmupSteps);
    if (schedule === "constant") return peak;
    return halfCosine(peak, peak * 0.01, (step - warmupSteps) / Math.max(steps - warmupSteps, 1));
  });
}
