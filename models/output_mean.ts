/** The mean that a network's drawn pixels begin at. */
import type { OptionSpec } from "../net/options.ts";

/**
 * An option of networks that end in a sigmoid: where most pixels are black, a bias that begins at one
 * half spends the first thousands of steps on learning the mean.
 */
export const outputMeanOption = {
  name: "output-mean",
  default: 0.5,
  min: 0.001,
  max: 0.999,
  fraction: true,
  meaning: "mean of the frames' values, which drawn pixels begin at",
} as const satisfies OptionSpec;
